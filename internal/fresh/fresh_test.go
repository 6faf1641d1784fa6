package fresh

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/fresh/freshtest"
)

// The test clock has both readings, and moves each.
func TestClock(t *testing.T) {
	start := time.Unix(1_700_000_000, 123)
	c := freshtest.NewClock(start)
	then := c.Now()
	require.True(t, then.Equal(start))
	require.Equal(t, start.String(), then.Round(0).String())
	c.Pass(time.Minute)
	require.Equal(t, time.Minute, c.Now().Sub(then))
	c.Set(-time.Hour)
	require.Equal(t, time.Minute, c.Now().Sub(then))
	require.Equal(t, time.Minute-time.Hour, c.Now().Round(0).Sub(then.Round(0)))
}

// Something is fresh only if both clocks agree.
func TestWithin(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(*freshtest.Clock)
		age     time.Duration
		ok      bool
	}{
		"nothing":                       {func(*freshtest.Clock) {}, 0, true},
		"time passes":                   {func(c *freshtest.Clock) { c.Pass(40 * time.Minute) }, 40 * time.Minute, true},
		"too much time passes":          {func(c *freshtest.Clock) { c.Pass(time.Hour) }, time.Hour, true},
		"the machine sleeps":            {func(c *freshtest.Clock) { c.Pass(time.Minute); c.Suspend(2 * time.Hour) }, 121 * time.Minute, true},
		"set forward":                   {func(c *freshtest.Clock) { c.Set(2 * time.Hour) }, 2 * time.Hour, true},
		"set back to before":            {func(c *freshtest.Clock) { c.Pass(time.Minute); c.Set(-2 * time.Hour) }, time.Minute, false},
		"set back to after":             {func(c *freshtest.Clock) { c.Pass(40 * time.Minute); c.Set(-30 * time.Minute) }, 40 * time.Minute, true},
		"set back to after, much later": {func(c *freshtest.Clock) { c.Pass(70 * time.Minute); c.Set(-30 * time.Minute) }, 70 * time.Minute, true},
		"set back by a nanosecond":      {func(c *freshtest.Clock) { c.Set(-1) }, 0, false},
		"set forward and back":          {func(c *freshtest.Clock) { c.Set(time.Hour); c.Pass(time.Minute); c.Set(-time.Hour) }, time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := freshtest.NewClock(time.Unix(1_700_000_000, 0))
			since := c.Now()
			test.happens(c)
			age, ok := Age(since, c.Now())
			require.Equal(t, test.age, age)
			require.Equal(t, test.ok, ok)
			require.Equal(t, test.ok && test.age < time.Hour, Within(since, time.Hour, c.Now()))
		})
	}
}

// Instants that have lost a reading compare by the wall clock.
func TestWallAlone(t *testing.T) {
	c := freshtest.NewClock(time.Unix(1_700_000_000, 0))
	since := c.Now()
	c.Pass(40 * time.Minute)
	c.Set(-30 * time.Minute)
	for _, pair := range [][2]time.Time{{since.UTC().Round(0), c.Now()}, {since, c.Now().Round(0)}, {since.Round(0), c.Now().Round(0)}} {
		age, ok := Age(pair[0], pair[1])
		require.Equal(t, 10*time.Minute, age)
		require.True(t, ok)
	}
	require.False(t, Within(since, time.Hour, since.Add(-time.Second).Round(0)))
}

// The zero instant is long ago: nothing that was never got is fresh.
func TestNever(t *testing.T) {
	require.False(t, Within(time.Time{}, 100*365*24*time.Hour, time.Now()))
}
