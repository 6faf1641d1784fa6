package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Beat implements [store.Nodes].
func (s *Store) Beat(ctx context.Context, p store.Process, until store.Micros) error {
	if err := store.CheckBeat(&p, until); err != nil {
		return err
	}
	return s.step(ctx, "keep a process alive", func() error {
		known, err := s.readProcess(ctx, p.ID)
		if err != nil {
			return err
		}
		next, err := rules.Beat(known.ProcessInfo, p, until)
		if err != nil {
			return err
		}
		return s.writeAll(ctx, []demand{known.becomes(next)}, true)
	})
}

// Settle implements [store.Nodes].
func (s *Store) Settle(ctx context.Context, processes []store.ProcessID, now store.Micros) error {
	if err := store.CheckSettle(processes, now); err != nil {
		return err
	}
	sorted := slices.Clone(processes)
	slices.SortFunc(sorted, func(a, b store.ProcessID) int { return bytes.Compare(a[:], b[:]) })
	sorted = slices.Compact(sorted)
	return s.step(ctx, "settle processes", func() error {
		var changes []demand
		for some := range slices.Chunk(sorted, chunk) {
			known, err := s.readNamed(ctx, some)
			if err != nil {
				return err
			}
			for _, id := range some {
				was := known[id]
				if next := rules.Settle(was.ProcessInfo, id, now); next != was.ProcessInfo {
					changes = append(changes, was.becomes(next))
				}
			}
		}
		if len(changes) == 0 {
			return nil
		}
		return s.writeAll(ctx, changes, false)
	})
}

// readNamed reads processes by their ids.
func (s *Store) readNamed(ctx context.Context, named []store.ProcessID) (map[store.ProcessID]process, error) {
	keys := make(blobs, len(named))
	for i := range named {
		keys[i] = named[i][:]
	}
	found, err := s.readProcesses(ctx, s.db, `SELECT `+processColumns+` FROM {processes} p WHERE p.process_id IN ?`, keys)
	known := make(map[store.ProcessID]process, len(found))
	for _, p := range found {
		known[p.ID] = p
	}
	return known, err
}

// Doubts implements [store.Nodes].
func (s *Store) Doubts(ctx context.Context, process store.ProcessID, most int) ([]store.DoubtRef, error) {
	if err := store.CheckDoubts(process, most); err != nil {
		return nil, err
	}
	var out []store.DoubtRef
	err := s.step(ctx, "list doubts", func() error {
		out = nil
		return s.each(ctx, s.db, func(r *sql.Rows) error {
			var d store.DoubtRef
			err := r.Scan(scan(d.Grant[:]), scan(d.Lease[:]))
			out = append(out, d)
			return err
		}, `SELECT grant_id, lease_id FROM {doubts} WHERE process_id = ? LIMIT ?`, process[:], int64(most))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Processes implements [store.Nodes].
func (s *Store) Processes(ctx context.Context, page store.Page) ([]store.ProcessInfo, string, error) {
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	after, err := rules.ParseProcess(page.After)
	if err != nil {
		return nil, "", err
	}
	var found []process
	err = s.step(ctx, "list processes", func() (err error) {
		found, err = s.readProcesses(ctx, s.db,
			`SELECT `+processColumns+` FROM {processes} p WHERE p.process_id > ? ORDER BY p.process_id LIMIT ?`, after[:], int64(page.Limit)+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	found, next := paged(found, page, func(p process) string { return rules.ProcessCursor(p.ID) })
	var out []store.ProcessInfo
	for _, p := range found {
		out = append(out, p.ProcessInfo)
	}
	return out, next, nil
}
