package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// point is a moment at which the launcher is waiting for an answer: whatever it asked
// for has taken effect, and it does not know yet.
type point string

// stored is the point at which a job has stored an object.
func stored(name string) point { return point("report: stored " + name) }

// killer is asked at each point whether the launcher is to be killed there.
type killer func(point) bool

// killOnce kills at the first such point.
func killOnce(at point) killer {
	var once sync.Once
	return func(p point) (kill bool) {
		if p == at {
			once.Do(func() { kill = true })
		}
		return kill
	}
}

// supervisor starts the launcher, and starts it again when it was killed.
type supervisor struct {
	site   *site
	dir    string // of the launcher
	binary string
	kill   killer

	mu      sync.Mutex
	process *os.Process
	killed  bool
}

// demonstrate is the whole program.
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

// newSupervisor starts the site of a launcher whose files are in dir.
func newSupervisor(ctx context.Context, dir string, out io.Writer, kill killer) (*supervisor, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &supervisor{dir: dir, binary: binary, kill: kill}
	s.site, err = startSite(ctx, out, s.reached)
	return s, err
}

// run starts the launcher until it has done its work, and looks into its table each
// time that it has ended.
func (s *supervisor) run(ctx context.Context) error {
	for {
		killed, err := s.start(ctx)
		if err != nil {
			return err
		}
		secrets, err := s.checkDump()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("its table holds none of the %d tokens and codes that were handed out so far", secrets)
		if !killed {
			if err := s.site.say("launcher", "has ended; "+text+"\n"+s.site.storage.inventory()); err != nil {
				return err
			}
			return s.site.showTimelines()
		}
		if err := s.site.say("launcher", "is killed with SIGKILL, and started again; "+text); err != nil {
			return err
		}
	}
}

// start runs the launcher until it ends. It reports whether it was killed.
func (s *supervisor) start(ctx context.Context) (killed bool, err error) {
	code, err := s.site.transferCode(ctx)
	if err != nil {
		return false, err
	}
	config, err := json.Marshal(s.site.config(s.dir))
	if err != nil {
		return false, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.binary)
	cmd.Env = append(os.Environ(), roleVariable+"="+roleLauncher, configVariable+"="+string(config))
	cmd.Stdin, cmd.Stderr = strings.NewReader(code.Reveal()), &stderr
	s.mu.Lock()
	err = cmd.Start()
	s.process, s.killed = cmd.Process, false
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	err = cmd.Wait()
	s.mu.Lock()
	killed = s.killed
	s.process = nil
	s.mu.Unlock()
	if killed {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("launcher: %w\n%s", err, &stderr)
	}
	return false, nil
}

// reached is called at a point, before the launcher gets its answer. It reports
// whether there is nobody left to answer to.
func (s *supervisor) reached(p point) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return false // the supervisor asks, or a job whose launcher was killed
	}
	if s.killed || !s.kill(p) {
		return s.killed
	}
	s.killed = true
	_ = s.process.Kill() // SIGKILL; it fails if the process has ended
	return true
}

// checkDump looks into the launcher's table as a thief would, for all secrets that were
// handed out so far. It returns how many these are.
func (s *supervisor) checkDump() (secrets int, err error) {
	files, err := filepath.Glob(filepath.Join(s.dir, tableFile+"*"))
	if err != nil {
		return 0, err
	}
	all := s.site.secrets()
	found, err := findSecrets(files, all)
	if err == nil && found > 0 {
		err = fmt.Errorf("the launcher's table holds %d secrets in clear", found)
	}
	return len(all), err
}
