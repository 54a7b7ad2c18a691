// Package judge is what the two Helm judges share: the requests they read, a line of JSON each, the answers
// they give, and the measuring of time and memory.
package judge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// File is a file of a chart, or one that --set-file reads. Bytes are for what is no text.
type File struct {
	Name  string `json:"name"`
	Text  string `json:"text,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

// Data is the file's content.
func (f File) Data() []byte {
	if f.Bytes != nil {
		return f.Bytes
	}
	return []byte(f.Text)
}

// Case is a chart with all that `helm template` takes. The chart is the directory or archive at Path, or made
// of Files.
type Case struct {
	// Op is "template", "values" or "time".
	Op    string `json:"op"`
	Path  string `json:"path"`
	Files []File `json:"files"`
	// Values are the texts of -f; in messages they are called case:0, case:1 and so on.
	Values     []string `json:"values"`
	SetJSON    []string `json:"setJson"`
	Set        []string `json:"set"`
	SetString  []string `json:"setString"`
	SetFile    []string `json:"setFile"`
	SetLiteral []string `json:"setLiteral"`
	// Inputs are what --set-file finds as case:NAME.
	Inputs      []File   `json:"inputs"`
	Name        string   `json:"name"`
	Namespace   string   `json:"namespace"`
	KubeVersion string   `json:"kubeVersion"`
	APIVersions []string `json:"apiVersions"`
	Upgrade     bool     `json:"upgrade"`
	IncludeCRDs bool     `json:"includeCrds"`
	SubNotes    bool     `json:"subNotes"`
	SkipSchema  bool     `json:"skipSchema"`
	// What is timed: "load" (archive to chart), "values" (dependencies and schema), "render" (values and
	// templates), "manifest" (render, then sort) or "all" (archive to manifest).
	What  string `json:"what"`
	Count int    `json:"count"`
}

// Scheme is how values and inputs are named.
const Scheme = "case"

// ValueFiles are the names of the values' texts.
func (c Case) ValueFiles() []string {
	var names []string
	for i := range c.Values {
		names = append(names, fmt.Sprintf("%s:%d", Scheme, i))
	}
	return names
}

// Read gives what a name stands for.
func (c Case) Read(name string) (*bytes.Buffer, error) {
	name = strings.TrimPrefix(name, Scheme+":")
	for i, text := range c.Values {
		if fmt.Sprint(i) == name {
			return bytes.NewBufferString(text), nil
		}
	}
	for _, f := range c.Inputs {
		if f.Name == name {
			return bytes.NewBuffer(f.Data()), nil
		}
	}
	return nil, fmt.Errorf("no input %s", name)
}

// Answer is what Helm makes of a case.
type Answer struct {
	// Out is standard output, or the values as JSON.
	Out string `json:"out,omitempty"`
	// Err is the error, as the command prints it behind "Error: ".
	Err      string   `json:"err,omitempty"`
	Notes    string   `json:"notes,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Nanos are the times of each run, Allocated the bytes that one run allocates on average.
	Nanos     []int64 `json:"nanos,omitempty"`
	Allocated uint64  `json:"allocated,omitempty"`
	// Processor are the nanoseconds of processor time, all threads together, that one run takes on average.
	Processor int64 `json:"processor,omitempty"`
}

// Helm is one version of it.
type Helm interface {
	// Template is `helm template`: standard output and notes.
	Template(c Case) (out string, notes string, err error)
	// Values are the coalesced values that templates get, as JSON.
	Values(c Case) (string, error)
	// Work prepares what is to be timed.
	Work(c Case) (func() error, error)
}

// memoryLimit ends a judge that a case makes greedy, before it takes the machine's memory.
const memoryLimit = 6 << 30

// Serve answers until there are no more requests.
func Serve(helm Helm) {
	limit := syscall.Rlimit{Cur: memoryLimit, Max: memoryLimit}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		fmt.Fprintln(os.Stderr, "no limit of memory:", err)
	}
	var warnings bytes.Buffer
	log.SetFlags(0)
	log.SetOutput(&warnings)
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	buffered := bufio.NewWriterSize(os.Stdout, 1<<20)
	out := json.NewEncoder(buffered)
	out.SetEscapeHTML(false)
	for in.More() {
		var c Case
		if err := in.Decode(&c); err != nil {
			fmt.Fprintln(os.Stderr, "bad request:", err)
			os.Exit(1)
		}
		warnings.Reset()
		a := answer(helm, c)
		if text := strings.TrimSuffix(warnings.String(), "\n"); text != "" {
			a.Warnings = strings.Split(text, "\n")
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
		if err := buffered.Flush(); err != nil {
			os.Exit(1)
		}
	}
}

func answer(helm Helm, c Case) (a Answer) {
	defer func() {
		if p := recover(); p != nil {
			a = Answer{Err: fmt.Sprint("panic: ", p)}
		}
	}()
	var err error
	switch c.Op {
	case "template":
		a.Out, a.Notes, err = helm.Template(c)
	case "values":
		a.Out, err = helm.Values(c)
	case "time":
		var work func() error
		if work, err = helm.Work(c); err == nil {
			err = a.measure(work, c.Count)
		}
	default:
		err = fmt.Errorf("unknown op %q", c.Op)
	}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// measure runs the work once to warm it up, then count times.
func (a *Answer) measure(work func() error, count int) error {
	if err := work(); err != nil {
		return err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	nanos := make([]int64, 0, count)
	spent := processorTime()
	for i := 0; i < count; i++ {
		start := time.Now()
		if err := work(); err != nil {
			return err
		}
		nanos = append(nanos, time.Since(start).Nanoseconds())
	}
	spent = processorTime() - spent
	runtime.ReadMemStats(&after)
	runs := max(count, 1)
	a.Nanos = nanos
	a.Allocated = (after.TotalAlloc - before.TotalAlloc) / uint64(runs)
	a.Processor = spent / int64(runs)
	return nil
}

// processorTime is what the process has used so far.
func processorTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// IsDir says whether the case's chart is a directory.
func (c Case) IsDir() bool {
	info, err := os.Stat(filepath.Clean(c.Path))
	return err == nil && info.IsDir()
}
