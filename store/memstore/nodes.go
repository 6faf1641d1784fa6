package memstore

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Beat implements [store.Nodes].
func (s *Store) Beat(ctx context.Context, p store.Process, until store.Micros) error {
	if err := store.CheckBeat(&p, until); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	next, err := rules.Beat(s.processes[p.ID], p, until)
	if err == nil {
		s.processes[p.ID] = next
	}
	return err
}

// Settle implements [store.Nodes].
func (s *Store) Settle(ctx context.Context, processes []store.ProcessID, now store.Micros) error {
	if err := store.CheckSettle(processes, now); err != nil {
		return err
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()

	for _, id := range processes {
		s.processes[id] = rules.Settle(s.processes[id], id, now)
	}
	return nil
}

// Doubts implements [store.Nodes].
func (s *Store) Doubts(ctx context.Context, process store.ProcessID, most int) ([]store.DoubtRef, error) {
	if err := store.CheckDoubts(process, most); err != nil {
		return nil, err
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()

	var out []store.DoubtRef
	for id, g := range s.grants {
		for _, d := range g.Doubts {
			if d.Process == process && len(out) < most {
				out = append(out, store.DoubtRef{Grant: id, Lease: d.Lease})
			}
		}
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
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()

	rest := slices.DeleteFunc(slices.Collect(maps.Values(s.processes)), func(p store.ProcessInfo) bool {
		return bytes.Compare(p.ID[:], after[:]) <= 0
	})
	slices.SortFunc(rest, func(a, b store.ProcessInfo) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	if len(rest) <= page.Limit {
		return rest, "", nil
	}
	rest = rest[:page.Limit]
	return rest, rules.ProcessCursor(rest[len(rest)-1].ID), nil
}
