package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"github.com/mytoken-go/sdk/examples/internal/database"
	"github.com/mytoken-go/sdk/examples/internal/keyfile"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/seal"
)

// Files of the launcher. In earnest the key is kept apart from the table.
const (
	tableFile = "launcher.db"
	keyFile   = "launcher.key"
)

const schema = `
CREATE TABLE IF NOT EXISTS jobs (
	id TEXT PRIMARY KEY, state TEXT NOT NULL, mom_id TEXT NOT NULL, submitted INTEGER NOT NULL,
	step INTEGER NOT NULL, done INTEGER NOT NULL, due INTEGER NOT NULL,
	restrictions TEXT NOT NULL, used TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (name TEXT PRIMARY KEY, sealed BLOB NOT NULL)`

// table is what the launcher remembers: its jobs and, sealed under a key of its own and
// bound to the job, their mytokens.
type table struct {
	db   *sql.DB
	box  *seal.Box
	lock chan struct{}
}

// openTable opens the table for this process alone: a second launcher fails. The system
// ends that with the process, however it ends.
func openTable(ctx context.Context, dir string) (*table, error) {
	key, err := keyfile.Server(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	box, err := seal.NewBox(seal.RingConfig{Active: key})
	if err != nil {
		return nil, err
	}
	db, _, err := database.Open(filepath.Join(dir, tableFile), "")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // the lock is that of a connection
	if _, err := db.ExecContext(ctx, "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE;"+schema+"; COMMIT"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &table{db: db, box: box, lock: make(chan struct{}, 1)}, nil
}

func (t *table) Close() error { return t.db.Close() }

// States of a job.
const (
	running = "running"
	refused = "refused"
	ended   = "ended"
)

// row is a job in the table.
type row struct {
	ID           string
	State        string
	MomID        string // of its mytoken; empty if it has none
	Submitted    time.Time
	Step         int       // the next, or the one that is running
	Done         int       // how much of it is done
	Due          time.Time // when it is started
	Restrictions restriction.List
	Used         []restriction.Usage
}

// submit keeps a new job together with its mytoken, or neither.
func (t *table) submit(ctx context.Context, r *row, token mytoken.Secret) error {
	restrictions, err := json.Marshal(r.Restrictions)
	if err != nil {
		return err
	}
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit, it does nothing
	if _, err := tx.ExecContext(ctx, "INSERT INTO jobs VALUES (?,?,?,?,?,?,?,?,?)",
		r.ID, r.State, r.MomID, r.Submitted.Unix(), r.Step, r.Done, r.Due.Unix(), string(restrictions), "[]"); err != nil {
		return err
	}
	if !token.IsEmpty() {
		if err := t.put(ctx, tx, r.ID, token); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// update keeps how far a job is.
func (t *table) update(ctx context.Context, r *row) error {
	used, err := json.Marshal(r.Used)
	if err != nil {
		return err
	}
	_, err = t.db.ExecContext(ctx, "UPDATE jobs SET step=?, done=?, due=?, used=? WHERE id=?", r.Step, r.Done, r.Due.Unix(), string(used), r.ID)
	return err
}

// end ends a job and forgets its token.
func (t *table) end(ctx context.Context, id string) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit, it does nothing
	if _, err := tx.ExecContext(ctx, "UPDATE jobs SET state=? WHERE id=?", ended, id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM tokens WHERE name=?", id); err != nil {
		return err
	}
	return tx.Commit()
}

// jobs returns all jobs, in the order in which they were submitted.
func (t *table) jobs(ctx context.Context) (all []*row, err error) {
	rows, err := t.db.QueryContext(ctx, "SELECT id, state, mom_id, submitted, step, done, due, restrictions, used FROM jobs ORDER BY rowid")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		var submitted, due int64
		var restrictions, used []byte
		if err := rows.Scan(&r.ID, &r.State, &r.MomID, &submitted, &r.Step, &r.Done, &due, &restrictions, &used); err != nil {
			return nil, err
		}
		if err := errors.Join(json.Unmarshal(restrictions, &r.Restrictions), json.Unmarshal(used, &r.Used)); err != nil {
			return nil, err
		}
		r.Submitted, r.Due = time.Unix(submitted, 0), time.Unix(due, 0)
		all = append(all, &r)
	}
	return all, rows.Err()
}
