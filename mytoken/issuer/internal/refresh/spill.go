package refresh

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
	"github.com/mytoken-go/sdk/store"
)

// spill keeps the refresh tokens that the provider gave and the store lacks.
//
// Each is one file, sealed as it will be in the store. put returns when the file survives
// a crash of the machine. From the first complete write on, the file survives the death
// of the process: pending reads files that are not finished, too.
//
// Without a directory the spill is in memory, and a crash loses it. Several processes may
// share a directory: committing an entry twice within a day changes nothing. An entry that
// ends its lease does so whoever commits it: its writer asks nothing more under the lease.
type spill struct {
	path string // of the directory; empty: memory
	dir  durable.Dir
	mu   sync.Mutex
	mem  map[store.LeaseID]store.Commit
}

const spillSuffix = ".refresh"

type spillRecord struct {
	Version    int    `json:"version"`
	Grant      string `json:"grant"`
	Lease      string `json:"lease"`
	Generation uint64 `json:"generation"`
	Token      []byte `json:"token"` // sealed
	Ends       bool   `json:"ends,omitzero"`
	Worked     string `json:"worked,omitzero"`
	Now        int64  `json:"now"`
}

func openSpill(path string) (*spill, error) {
	path = ownfile.Plain(path)
	s := &spill{path: path, mem: make(map[store.LeaseID]store.Commit)}
	if path == "" {
		return s, nil
	}
	var err error
	if s.dir, err = durable.OpenDir(path); err == nil {
		err = checkOwner(path)
	}
	if err != nil {
		return nil, fmt.Errorf("issuer: Config.SpillDir cannot be used: %w", err)
	}
	return s, nil
}

// checkOwner returns an error if other users may remove or plant files in the directory.
func checkOwner(path string) error {
	dir, err := ownfile.OpenDir(path)
	if err != nil {
		return err
	}
	if dir.Shared {
		err = &ownfile.UnsafeError{Path: path, Reason: "other users may create files in the directory: use a directory inside of it"}
	}
	return errors.Join(err, dir.Close())
}

// put makes the commit durable. If that fails, put returns an error and keeps the commit
// in memory. The file may still survive the process then, but not a crash of the machine.
func (s *spill) put(c store.Commit) error {
	s.mu.Lock()
	s.mem[c.Lease] = c
	s.mu.Unlock()
	if s.path == "" {
		return nil
	}
	data, err := encode(c)
	if err == nil {
		if err = s.dir.Write(spillName(c.Lease), data); err != nil {
			_ = os.WriteFile(filepath.Join(s.path, unsyncedName(c.Lease)), data, 0o600) // better than nothing
		}
	}
	if err != nil {
		return fmt.Errorf("issuer: the spill directory refused a refresh token, which is in memory only: %w", err)
	}
	return nil
}

// empty reports whether the store has everything that this process got.
func (s *spill) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mem) == 0
}

// holds reports whether the store may lack what this process got under a lease.
func (s *spill) holds(lease store.LeaseID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.mem[lease]
	return found
}

func encode(c store.Commit) ([]byte, error) {
	return json.Marshal(spillRecord{
		Version: 1, Grant: hex.EncodeToString(c.Grant[:]), Lease: hex.EncodeToString(c.Lease[:]),
		Generation: c.Generation, Token: c.Token, Ends: c.Ends, Worked: c.Worked, Now: int64(c.Now),
	})
}

// done forgets a commit that the store has. It does not wait for the disk. If a crash
// brings the file back, the next Recover commits it again. That changes nothing as long
// as the store remembers the commit, for a day.
func (s *spill) done(lease store.LeaseID) {
	s.mu.Lock()
	delete(s.mem, lease)
	s.mu.Unlock()
	if s.path != "" {
		_ = s.dir.Forget(spillName(lease))
		_ = s.dir.Forget(unsyncedName(lease))
	}
}

// replayed is done for a commit that may come from an unfinished file. It removes that
// file too, or the next Recover would commit it again. By then the store may have
// forgotten the commit, and would take an old refresh token for a new one.
//
// If the file's writer is still alive, its write fails. It keeps an unsynced copy then,
// and finds the commit in the store.
func (s *spill) replayed(lease store.LeaseID) {
	s.done(lease)
	if s.path == "" {
		return
	}
	unfinished, _ := s.dir.Unfinished(spillName(lease)) // pending reports the error
	for _, u := range unfinished {
		_ = s.dir.Forget(u.File)
	}
}

// pending returns the commits that the store may lack: those of one grant, or all if the
// id is zero. It reports damaged files and leaves them in place.
func (s *spill) pending(grant store.GrantID) ([]store.Commit, error) {
	found := make(map[store.LeaseID]store.Commit)
	var errs []error
	if s.path != "" {
		errs = s.readAll(found)
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

func (s *spill) readAll(found map[store.LeaseID]store.Commit) (errs []error) {
	unfinished, _ := s.dir.Unfinished(spillSuffix) // Names meets the same error
	names, err := s.dir.Names(spillSuffix)
	if err != nil {
		errs = append(errs, fmt.Errorf("issuer: the spill directory cannot be read: %w", err))
	}
	for _, u := range unfinished {
		if c, err := s.read(u.File); err == nil { // an error: somebody is still writing it, or died too early
			found[c.Lease] = c
		}
	}
	for _, name := range names {
		c, err := s.read(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another process has committed it
		case err != nil:
			errs = append(errs, err)
		default:
			found[c.Lease] = c
		}
	}
	return errs
}

// salvage clears up after killed processes. It finishes a complete file and removes any
// other unfinished one, once its writer must be dead.
func (s *spill) salvage(now time.Time) error {
	if s.path == "" {
		return nil
	}
	unfinished, _ := s.dir.Unfinished(spillSuffix) // pending reports the error
	var errs []error
	for _, u := range unfinished {
		if !u.Abandoned(now) {
			continue
		}
		data, err := s.dir.Read(u.File)
		switch {
		case err != nil:
		case jsontext.Value(data).IsValid(): // a part of an object never is
			err = s.dir.Finish(u)
		default:
			err = s.dir.Discard(u)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("issuer: unfinished spill file %s: %w", u.File, err))
		}
	}
	return errors.Join(errs...)
}

func spillName(lease store.LeaseID) string { return fileName(lease, spillSuffix) }

func fileName(lease store.LeaseID, suffix string) string {
	return hex.EncodeToString(lease[:]) + suffix
}

// unsyncedName is the name of a file that the disk did not take as it should. It has the
// form of an unfinished file, so readers find both in the same way.
func unsyncedName(lease store.LeaseID) string { return "." + spillName(lease) + ".unsynced.tmp" }

func (s *spill) read(name string) (store.Commit, error) {
	data, err := s.dir.Read(name)
	if err != nil {
		return store.Commit{}, fmt.Errorf("issuer: spill file: %w", err)
	}
	var r spillRecord
	if err := json.Unmarshal(data, &r); err != nil || r.Version != 1 {
		return store.Commit{}, fmt.Errorf("issuer: spill file %s is damaged, or of a newer version", name)
	}
	c := store.Commit{Generation: r.Generation, Token: r.Token, Ends: r.Ends, Worked: r.Worked, Now: store.Micros(r.Now)}
	if err := errors.Join(decodeHex(c.Grant[:], r.Grant), decodeHex(c.Lease[:], r.Lease), c.Check()); err != nil {
		return store.Commit{}, fmt.Errorf("issuer: spill file %s is incomplete: %w", name, err)
	}
	return c, nil
}

func decodeHex(dst []byte, text string) error {
	if len(text) != 2*len(dst) {
		return errors.New("an id has the wrong length")
	}
	_, err := hex.Decode(dst, []byte(text))
	return err
}
