package sqlstore

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// namedAgain is how long Sweep leaves a process alone that something still names.
const namedAgain = 24 * time.Hour

// processes deletes processes that ended long ago, unless a lease or a doubt names them.
func (w *sweeper) processes(ctx context.Context) error {
	before := w.Now.Add(-rules.ProcessesKept)
	left := int64(w.Limit)
	all, err := w.s.readProcesses(ctx, w.s.db,
		`SELECT `+processColumns+` FROM {processes} p WHERE p.sweep_at < ? ORDER BY p.sweep_at LIMIT ?`, int64(before), left+1)
	if err != nil {
		return err
	}
	return deleteRows(ctx, w, &w.done.Others, cut(w, all, left), func(tx runner, some []process) (int64, error) {
		named, err := w.s.named(ctx, tx, some)
		if err != nil {
			return 0, err
		}
		deleted := int64(0)
		for _, p := range some {
			change := demand{text: `DELETE FROM {processes} WHERE process_id = ? AND version = ?`, args: []any{p.ID[:], p.version.Int64}, rows: 1}
			if named[p.ID] {
				change.text = `UPDATE {processes} SET version = version + 1, sweep_at = ? WHERE process_id = ? AND version = ?`
				change.args = append([]any{int64(before.Add(namedAgain))}, change.args...)
			} else {
				deleted++
			}
			if err := w.s.demand(ctx, tx, change); err != nil {
				return 0, err
			}
		}
		return deleted, nil
	})
}

// named returns which of the processes a lease or a doubt names. It reads the leases first,
// because a lease may become a doubt meanwhile.
func (s *Store) named(ctx context.Context, tx runner, processes []process) (map[store.ProcessID]bool, error) {
	keys := make(blobs, len(processes))
	for i := range processes {
		keys[i] = processes[i].ID[:]
	}
	named := make(map[store.ProcessID]bool)
	for _, text := range []string{
		`SELECT DISTINCT held_by FROM {grants} WHERE held_by IN ? AND held_lease = lease_id`,
		`SELECT DISTINCT process_id FROM {doubts} WHERE process_id IN ?`,
	} {
		found, err := column[[]byte](ctx, s, tx, text, keys)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			named[store.ProcessID(id)] = true
		}
	}
	return named, nil
}
