package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
)

// plane is a running control plane. All it has lies in one directory.
type plane struct {
	dir         string
	audited     bool
	port        int
	kubeletPort int
	kwokStarts  int
	ca          *authority
	processes   map[string]*process
	died        chan *process
	client      *kubernetes.Clientset
}

// request is one line of standard input, answer the line that replies to it.
type request struct {
	ID        int64    `json:"id"`
	Do        string   `json:"do"`
	Component string   `json:"component"`
	User      string   `json:"user"`
	Groups    []string `json:"groups"`
}

type answer struct {
	ID         int64  `json:"id"`
	Kubeconfig string `json:"kubeconfig,omitempty"`
	Error      string `json:"error,omitempty"`
}

// up runs a control plane until its standard input ends or a component dies.
// It prints one line of JSON when all is ready ({"ready": …}) and one for each
// request.
func up(args []string) (err error) {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	parent := flags.String("dir", os.TempDir(), "where to make the directory that holds everything and is removed at the end")
	nodes := flags.Int("nodes", 3, "number of nodes")
	audited := flags.Bool("audit", false, "keep a log of all requests in audit.log")
	patience := flags.Duration("timeout", 2*time.Minute, "time to get ready")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(*parent, "helmapp-local-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	d := &plane{dir: dir, audited: *audited, processes: map[string]*process{}, died: make(chan *process, 16)}
	defer d.remove()

	requests, ended := read(os.Stdin)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		<-ended
		cancel(errEnded)
	}()

	starting, done := context.WithTimeoutCause(ctx, *patience, fmt.Errorf("not ready within %s", *patience))
	err = d.bringUp(starting, *nodes)
	done()
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	ready := map[string]any{"ready": map[string]any{
		"dir":        d.dir,
		"kubeconfig": d.kubeconfig("admin"),
		"server":     fmt.Sprintf("https://127.0.0.1:%d", d.port),
		"pids":       d.pids(),
	}}
	if err := out.Encode(ready); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-d.died:
			return d.obituary(p)
		case r := <-requests:
			reply := answer{ID: r.ID}
			if reply.Kubeconfig, err = d.serve(ctx, r); err != nil {
				reply.Error = err.Error()
			}
			if err := out.Encode(reply); err != nil {
				return err
			}
		}
	}
}

var errEnded = errors.New("the parent ended")

// read hands out the requests on standard input and closes ended when there can
// be no more, or when the process is told to end.
func read(in *os.File) (<-chan request, <-chan struct{}) {
	requests, ended := make(chan request, 16), make(chan struct{})
	input := make(chan struct{})
	go func() {
		defer close(input)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			var r request
			if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
				fmt.Fprintln(os.Stderr, "helmapp-local: not a request:", err)
				continue
			}
			requests <- r
		}
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		defer close(ended)
		select {
		case <-input:
		case <-signals:
		}
	}()
	return requests, ended
}

func (d *plane) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

func (d *plane) kubeconfig(user string) string { return d.path(user + ".kubeconfig") }

func (d *plane) pids() map[string]int {
	pids := map[string]int{}
	for name, p := range d.processes {
		p.mu.Lock()
		if p.running != nil {
			pids[name] = p.running.cmd.Process.Pid
		}
		p.mu.Unlock()
	}
	return pids
}

// bringUp starts the components in the order in which they need each other.
func (d *plane) bringUp(ctx context.Context, nodes int) error {
	d.add(etcd, etcdArgs)
	d.add(kubeAPIServer, apiserverArgs)
	d.add(controllerManager, controllerManagerArgs)
	d.add(kubeScheduler, schedulerArgs)
	d.add(kwok, kwokArgs)

	if err := d.processes[etcd].start(); err != nil {
		return err
	}
	var err error
	if d.port, err = reservePort(); err != nil {
		return fmt.Errorf("reserving a port: %w", err)
	}
	if err := d.writePKI(); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	for _, user := range []string{"admin", controllerManager, kubeScheduler, kwok} {
		if _, err := d.writeKubeconfig(user, user, "system:masters"); err != nil {
			return err
		}
	}
	if err := d.writeKwokConfig(); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("audit.yaml"), []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	if d.client, err = clientFor(d.kubeconfig("admin")); err != nil {
		return err
	}
	if err := d.processes[kubeAPIServer].start(); err != nil {
		return err
	}
	if err := d.wait(ctx, "the API server", apiReady(d.client)); err != nil {
		return err
	}
	for _, name := range []string{controllerManager, kubeScheduler} {
		if err := d.processes[name].start(); err != nil {
			return err
		}
	}
	if err := d.startKwok(); err != nil {
		return err
	}
	if err := populate(ctx, d.client, nodes); err != nil {
		return err
	}
	return d.wait(ctx, "the nodes", settled(d.client, nodes))
}

func (d *plane) add(name string, args func(*plane) []string) {
	d.processes[name] = &process{
		name: name,
		args: func() []string { return args(d) },
		env:  d.environment(name),
		log:  d.path(name + ".log"),
		died: d.died,
	}
}

// wait asks again and again whether something is so. It gives up when the time
// is over, with what was wrong last, or as soon as a component dies.
func (d *plane) wait(ctx context.Context, what string, ask func(context.Context) error) error {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	answers := make(chan error, 1)
	next := func() { answers <- ask(ctx) }
	go next()
	for {
		select {
		case p := <-d.died:
			if p.name != kwok || d.kwokStarts >= kwokTries {
				return d.obituary(p)
			}
			if err := d.startKwok(); err != nil {
				return err
			}
		case err := <-answers:
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("waiting for %s: %w (%v)", what, context.Cause(ctx), err)
			}
			time.AfterFunc(poll, next)
		}
	}
}

func (d *plane) obituary(p *process) error {
	return fmt.Errorf("%s ended; the end of its log:\n%s", p.name, p.tail())
}

// startKwok starts kwok on a port of its own choice. kwok can't share a port, so
// the choice is made again if somebody else was faster.
func (d *plane) startKwok() error {
	d.kwokStarts++
	port, err := unsharedPort()
	if err != nil {
		return err
	}
	d.kubeletPort = port
	return d.processes[kwok].start()
}

// serve does what a request asks for.
func (d *plane) serve(ctx context.Context, r request) (string, error) {
	if r.Do == "user" {
		if r.User == "" || strings.ContainsAny(r.User, "/\x00") {
			return "", fmt.Errorf("%q can't be a user's name here", r.User)
		}
		return d.writeKubeconfig("user-"+r.User, r.User, r.Groups...)
	}
	if r.Do == "compact" {
		return "", d.compact(ctx)
	}
	p, ok := d.processes[r.Component]
	if !ok {
		return "", fmt.Errorf("there is no component %q", r.Component)
	}
	switch r.Do {
	case "stop":
		return "", p.stop()
	case "start":
		if err := p.start(); err != nil {
			return "", err
		}
		if p.name != kubeAPIServer {
			return "", nil
		}
		ctx, done := context.WithTimeoutCause(ctx, time.Minute, errors.New("not ready within a minute"))
		defer done()
		return "", d.wait(ctx, "the API server", apiReady(d.client))
	default:
		return "", fmt.Errorf("there is no request %q", r.Do)
	}
}

// remove ends all components and removes the directory.
func (d *plane) remove() {
	for _, p := range d.processes {
		_ = p.stop()
	}
	if err := os.RemoveAll(d.dir); err != nil {
		fmt.Fprintln(os.Stderr, "helmapp-local:", err)
	}
}
