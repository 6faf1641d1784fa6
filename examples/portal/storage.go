package main

import (
	"cmp"
	"context"
	"path/filepath"

	"github.com/mytoken-go/sdk/examples/internal/database"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/issuer/keyfile"
)

// openStorage loads the keys, opens the database and updates its tables. Keep the keys
// safe: losing one invalidates every login.
func openStorage(ctx context.Context, o *options) (*database.Store, issuer.Config, error) {
	o.data = cmp.Or(o.data, "portal-data")
	c := issuer.Config{SpillDir: filepath.Join(o.data, "spill")}
	var err error
	if c.Keys, c.Seal, err = keyfile.Open(o.data); err != nil {
		return nil, c, err
	}
	db, err := database.OpenStore(ctx, cmp.Or(o.db, filepath.Join(o.data, "portal.db")), o.dsn)
	if err != nil {
		return nil, c, err
	}
	c.Store = db.Store
	return db, c, nil
}
