package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// point is a moment at which the launcher waits for an answer. Its question has already
// taken effect, but the launcher does not know that yet.
type point string

// stored returns the point at which a job has stored an object.
func stored(name string) point { return point("report: stored " + name) }

// killer says at each point whether to kill the launcher.
type killer func(point) bool

// killOnce kills at the first occurrence of a point.
func killOnce(at point) killer {
	done := false
	return func(p point) bool {
		kill := p == at && !done
		done = done || kill
		return kill
	}
}

// supervisor starts the launcher, and starts it again after a kill.
type supervisor struct {
	site  *site
	dir   string // of the launcher
	kill  killer
	ended func() error // called each time after the launcher has ended

	mu      sync.Mutex
	process *os.Process
	killed  bool
}

// demonstrate runs the whole example and prints what happens.
func demonstrate(ctx context.Context, out io.Writer, kill killer) (err error) {
	dir, err := os.MkdirTemp("", "joblauncher-") // with mode 0700
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := newSupervisor(ctx, dir, out, kill)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.site.close()) }()
	return s.run(ctx)
}

// newSupervisor starts the site of a launcher that keeps its files in dir.
func newSupervisor(ctx context.Context, dir string, out io.Writer, kill killer) (*supervisor, error) {
	s := &supervisor{dir: dir, kill: kill, ended: func() error { return nil }}
	var err error
	s.site, err = startSite(ctx, out, s.reached)
	return s, err
}

// run starts the launcher again and again, until the launcher has done its work.
func (s *supervisor) run(ctx context.Context) error {
	for {
		killed, err := s.start(ctx)
		if err != nil {
			return err
		}
		if err := s.ended(); err != nil {
			return err
		}
		if !killed {
			s.site.say("launcher", "has ended\n"+s.site.storage.inventory())
			return nil
		}
		s.site.say("launcher", "is killed with SIGKILL, and started again")
	}
}

// start runs the launcher until it ends. It reports whether the launcher was killed.
func (s *supervisor) start(ctx context.Context) (killed bool, err error) {
	binary, err := os.Executable()
	if err != nil {
		return false, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, s.site.service.Issuer.URL(), s.site.storage.url, s.dir)
	cmd.Env, cmd.Stderr = append(os.Environ(), roleVariable+"="+roleLauncher), &stderr
	hangUp, err := serve(cmd, func(q question) (answer, error) { return s.respond(ctx, q) })
	if err != nil {
		return false, err
	}
	defer hangUp()
	s.mu.Lock()
	err = cmd.Start()
	s.process, s.killed = cmd.Process, false
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	err = cmd.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = nil
	if s.killed {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("launcher: %w\n%s", err, &stderr)
	}
	return false, nil
}

// respond answers a question of the launcher. It returns io.EOF if the launcher was
// killed instead.
func (s *supervisor) respond(ctx context.Context, q question) (a answer, err error) {
	switch {
	case q.TransferCode:
		a.TransferCode, err = s.site.transferCode(ctx)
	case !q.Advance.IsZero():
		s.site.advance(q.Advance)
	case q.Say != "":
		first, _, _ := strings.Cut(q.Say, "\n")
		s.site.say(q.Who, q.Say)
		if s.reached(point("report: " + first)) {
			return a, io.EOF
		}
	}
	a.Now = s.site.service.Clock.Now()
	return a, err
}

// reached is called at a point, before the launcher gets its answer. It may kill the
// launcher. It reports whether the launcher is dead, so that nobody needs the answer.
func (s *supervisor) reached(p point) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return false // no launcher runs: the supervisor or an orphaned job asks
	}
	if !s.killed && s.kill(p) {
		s.killed = true
		_ = s.process.Kill() // with SIGKILL; it fails if the process has ended
	}
	return s.killed
}
