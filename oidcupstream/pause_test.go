package oidcupstream

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/fresh/freshtest"
)

// A pause is over if either clock says so, or if the wall clock was set back. The monotonic
// clock stops while a machine sleeps.
func TestPauseByBothClocks(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(*freshtest.Clock)
		left    time.Duration
	}{
		"time passes":  {func(c *freshtest.Clock) { c.Pass(20 * time.Second) }, 40 * time.Second},
		"set back":     {func(c *freshtest.Clock) { c.Pass(time.Second); c.Set(-time.Hour) }, 0},
		"sleeps":       {func(c *freshtest.Clock) { c.Set(time.Hour) }, 0},
		"set a little": {func(c *freshtest.Clock) { c.Pass(20 * time.Second); c.Set(10 * time.Second) }, 30 * time.Second},
	} {
		c, p := freshtest.NewClock(time.Unix(1_800_000_000, 0)), new(pause)
		p.observe(http.StatusTooManyRequests, http.Header{"Retry-After": {"60"}}, c.Now())
		test.happens(c)
		require.Equal(t, test.left, p.left(c.Now()), name)
	}
	require.Zero(t, new(pause).left(time.Now()))
}
