package sshd_test

import (
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	_ "modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// TestEngines: the key keeps its token on each database, with many connections at once and
// no grace for rotations.
func TestEngines(t *testing.T) {
	for _, e := range enginetest.All[1:] {
		t.Run(e.Name, func(t *testing.T) {
			s := start(t, func(o *setup) {
				o.Store = e.Open(t, 10)
				o.Options.Config = func(c *issuer.Config) { c.RotationGrace = -1 }
			})
			h := s.register(newKey(t), mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true, OnOther: true, AutoRevoke: true}})
			paralleltest.Do(32, func(k int) {
				got := h.run([]string{"AT", "MT", "introspect"}[k%3])
				assert.Zero(t, got.status, "%+v", got)
			})
			h.worked("AT")
			assert.Len(t, s.keys(), 1)
			h.worked("revoke")
			assert.Empty(t, s.keys())
		})
	}
}
