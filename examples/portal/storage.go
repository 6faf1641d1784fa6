package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/mytoken-go/sdk/examples/internal/database"
	"github.com/mytoken-go/sdk/examples/internal/keyfile"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/store/seal"
)

// openStorage loads the keys, opens the database and updates its tables. Keep the keys
// safe: losing one invalidates every login.
func openStorage(ctx context.Context, o *options) (*database.Store, issuer.Config, error) {
	o.data = cmp.Or(o.data, "portal-data")
	c := issuer.Config{SpillDir: filepath.Join(o.data, "spill")}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return nil, c, err
	}
	server, err := keyfile.Server(filepath.Join(o.data, "server.key"))
	signing, bad := keyfile.Signing(filepath.Join(o.data, "signing-key.pem"))
	if err = errors.Join(err, bad); err != nil {
		return nil, c, err
	}
	if c.Seal, err = seal.NewRing(seal.RingConfig{Active: server}); err != nil {
		return nil, c, err
	}
	if c.Keys, err = mytoken.NewKeys(signing); err != nil {
		return nil, c, err
	}
	db, err := database.OpenStore(ctx, cmp.Or(o.db, filepath.Join(o.data, "portal.db")), o.dsn)
	if err != nil {
		return nil, c, err
	}
	c.Store = db.Store
	return db, c, nil
}
