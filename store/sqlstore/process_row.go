package sqlstore

import (
	"context"
	"database/sql"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// process is a row of {processes}. It is zero if there is none.
type process struct {
	version sql.NullInt64
	store.ProcessInfo
}

const processColumns = `p.process_id, p.version, p.node_id, p.name, p.transient, p.lives_until, p.settled_at`

// fields returns what processColumns are scanned into. Each column may be NULL.
func (p *process) fields() []any {
	return []any{scan(p.ID[:]), &p.version, scan(p.Node[:]), orZero[string]{&p.Name}, orZero[bool]{&p.Volatile}, orZero[store.Micros]{&p.Until}, orZero[store.Micros]{&p.Settled}}
}

// readProcesses runs a query for processColumns.
func (s *Store) readProcesses(ctx context.Context, on runner, query string, args ...any) ([]process, error) {
	var all []process
	err := s.each(ctx, on, func(r *sql.Rows) error {
		var p process
		err := r.Scan(p.fields()...)
		all = append(all, p)
		return err
	}, query, args...)
	return all, err
}

// readProcess reads a process.
func (s *Store) readProcess(ctx context.Context, id store.ProcessID) (process, error) {
	found, err := s.readProcesses(ctx, s.db, `SELECT `+processColumns+` FROM {processes} p WHERE p.process_id = ?`, id[:])
	if err != nil || len(found) == 0 {
		return process{}, err
	}
	return found[0], nil
}

// becomes returns the statement that makes a process the next one.
func (p *process) becomes(next store.ProcessInfo) demand {
	state := []any{int64(next.Until), int64(next.Settled), int64(rules.Ended(next)), next.ID[:]}
	if !p.version.Valid {
		return demand{
			text: `
				INSERT INTO {processes} (version, node_id, name, transient, lives_until, settled_at, sweep_at, process_id)
				VALUES (1, ?, ?, ?, ?, ?, ?, ?)`,
			args: append([]any{next.Node[:], textOrNull(next.Name), flag(next.Volatile)}, state...), rows: 1,
		}
	}
	return demand{
		text: `
			UPDATE {processes} SET version = version + 1, lives_until = ?, settled_at = ?, sweep_at = ?
			WHERE process_id = ? AND version = ?`,
		args: append(state, p.version.Int64), rows: 1,
	}
}

// isSilent returns the statement that fails if the process has sent a heartbeat since it
// was read. It lets other leases of the process be taken over at the same time.
func (p *process) isSilent() demand {
	return demand{
		text: `UPDATE {processes} SET overtaken = overtaken + 1 WHERE process_id = ? AND version = ?`,
		args: []any{p.ID[:], p.version.Int64}, rows: 1,
	}
}
