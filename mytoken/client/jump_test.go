package client_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/fresh/freshtest"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// jumping is a clock that a test sets.
type jumping struct{ *freshtest.Clock }

func (jumping) After(d time.Duration) <-chan time.Time { return time.After(d) }

// wallOnly is a clock whose instants have no monotonic reading.
type wallOnly struct{ jumping }

func (c wallOnly) Now() time.Time { return c.jumping.Now().UTC().Round(0) }

// jumps are what can happen to the clock ten minutes after something was fetched that is
// good for an hour, and whether it still is. An infallible answer needs both readings.
var jumps = []struct {
	name       string
	happens    func(*freshtest.Clock)
	good, wall bool // wall: what the wall clock alone can know
}{
	{"nothing", func(*freshtest.Clock) {}, true, true},
	{"set back to before", func(c *freshtest.Clock) { c.Set(-10*time.Minute - time.Second) }, false, false},
	{"set back by a year", func(c *freshtest.Clock) { c.Set(-365 * 24 * time.Hour) }, false, false},
	{"set back, and the time is over", func(c *freshtest.Clock) { c.Set(-9 * time.Minute); c.Pass(51 * time.Minute) }, false, true},
	{"set back a little", func(c *freshtest.Clock) { c.Set(-9 * time.Minute); c.Pass(time.Minute) }, true, true},
	{"set forward", func(c *freshtest.Clock) { c.Set(time.Hour) }, false, false},
	{"asleep", func(c *freshtest.Clock) { c.Suspend(time.Hour) }, false, false},
	{"asleep for a moment", func(c *freshtest.Clock) { c.Suspend(time.Minute) }, true, true},
}

// eachJump calls use once, moves the clock, and calls use again. It checks whether that
// made another request to the path.
func eachJump(t *testing.T, path string, start func(*testing.T, *fake, client.Clock) (use func() error)) {
	for _, j := range jumps {
		for _, both := range []bool{true, false} {
			name, good := j.name, j.good
			if !both {
				name, good = name+", wall clock only", j.wall
			}
			t.Run(name, func(t *testing.T) {
				f, clock := &fake{life: time.Hour}, freshtest.NewClock(time.Unix(1_700_000_000, 0))
				var c client.Clock = jumping{clock}
				if !both {
					c = wallOnly{jumping{clock}}
				}
				use := start(t, f, c)
				require.NoError(t, use())
				clock.Pass(10 * time.Minute)
				require.NoError(t, use())
				require.Equal(t, 1, f.count(path))
				j.happens(clock)
				require.NoError(t, use())
				require.Equal(t, good, f.count(path) == 1)
				require.NoError(t, use(), "the new one is good again")
				require.LessOrEqual(t, f.count(path), 2)
			})
		}
	}
}

// A source does not believe in a token after the clock was set back, or after the machine
// was asleep.
func TestJumpTokenSource(t *testing.T) {
	eachJump(t, "/access", func(t *testing.T, f *fake, clock client.Clock) func() error {
		c := f.client(t, func(cfg *client.Config) { cfg.Clock = clock })
		source := c.NewHolder(client.NewMemoryStore(aToken)).TokenSource(client.SourceOptions{})
		return func() error { _, err := source.Token(); return err }
	})
}

// While the server is down, a source does not return a token of which nobody knows
// whether it has expired.
func TestJumpTokenSourceServerDown(t *testing.T) {
	for _, j := range jumps {
		f, clock := &fake{life: time.Hour}, freshtest.NewClock(time.Unix(1_700_000_000, 0))
		c := f.client(t, func(cfg *client.Config) { cfg.Clock, cfg.Attempts = jumping{clock}, 1 })
		source := c.NewHolder(client.NewMemoryStore(aToken)).TokenSource(client.SourceOptions{})
		_, err := source.Token()
		require.NoError(t, err)
		clock.Pass(10 * time.Minute)
		j.happens(clock)
		f.setDown(errRefused)
		_, err = source.Token()
		require.Equal(t, j.good, err == nil, "%s: %v", j.name, err)
	}
}

// The pause after a failed early request does not last for the length of a jump.
func TestJumpAfterFailure(t *testing.T) {
	f, clock := &fake{life: time.Hour}, freshtest.NewClock(time.Unix(1_700_000_000, 0))
	c := f.client(t, func(cfg *client.Config) { cfg.Clock, cfg.Attempts = jumping{clock}, 1 })
	source := c.NewHolder(client.NewMemoryStore(aToken)).TokenSource(client.SourceOptions{Early: 30 * time.Minute})
	first, err := source.Token()
	require.NoError(t, err)
	clock.Pass(40 * time.Minute)
	f.setDown(errRefused)
	again, err := source.Token()
	require.NoError(t, err)
	require.Equal(t, first.AccessToken, again.AccessToken)
	f.setDown(nil)
	clock.Set(-20 * time.Minute) // to before the pause, and after the first request
	again, err = source.Token()
	require.NoError(t, err)
	require.NotEqual(t, first.AccessToken, again.AccessToken)
}

// The client does not believe in a discovery document after the clock was set back.
func TestJumpDiscovery(t *testing.T) {
	eachJump(t, "/.well-known/mytoken-configuration", func(t *testing.T, f *fake, clock client.Clock) func() error {
		c := f.client(t, func(cfg *client.Config) { cfg.Clock = clock })
		return func() error { _, err := c.Metadata(t.Context()); return err }
	})
}

// The keeper asks for another token after a jump, if nobody knows that the one in its
// file is good. While the server is down, it then removes the file.
func TestJumpKeeper(t *testing.T) {
	for _, j := range jumps {
		for _, down := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "bt")
			synctest.Test(t, func(t *testing.T) {
				f, clock := &fake{life: time.Hour}, freshtest.NewClock(time.Unix(1_700_000_000, 0))
				k := keep(t, f, path, func(cfg *client.KeepConfig) {
					c := f.client(t, func(cfg *client.Config) { cfg.Clock, cfg.Attempts = jumping{clock}, 1 })
					cfg.Holder = c.NewHolder(client.NewMemoryStore(aToken))
				})
				require.Equal(t, 1, f.count("/access"))
				clock.Pass(10 * time.Minute)
				if down {
					f.setDown(errRefused)
				}
				j.happens(clock)
				time.Sleep(time.Minute) // the clock of the test stands still, and the keeper wakes
				synctest.Wait()
				phase := k.keeper.State().Phase
				switch {
				case !down:
					require.Equal(t, j.good, f.count("/access") == 1, j.name)
					require.LessOrEqual(t, f.count("/access"), 2, j.name)
					require.Equal(t, client.KeepFresh, phase, j.name)
					require.FileExists(t, path)
				case j.good:
					require.Equal(t, client.KeepFresh, phase, j.name)
					require.FileExists(t, path)
				default:
					require.Equal(t, client.KeepDown, phase, j.name)
					require.NoFileExists(t, path, j.name)
				}
				k.end()
			})
		}
	}
}

// A login is over when its time has passed by the monotonic clock, although the wall
// clock was set back.
func TestJumpLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := freshtest.NewClock(time.Unix(1_700_000_000, 0))
		f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
			if body["grant_type"] == "polling_code" {
				clock.Pass(time.Minute)
				refuse(w, http.StatusPreconditionRequired, client.CodeAuthorizationPending)
				return
			}
			answer(w, http.StatusOK, map[string]any{"consent_uri": fakeIssuer + "/c", "polling_code": "code", "expires_in": 300})
		}}
		c := f.client(t, func(cfg *client.Config) { cfg.Clock = jumping{clock} })
		login, err := c.StartLogin(t.Context(), client.LoginRequest{})
		require.NoError(t, err)
		clock.Pass(time.Minute)
		clock.Set(-50 * time.Second)
		_, err = login.Wait(t.Context())
		require.ErrorIs(t, err, client.ErrLoginExpired)
		require.LessOrEqual(t, f.count("/my"), 1+4)
	})
}
