package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"github.com/mytoken-go/sdk/examples/internal/database"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/issuer/keyfile"
	"github.com/mytoken-go/sdk/store/seal"
)

// Files of the launcher. In production, keep the key apart from the table.
const (
	tableFile = "launcher.db"
	keyFile   = "launcher.key"
)

// table is what the launcher remembers: its jobs, each in one row with its mytoken, and
// the user's mytoken. It stores tokens sealed with a key of the launcher.
type table struct {
	db   *sql.DB
	box  *seal.Box
	lock chan struct{}
}

// schema creates the table. The data of a job is its row in JSON. The row of the user's
// token has no data.
const schema = "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, data BLOB, sealed BLOB)"

// userToken is the id of the row with the user's token. No job has this id.
const userToken = "user alice"

// openTable opens the table for this process alone. A second launcher gets an error. The
// operating system unlocks the table when the process ends, however it ends.
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
	db.SetMaxOpenConns(1) // the lock belongs to a connection
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
	ID        string
	State     string
	MomID     string // of its mytoken; empty if it has none
	Submitted time.Time
	Step      int       // index of the next step, or of the one that runs
	Done      int       // how many things of that step are done
	Due       time.Time // when the step starts
}

// submit stores a new job together with its mytoken, if it has one.
func (t *table) submit(ctx context.Context, r *row, token mytoken.Secret) (err error) {
	var sealed []byte
	if !token.IsEmpty() {
		if sealed, err = t.seal(r.ID, token); err != nil {
			return err
		}
	}
	return t.write(ctx, r, "INSERT INTO jobs (data, id, sealed) VALUES (?, ?, ?)", sealed)
}

// update stores the progress of a job.
func (t *table) update(ctx context.Context, r *row) error {
	return t.write(ctx, r, "UPDATE jobs SET data=? WHERE id=?")
}

// end marks a job as ended and removes its token.
func (t *table) end(ctx context.Context, r *row) error {
	r.State = ended
	return t.write(ctx, r, "UPDATE jobs SET data=?, sealed=NULL WHERE id=?")
}

func (t *table) write(ctx context.Context, r *row, statement string, more ...any) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = t.db.ExecContext(ctx, statement, append([]any{data, r.ID}, more...)...)
	return err
}

// jobs returns all jobs, in the order in which they were submitted.
func (t *table) jobs(ctx context.Context) (all []*row, err error) {
	rows, err := t.db.QueryContext(ctx, "SELECT data FROM jobs WHERE data IS NOT NULL ORDER BY rowid")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		r := new(row)
		if err := rows.Scan(&data); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// forgetUser removes the user's token.
func (t *table) forgetUser(ctx context.Context) error {
	_, err := t.db.ExecContext(ctx, "DELETE FROM jobs WHERE id=?", userToken)
	return err
}

// place returns the place to which a sealed token is bound. The token does not open in
// another row.
func place(id string) string { return "jobs/" + id + "/sealed" }

func (t *table) seal(id string, token mytoken.Secret) ([]byte, error) {
	return t.box.Seal(place(id), []byte(token.Reveal()))
}

// token returns a store for one token in the table. When the token rotates, the new
// generation replaces the old one there.
func (t *table) token(id string) client.TokenStore { return tokenStore{t, id} }

type tokenStore struct {
	*table
	id string
}

// Load implements client.TokenStore.
func (s tokenStore) Load(ctx context.Context) (mytoken.Secret, error) {
	var sealed []byte
	err := s.db.QueryRowContext(ctx, "SELECT sealed FROM jobs WHERE id=? AND sealed IS NOT NULL", s.id).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return mytoken.Secret{}, client.ErrNoToken
	} else if err != nil {
		return mytoken.Secret{}, err
	}
	token, err := s.box.Open(place(s.id), sealed)
	return mytoken.NewSecret(string(token)), err
}

// Save implements client.TokenStore. A saved token survives SIGKILL and a power cut.
func (s tokenStore) Save(ctx context.Context, token mytoken.Secret) error {
	sealed, err := s.seal(s.id, token)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, "INSERT INTO jobs (id, sealed) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET sealed=excluded.sealed", s.id, sealed)
	return err
}

// Lock implements client.TokenStore. A lock within the process suffices, because no other
// process can open the table.
func (s tokenStore) Lock(ctx context.Context) (unlock func(), err error) {
	select {
	case s.lock <- struct{}{}:
		return func() { <-s.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
