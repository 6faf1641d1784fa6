package issuer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/store"
)

// spill keeps refresh tokens that the provider has answered with until the
// store has them. Each is one file, sealed as it will be in the store, synced
// before the commit is tried, removed after it succeeded. Without a directory
// it keeps them in memory, which a crash does not survive.
//
// Replaying an entry that was committed already changes nothing, so several
// processes may share a directory.
type spill struct {
	dir string
	mu  sync.Mutex
	mem map[store.LeaseID]store.Commit
}

const spillSuffix = ".refresh"

// Of a file that is not finished: what stands between its name to be and a random
// end, and how long a process that lives may take to finish it.
const (
	unfinishedMark = ".tmp"
	unfinishedAge  = time.Minute
)

type spillRecord struct {
	Version    int    `json:"version"`
	Grant      string `json:"grant"`
	Lease      string `json:"lease"`
	Generation uint64 `json:"generation"`
	Token      []byte `json:"token"` // sealed
	Now        int64  `json:"now"`
}

func newSpill(dir string) (*spill, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("issuer: spill directory: %w", err)
		}
	}
	return &spill{dir: dir, mem: make(map[store.LeaseID]store.Commit)}, nil
}

// put makes the commit durable. Where that fails the commit is still kept in
// memory, and the error says so.
func (s *spill) put(c store.Commit) error {
	s.mu.Lock()
	s.mem[c.Lease] = c
	s.mu.Unlock()
	if s.dir == "" {
		return nil
	}
	data, err := json.Marshal(spillRecord{
		Version: 1, Grant: hex.EncodeToString(c.Grant[:]), Lease: hex.EncodeToString(c.Lease[:]),
		Generation: c.Generation, Token: c.Token, Now: int64(c.Now),
	})
	if err == nil {
		err = writeDurably(s.dir, s.name(c.Lease), data, (*os.File).Sync)
	}
	if err != nil {
		return fmt.Errorf("issuer: refresh token kept in memory only, the spill directory refused it: %w", err)
	}
	return nil
}

// done forgets a commit that the store has.
func (s *spill) done(lease store.LeaseID) {
	s.mu.Lock()
	delete(s.mem, lease)
	s.mu.Unlock()
	if s.dir != "" {
		_ = os.Remove(filepath.Join(s.dir, s.name(lease))) // replaying it again would change nothing
	}
}

// pending returns the commits that are not known to be in the store; of one
// grant, or of all if the id is zero. Files that cannot be read are reported
// and stay.
func (s *spill) pending(grant store.GrantID) ([]store.Commit, error) {
	found := make(map[store.LeaseID]store.Commit)
	var errs []error
	if s.dir != "" {
		entries, err := os.ReadDir(s.dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("issuer: spill directory: %w", err))
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), spillSuffix) {
				continue
			}
			c, err := readSpill(filepath.Join(s.dir, e.Name()))
			switch {
			case errors.Is(err, fs.ErrNotExist): // another process was faster
			case err != nil:
				errs = append(errs, err)
			default:
				found[c.Lease] = c
			}
		}
	}
	s.mu.Lock()
	for lease, c := range s.mem {
		found[lease] = c
	}
	s.mu.Unlock()
	var out []store.Commit
	for _, c := range found {
		if grant.IsZero() || c.Grant == grant {
			out = append(out, c)
		}
	}
	return out, errors.Join(errs...)
}

// salvage takes up what killed processes have left unfinished: what is whole
// becomes the file that it was to be, what is not is removed.
func (s *spill) salvage(now time.Time) error {
	if s.dir == "" {
		return nil
	}
	entries, _ := os.ReadDir(s.dir) // pending reports what is wrong with it
	var errs []error
	for _, e := range entries {
		lease, _, unfinished := strings.Cut(e.Name(), spillSuffix+unfinishedMark)
		info, err := e.Info()
		if !unfinished || err != nil || now.Sub(info.ModTime()) < unfinishedAge {
			continue // an error: another process was faster
		}
		path := filepath.Join(s.dir, e.Name())
		data, err := os.ReadFile(path)
		switch {
		case err != nil:
		case jsontext.Value(data).IsValid(): // no beginning of an object is
			err = os.Rename(path, filepath.Join(s.dir, lease+spillSuffix))
		default:
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("issuer: unfinished spill file %s: %w", e.Name(), err))
		}
	}
	return errors.Join(errs...)
}

func (s *spill) name(lease store.LeaseID) string {
	return hex.EncodeToString(lease[:]) + spillSuffix
}

func readSpill(path string) (store.Commit, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return store.Commit{}, fmt.Errorf("issuer: spill file: %w", err)
	}
	var r spillRecord
	if err := json.Unmarshal(data, &r); err != nil || r.Version != 1 {
		return store.Commit{}, fmt.Errorf("issuer: spill file %s is not readable", filepath.Base(path))
	}
	c := store.Commit{Generation: r.Generation, Token: r.Token, Now: store.Micros(r.Now)}
	if !decodeHex(c.Grant[:], r.Grant) || !decodeHex(c.Lease[:], r.Lease) || c.Check() != nil {
		return store.Commit{}, fmt.Errorf("issuer: spill file %s is incomplete", filepath.Base(path))
	}
	return c, nil
}

func decodeHex(dst []byte, src string) bool {
	n, err := hex.Decode(dst, []byte(src))
	return err == nil && n == len(dst) && len(src) == 2*len(dst)
}

// writeDurably makes the file appear whole or not at all, and survive a crash
// of the machine once it has returned. What a killed process has written stays,
// so the file is there before the disk is waited for. Only a machine that
// crashes in that moment can leave a file that is not whole.
func writeDurably(dir, name string, data []byte, sync func(*os.File) error) error {
	f, err := os.CreateTemp(dir, name+unfinishedMark+"*")
	if err != nil {
		return err
	}
	tmp, final := f.Name(), filepath.Join(dir, name)
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil { // Windows renames no open file
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, final)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	f, err = os.OpenFile(final, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) { // another process has committed it and is done with it
		return nil
	} else if err != nil {
		return err
	}
	err = sync(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}
