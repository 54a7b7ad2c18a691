// Command template judges helmapp-gotmpl: it reads one JSON request a line and answers with what Go's
// text/template, fmt and sprig make of it.
//
// A request has templates (name and text), the name to execute, data, the missingkey option, whether all
// of sprig is there and, instead of a template, a format with arguments for fmt. Numbers of the data are
// int64 or float64 as written, {"complex128": ["1", "-Inf"]} is a complex one.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

type source struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

type request struct {
	Templates  []source        `json:"templates"`
	Execute    string          `json:"execute"`
	Data       json.RawMessage `json:"data"`
	MissingKey string          `json:"missingkey"`
	Format     *string         `json:"format"`
	Sprig      bool            `json:"sprig"`
}

type response struct {
	Output string `json:"output"`
	Error  string `json:"error,omitempty"`
}

// Inner and Thing are what host objects look like to templates.
type Inner struct {
	Name string
	Tags []string
}

type Thing struct {
	Name   string
	Count  int
	Inner  Inner
	Labels map[string]string
	Any    interface{}
	Ptr    *Inner
}

func (t *Thing) Hello(name string) string            { return "hello " + name }
func (t *Thing) Plain() string                       { return "plain " + t.Name }
func (t *Thing) Join(sep string, s ...string) string { return strings.Join(s, sep) }
func (t *Thing) Fail(msg string) (string, error)     { return "", errors.New(msg) }
func (t *Thing) Get() interface{}                    { return t.Any }

type Color int

func (c Color) String() string { return [...]string{"red", "green"}[uint(c)%2] }

type Set []string

func (s Set) Has(v string) bool {
	for _, x := range s {
		if x == v {
			return true
		}
	}
	return false
}

// funcs has functions of every parameter type and, of sprig, all or only what makes containers.
func funcs(t *template.Template, all bool) template.FuncMap {
	f := sprig.TxtFuncMap()
	if !all {
		f = template.FuncMap{"list": f["list"], "dict": f["dict"], "set": f["set"]}
	}
	f["include"] = func(name string, data interface{}) (string, error) {
		var b bytes.Buffer
		err := t.ExecuteTemplate(&b, name, data)
		return b.String(), err
	}
	f["thing"] = func() *Thing {
		return &Thing{Name: "n", Count: 3, Inner: Inner{"in", []string{"a", "b"}}, Labels: map[string]string{"k": "v"}}
	}
	f["color"] = func(i int) Color { return Color(i) }
	f["set_of"] = func(s ...string) Set { return Set(s) }
	f["fString"] = func(s string) string { return "s:" + s }
	f["fInt"] = func(i int) int { return i + 1 }
	f["fInt64"] = func(i int64) int64 { return i + 1 }
	f["fFloat"] = func(x float64) float64 { return x / 2 }
	f["fBool"] = func(b bool) bool { return !b }
	f["fMap"] = func(m map[string]interface{}) int { return len(m) }
	f["fList"] = func(l []interface{}) int { return len(l) }
	f["fStrings"] = func(l []string) int { return len(l) }
	f["fRune"] = func(r rune) rune { return r }
	f["fUint8"] = func(b uint8) uint8 { return b }
	f["fBytes"] = func(s string) []byte { return []byte(s) }
	f["fMapString"] = func(k, v string) map[string]string { return map[string]string{k: v} }
	f["fAny"] = func(v interface{}) interface{} { return v }
	f["fNil"] = func() interface{} { return nil }
	f["fAnyConst"] = func() interface{} { return "any" }
	f["fVariadic"] = func(a string, rest ...int) string { return fmt.Sprint(a, rest) }
	f["fFunc"] = func() func(int, string) string { return func(i int, s string) string { return fmt.Sprint(i, s) } }
	f["fErr"] = func(s string) (string, error) { return "", errors.New(s) }
	f["fFloat32"] = func(x float64) float32 { return float32(x) }
	return f
}

// part reads the real or imaginary part of a complex number, which JSON has none of.
func part(text interface{}) float64 {
	f, err := strconv.ParseFloat(text.(string), 64)
	if err != nil {
		panic(err)
	}
	return f
}

func convert(v interface{}) interface{} {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil && !strings.ContainsAny(v.String(), ".eE") {
			return i
		}
		f, _ := v.Float64()
		return f
	case []interface{}:
		for i := range v {
			v[i] = convert(v[i])
		}
	case map[string]interface{}:
		if parts, ok := v["complex128"].([]interface{}); ok {
			return complex(part(parts[0]), part(parts[1]))
		}
		for k := range v {
			v[k] = convert(v[k])
		}
	}
	return v
}

func answer(q request) (string, error) {
	var data interface{}
	if len(q.Data) > 0 {
		d := json.NewDecoder(bytes.NewReader(q.Data))
		d.UseNumber()
		if err := d.Decode(&data); err != nil {
			return "", err
		}
		data = convert(data)
	}
	if q.Format != nil {
		args, _ := data.([]interface{})
		return fmt.Sprintf(*q.Format, args...), nil
	}
	t := template.New("root")
	t.Funcs(funcs(t, q.Sprig))
	if q.MissingKey != "" {
		t.Option("missingkey=" + q.MissingKey)
	}
	for _, s := range q.Templates {
		if _, err := t.New(s.Name).Parse(s.Text); err != nil {
			return "", err
		}
	}
	var out bytes.Buffer
	err := t.ExecuteTemplate(&out, q.Execute, data)
	return out.String(), err
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		var q request
		var r response
		err := json.Unmarshal(in.Bytes(), &q)
		if err == nil {
			r.Output, err = answer(q)
		}
		if err != nil {
			r = response{Error: err.Error()}
		}
		line, _ := json.Marshal(r)
		out.Write(append(line, '\n'))
		out.Flush()
	}
}
