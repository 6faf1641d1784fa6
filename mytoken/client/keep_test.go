package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// kept is a running keeper, with a reader of its file.
type kept struct {
	t      *testing.T
	f      *fake
	path   string
	keeper *client.Keeper
	stop   context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	phases []client.KeepPhase
}

// keep starts a keeper. Call it inside synctest.Test.
func keep(t *testing.T, f *fake, path string, change func(*client.KeepConfig)) *kept {
	t.Helper()
	k := &kept{t: t, f: f, path: path, ended: make(chan error, 1)}
	c := f.client(t, func(cfg *client.Config) { cfg.Attempts = 1 })
	cfg := client.KeepConfig{Holder: c.NewHolder(client.NewMemoryStore(aToken)), Path: path, Changed: k.note}
	if change != nil {
		change(&cfg)
	}
	var err error
	k.keeper, err = client.NewKeeper(cfg)
	require.NoError(t, err)
	require.Equal(t, client.KeepStarting, k.keeper.State().Phase)
	ctx, cancel := context.WithCancel(t.Context())
	k.stop = cancel
	go func() { k.ended <- k.keeper.Run(ctx) }()
	synctest.Wait()
	return k
}

// note records changes of the phase.
func (k *kept) note(s client.KeepState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.phases); n == 0 || k.phases[n-1] != s.Phase {
		k.phases = append(k.phases, s.Phase)
	}
}

func (k *kept) seen() []client.KeepPhase {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]client.KeepPhase{}, k.phases...)
}

// left returns how long the token in the file is still valid; ok is false without a file.
func (k *kept) left() (left time.Duration, ok bool) {
	k.t.Helper()
	text, err := os.ReadFile(k.path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, false
	}
	require.NoError(k.t, err)
	end, known := k.f.end(strings.TrimSpace(string(text)))
	require.True(k.t, known, "%q", text)
	return time.Until(end), true
}

// watch checks the file every ten seconds.
func (k *kept) watch(d time.Duration, check func(left time.Duration, ok bool)) {
	k.t.Helper()
	for range d / (10 * time.Second) {
		synctest.Wait()
		check(k.left())
		time.Sleep(10 * time.Second)
	}
	synctest.Wait()
}

// end stops the keeper and checks that it leaves nothing behind.
func (k *kept) end() {
	k.t.Helper()
	k.stop()
	require.NoError(k.t, <-k.ended)
	require.NoFileExists(k.t, k.path)
	require.Equal(k.t, client.KeepEnded, k.keeper.State().Phase)
}

// While the server answers, the token in the file is valid for at least the margin.
func TestKeepFresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			time.Sleep(3 * time.Second) // a slow server
			answer(w, 200, f.accessToken())
		}
		k := keep(t, f, path, func(cfg *client.KeepConfig) { cfg.Early = 10 * time.Minute })
		time.Sleep(3 * time.Second)
		k.watch(24*time.Hour, func(left time.Duration, ok bool) {
			require.True(t, ok)
			require.GreaterOrEqual(t, left, 10*time.Minute-4*time.Second) // an answer takes three seconds
		})
		require.Equal(t, []client.KeepPhase{client.KeepFresh}, k.seen())
		require.InDelta(t, 24*60/50, f.count("/access"), 2)
		if info, err := os.Stat(path); runtime.GOOS != "windows" {
			require.NoError(t, err)
			require.EqualValues(t, 0o600, info.Mode().Perm())
		}
		k.end()
	})
}

// If the server is down for longer than the token lives, the state says so. The file is
// removed when its token expires, and comes back with the server.
func TestKeepServerDown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		k := keep(t, f, path, nil)
		time.Sleep(10 * time.Minute)
		f.setDown(errRefused)
		missing := 0
		k.watch(3*time.Hour, func(left time.Duration, ok bool) {
			if !ok {
				missing++
				require.Equal(t, client.KeepDown, k.keeper.State().Phase)
				return
			}
			require.Positive(t, left, "the token in the file has expired")
			require.Zero(t, missing, "the file came back")
		})
		require.InDelta(t, (2*time.Hour+10*time.Minute)/(10*time.Second), missing, 2)
		state := k.keeper.State()
		require.ErrorIs(t, state.Err, errRefused)
		require.Greater(t, state.Failures, 100)
		require.True(t, state.Expires.IsZero())
		require.Equal(t, []client.KeepPhase{client.KeepFresh, client.KeepAging, client.KeepDown}, k.seen())

		f.setDown(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		left, ok := k.left()
		require.True(t, ok)
		require.Greater(t, left, 55*time.Minute)
		state = k.keeper.State()
		require.Equal(t, client.KeepFresh, state.Phase)
		require.NoError(t, state.Err)
		require.Zero(t, state.Failures)
		k.end()
	})
}

// The keeper removes an expired token even while a request hangs.
func TestKeepServerHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Minute}
		var slow atomic.Bool
		f.answer = func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			if slow.Load() {
				time.Sleep(time.Hour)
			}
			answer(w, 200, f.accessToken())
		}
		k := keep(t, f, path, nil)
		slow.Store(true)
		k.watch(30*time.Minute, func(left time.Duration, ok bool) { require.True(t, !ok || left > 0) })
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		slow.Store(false)
		time.Sleep(time.Hour) // the hung request ends meanwhile
		synctest.Wait()
		require.Equal(t, client.KeepFresh, k.keeper.State().Phase)
		k.end()
	})
}

// After a refusal, the keeper asks again when the server says, or after a pause.
func TestKeepRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		var allowed atomic.Bool
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			if !allowed.Load() {
				w.Header().Set("Retry-After", "45")
				refuse(w, 403, client.CodeUsageRestricted)
				return
			}
			answer(w, 200, f.accessToken())
		}
		k := keep(t, f, path, nil)
		time.Sleep(10 * time.Minute)
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		require.True(t, client.IsCode(k.keeper.State().Err, client.CodeUsageRestricted))
		require.LessOrEqual(t, f.count("/access"), 14)
		allowed.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		_, ok := k.left()
		require.True(t, ok)
		k.end()
	})
}

// A keeper of a mytoken whose time comes later waits for that, and asks no more than once
// an hour until then.
func TestKeepEarly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		begins := time.Now().Add(150 * time.Minute)
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			if time.Now().Before(begins) {
				answer(w, 401, map[string]any{"error": client.CodeInvalidToken, "error_description": "token is not valid yet"})
				return
			}
			answer(w, 200, f.accessToken())
		}
		k := keep(t, f, path, func(cfg *client.KeepConfig) {
			early := unsigned(fmt.Sprintf(`{"token_type":"mytoken","nbf":%d}`, begins.Unix()))
			cfg.Holder = cfg.Holder.Client().NewHolder(client.NewMemoryStore(early))
		})
		time.Sleep(time.Until(begins) + time.Second)
		synctest.Wait()
		require.Equal(t, 4, f.count("/access"))
		_, ok := k.left()
		require.True(t, ok)
		k.end()
	})
}

// If the keeper cannot write a token, it does not ask for another one before that is due:
// each request is a use of the mytoken.
func TestKeepCannotWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "away")
	require.NoError(t, os.Mkdir(dir, 0o700))
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		k := keep(t, f, filepath.Join(dir, "bt"), nil)
		require.NoError(t, os.RemoveAll(dir))
		time.Sleep(100 * time.Minute)
		synctest.Wait()
		state := k.keeper.State()
		require.ErrorIs(t, state.Err, os.ErrNotExist)
		require.Greater(t, state.Failures, 30)
		require.Equal(t, 2, f.count("/access"))
		time.Sleep(50 * time.Minute)
		require.Equal(t, 3, f.count("/access"))
		require.NoError(t, os.Mkdir(dir, 0o700))
		time.Sleep(time.Minute)
		synctest.Wait()
		left, ok := k.left()
		require.True(t, ok)
		require.Positive(t, left)
		require.Equal(t, client.KeepFresh, k.keeper.State().Phase)
		require.Equal(t, 3, f.count("/access"))
		k.end()
	})
}

// A suspended process has the lock of the mytoken. The keeper gives up waiting, says so,
// and asks again.
func TestKeepLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		store := client.NewMemoryStore(aToken)
		k := keep(t, f, path, func(cfg *client.KeepConfig) { cfg.Holder = f.client(t, nil).NewHolder(store) })
		unlock, err := store.Lock(t.Context())
		require.NoError(t, err)
		time.Sleep(58 * time.Minute) // it asked three minutes ago
		synctest.Wait()
		state := k.keeper.State()
		require.Equal(t, client.KeepAging, state.Phase)
		require.ErrorContains(t, state.Err, "lock of the mytoken")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, client.KeepFresh, k.keeper.State().Phase)
		k.end()
	})
}
