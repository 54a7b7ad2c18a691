// The judge of crates/goyaml: answers what sigs.k8s.io/yaml, and go-yaml v3, make of a text.
//
// Each line of standard input is a request {"op": …, "in": …}; each gets one line
// {"out": …} or {"err": …}, with "unstable": true where Go itself answers differently
// from one time to the next (it walks maps in random order).
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	v2 "go.yaml.in/yaml/v2"
	v3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

type request struct {
	Op string `json:"op"`
	In string `json:"in"`
}

type answer struct {
	Out      string `json:"out,omitempty"`
	Err      string `json:"err,omitempty"`
	Unstable bool   `json:"unstable,omitempty"`
}

// attempts at a request: enough to see most of what depends on map order.
func attempts(r request) int {
	if len(r.In) > 1<<12 {
		return 2
	}
	return 8
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	decoder := json.NewDecoder(in)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for decoder.More() {
		var r request
		if err := decoder.Decode(&r); err != nil {
			fmt.Fprintln(os.Stderr, "bad request:", err)
			os.Exit(1)
		}
		a := run(r)
		for i := 1; i < attempts(r) && !a.Unstable; i++ {
			a.Unstable = run(r) != a
		}
		if err := encoder.Encode(a); err != nil {
			os.Exit(1)
		}
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
	out.Flush()
}

func run(r request) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{Err: fmt.Sprint("panic: ", p)}
		}
	}()
	out, err := operate(r)
	if err != nil {
		return answer{Err: err.Error()}
	}
	return answer{Out: out}
}

func operate(r request) (string, error) {
	switch r.Op {
	case "yamlToJSON":
		var v interface{}
		if err := yaml.Unmarshal([]byte(r.In), &v); err != nil {
			return "", err
		}
		out, err := yaml.YAMLToJSON([]byte(r.In))
		return string(out), err
	case "bytes":
		// Hexadecimal, for what JSON can't carry.
		in, err := hex.DecodeString(r.In)
		if err != nil {
			return "", err
		}
		var v interface{}
		if err := yaml.Unmarshal(in, &v); err != nil {
			return "", err
		}
		out, err := json.Marshal(v)
		return string(out), err
	case "strict":
		var v interface{}
		if err := yaml.UnmarshalStrict([]byte(r.In), &v); err != nil {
			return "", err
		}
		out, err := yaml.YAMLToJSONStrict([]byte(r.In))
		return string(out), err
	case "map":
		m := map[string]interface{}{}
		if err := yaml.Unmarshal([]byte(r.In), &m); err != nil {
			return "", err
		}
		out, err := json.Marshal(m)
		return string(out), err
	case "value":
		// The decoded value with its Go types.
		var v interface{}
		if err := v2.Unmarshal([]byte(r.In), &v); err != nil {
			return "", err
		}
		return fmt.Sprintf("%#v", v), nil
	case "marshal":
		v, err := value(r.In)
		if err != nil {
			return "", err
		}
		out, err := yaml.Marshal(v)
		return string(out), err
	case "v3pretty":
		v, err := value(r.In)
		if err != nil {
			return "", err
		}
		var out bytes.Buffer
		encoder := v3.NewEncoder(&out)
		encoder.SetIndent(2)
		err = encoder.Encode(v)
		return out.String(), err
	}
	return "", fmt.Errorf("unknown op %q", r.Op)
}

// value reads JSON with integers kept as such.
func value(text string) (interface{}, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var v interface{}
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v), nil
}

func numbers(v interface{}) interface{} {
	switch v := v.(type) {
	case map[string]interface{}:
		for key, item := range v {
			v[key] = numbers(item)
		}
	case []interface{}:
		for i, item := range v {
			v[i] = numbers(item)
		}
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(string(v), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}
