// Command helmapp-local is a Kubernetes control plane in one binary: etcd, the
// API server, the controller manager, the scheduler and kwok, which plays the
// nodes. The first argument chooses the component; `up` starts them all and
// answers requests on its standard input.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name, args := os.Args[1], os.Args[2:]
	if name == "up" {
		if err := up(args); err != nil {
			fmt.Fprintln(os.Stderr, "helmapp-local:", err)
			os.Exit(1)
		}
		return
	}
	run, ok := components[name]
	if !ok {
		usage()
	}
	go endWithParent()
	os.Args = append([]string{name}, args...)
	os.Exit(run())
}

// endWithParent ends the process when its standard input does: the supervisor
// holds the other end of the pipe, so that no component outlives it, however it
// ends.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: helmapp-local up [--dir DIR] [--nodes N] [--timeout D], or helmapp-local COMPONENT [FLAGS]")
	os.Exit(2)
}
