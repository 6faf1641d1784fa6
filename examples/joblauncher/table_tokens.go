package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// userToken is the name of the user's token; no job has it.
const userToken = "user alice"

// place binds a sealed token to its row: in another one it does not open.
func place(name string) string { return "tokens/" + name + "/sealed" }

// execer is a database or a transaction.
type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func (t *table) put(ctx context.Context, db execer, name string, token mytoken.Secret) error {
	sealed, err := t.box.Seal(place(name), []byte(token.Reveal()))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "INSERT INTO tokens VALUES (?,?) ON CONFLICT (name) DO UPDATE SET sealed=excluded.sealed", name, sealed)
	return err
}

func (t *table) get(ctx context.Context, name string) (mytoken.Secret, error) {
	var sealed []byte
	err := t.db.QueryRowContext(ctx, "SELECT sealed FROM tokens WHERE name=?", name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return mytoken.Secret{}, client.ErrNoToken
	} else if err != nil {
		return mytoken.Secret{}, err
	}
	token, err := t.box.Open(place(name), sealed)
	return mytoken.NewSecret(string(token)), err
}

// forget removes a token.
func (t *table) forget(ctx context.Context, name string) error {
	_, err := t.db.ExecContext(ctx, "DELETE FROM tokens WHERE name=?", name)
	return err
}

// tokens is the table as a store of one token, which keeps it over rotations.
func (t *table) tokens(name string) client.TokenStore { return tokenStore{t, name} }

type tokenStore struct {
	table *table
	name  string
}

// Load implements client.TokenStore.
func (s tokenStore) Load(ctx context.Context) (mytoken.Secret, error) {
	return s.table.get(ctx, s.name)
}

// Save implements client.TokenStore: what it has kept survives kill -9 and a power cut.
func (s tokenStore) Save(ctx context.Context, token mytoken.Secret) error {
	return s.table.put(ctx, s.table.db, s.name, token)
}

// Lock implements client.TokenStore. No other process has the table open.
func (s tokenStore) Lock(ctx context.Context) (unlock func(), err error) {
	select {
	case s.table.lock <- struct{}{}:
		return func() { <-s.table.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
