package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "portal-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "portal")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	code := 1
	if text, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, text)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// portal is the program in a process of its own.
type portal struct {
	t           *testing.T
	cmd         *exec.Cmd
	out, errs   *output
	ended       chan struct{} // closed when it has ended
	result      error         // how, once it has
	address     string        // where it listens
	health      string
	URL         string // issuer URL
	provider    string
	environment []string
}

// command is the program with arguments. It sees only those PORTAL_ variables that are
// given.
func command(t *testing.T, environment []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), binary, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PORTAL_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, environment...)
	return cmd
}

// start runs the program on free ports until it has printed its start message. The log
// shows all that it can show.
func start(t *testing.T, environment []string, args ...string) *portal {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: Windows has no SIGTERM")
	}
	p := &portal{t: t, ended: make(chan struct{}), environment: environment}
	p.cmd = command(t, environment, append([]string{"-listen", "127.0.0.1:0", "-health", "127.0.0.1:0", "-drain", "0", "-log-level", "debug"}, args...)...)
	var pipes sync.WaitGroup
	p.out, p.errs = p.collect(&pipes, p.cmd.StdoutPipe), p.collect(&pipes, p.cmd.StderrPipe)
	require.NoError(t, p.cmd.Start())
	go func() {
		pipes.Wait()
		p.result = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	listening := regexp.MustCompile(`"?listening"?.*address"?[=:]"?([^\s"]+)"?[ ,]"?health"?[=:]"?([^\s"]+)`).FindStringSubmatch(p.errs.wait(t, "listening"))
	p.address, p.health = listening[1], listening[2]
	known := "http://" + p.health
	if filepath.IsAbs(p.health) {
		known = "unix:" + p.health
	}
	p.out.wait(t, "The health check is at "+known+"\n")
	said := regexp.MustCompile(`(?s)^Open (\S+) in a browser\.\n.* portal: "(\S+)"\n`).FindStringSubmatch(p.out.String())
	if said == nil {
		t.Fatalf("%s", p.out)
	}
	p.URL, p.provider = said[1], said[2]
	return p
}

// stop tells the program to end, and waits until it has.
func (p *portal) stop() {
	p.t.Helper()
	p.terminate()
	p.wait()
}

func (p *portal) terminate() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
}

// wait waits for a good end.
func (p *portal) wait() {
	p.t.Helper()
	<-p.ended
	if p.result != nil {
		p.t.Fatalf("the program ended with %v\n%s", p.result, p.errs)
	}
}

// output is what a program writes.
type output struct {
	mu   sync.Mutex
	more sync.Cond
	text bytes.Buffer
	eof  bool
}

func (p *portal) collect(pipes *sync.WaitGroup, open func() (io.ReadCloser, error)) *output {
	p.t.Helper()
	r, err := open()
	require.NoError(p.t, err)
	o := new(output)
	o.more.L = &o.mu
	pipes.Go(func() {
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadString('\n')
			o.mu.Lock()
			o.text.WriteString(line)
			o.eof = err != nil
			o.more.Broadcast()
			o.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return o
}

// wait returns the first line that holds the text, once it is there.
func (o *output) wait(t *testing.T, text string) string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for line := range strings.Lines(o.text.String()) {
			if strings.Contains(line, text) {
				return line
			}
		}
		if o.eof {
			t.Fatalf("the program ended without saying %q:\n%s", text, &o.text)
		}
		o.more.Wait()
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// quiet checks that the program has shown none of these.
func (p *portal) quiet(secrets ...string) {
	p.t.Helper()
	for _, s := range secrets {
		if s == "" {
			p.t.Fatal("an empty secret")
		}
		if strings.Contains(p.out.String(), s) || strings.Contains(p.errs.String(), s) {
			p.t.Errorf("the program shows a secret: %s", s)
		}
	}
}

// private checks that nobody else can read what is below a directory, and returns the
// names of the files.
func private(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist): // one that SQLite has just removed
		case err != nil:
			return err
		case info.Mode().Perm()&0o077 != 0 && path != dir:
			t.Errorf("%s has the mode %v", path, info.Mode())
		case !info.IsDir():
			names = append(names, path)
		}
		return nil
	})
	require.NoError(t, err)
	return names
}
