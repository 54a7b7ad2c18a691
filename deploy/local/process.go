package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// process is one component: started, stopped and started again with the same
// command line.
type process struct {
	name string
	args func() []string
	env  []string
	log  string
	died chan<- *process

	mu      sync.Mutex
	running *running
}

// running is one run of a process.
type running struct {
	cmd    *exec.Cmd
	exited chan struct{}
	// wanted says that the end was asked for.
	wanted bool
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return fmt.Errorf("%s runs already", p.name)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, append([]string{p.name}, p.args()...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = p.env
	// Held open until we end; the component ends when it closes.
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	run := &running{cmd: cmd, exited: make(chan struct{})}
	p.running = run
	go func() {
		_ = cmd.Wait()
		_ = alive.Close()
		p.mu.Lock()
		p.running = nil
		wanted := run.wanted
		p.mu.Unlock()
		close(run.exited)
		if !wanted {
			p.died <- p
		}
	}()
	return nil
}

// stop kills the component and waits for its end. Nothing in it is worth a
// graceful shutdown but what a test of crashes wants to see.
func (p *process) stop() error {
	p.mu.Lock()
	run := p.running
	if run == nil {
		p.mu.Unlock()
		return fmt.Errorf("%s does not run", p.name)
	}
	run.wanted = true
	_ = run.cmd.Process.Kill()
	p.mu.Unlock()
	select {
	case <-run.exited:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("%s did not end within 10s of being killed", p.name)
	}
}

// tail is the end of the component's log.
func (p *process) tail() string {
	const most = 4096
	file, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > most {
		_, _ = file.Seek(-most, io.SeekEnd)
	}
	data, _ := io.ReadAll(file)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// environment of the components: nothing of ours leaks into them, as they read
// configuration from variables and from the home directory.
func (d *plane) environment(name string) []string {
	env := []string{"HOME=" + d.dir, "TMPDIR=" + d.dir, "PATH=" + os.Getenv("PATH")}
	if name != kubeAPIServer {
		// Half of Go's usual headroom: memory counts more than their CPU.
		env = append(env, "GOGC=50")
	}
	return env
}
