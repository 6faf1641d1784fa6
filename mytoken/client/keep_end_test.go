package client_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// The keeper ends at the configured instant, and revokes the mytoken if configured to.
func TestKeepUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		end := time.Now().Add(90*time.Minute + 7*time.Second)
		k := keep(t, f, path, func(cfg *client.KeepConfig) { cfg.Until, cfg.Revoke = end, true })
		require.NoError(t, <-k.ended)
		require.Equal(t, end, time.Now())
		require.NoFileExists(t, path)
		require.Equal(t, 1, f.count("/revoke"))
		require.Equal(t, client.KeepEnded, k.keeper.State().Phase)
	})
}

// A keeper removes the file of a killed one when its token expires, even if the server is
// down.
func TestKeepFindsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		left := jwtUntil(time.Now().Add(30 * time.Minute))
		require.NoError(t, bearer.Write(path, left))
		f := &fake{life: time.Hour}
		f.setDown(errRefused)
		k := keep(t, f, path, nil)
		time.Sleep(30*time.Minute - time.Second)
		require.FileExists(t, path)
		require.Equal(t, client.KeepAging, k.keeper.State().Phase)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoFileExists(t, path)
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		k.end()

		require.NoError(t, bearer.Write(path, left)) // its token has expired
		keep(t, f, path, nil).end()

		for _, other := range []mytoken.Secret{mytoken.NewSecret("nobody-knows-when-it-expires"), jwtUntil(time.Now().Add(time.Hour))} {
			require.NoError(t, bearer.Write(path, other))
			k = keep(t, f, path, nil)
			k.stop()
			require.NoError(t, <-k.ended)
			require.FileExists(t, path, "this keeper did not write it")
		}
	})
}

// jwtUntil returns an access token that says when it expires.
func jwtUntil(end time.Time) mytoken.Secret { return unsigned(fmt.Sprintf(`{"exp":%d.5}`, end.Unix())) }

// unsigned returns a JWT that nobody signed.
func unsigned(payload string) mytoken.Secret {
	return mytoken.NewSecret("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln")
}

// The keeper removes the file at the end, even during a request.
func TestKeepEndsWhileAsking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		var slow atomic.Bool
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			if slow.Load() {
				time.Sleep(20 * time.Second)
			}
			answer(w, 200, f.accessToken())
		}
		k := keep(t, f, path, nil)
		slow.Store(true)
		time.Sleep(55*time.Minute + 5*time.Second)
		require.Equal(t, 2, f.count("/access"))
		require.FileExists(t, path)
		k.stop()
		synctest.Wait()
		require.NoFileExists(t, path)
		require.NoError(t, <-k.ended)
		require.NoFileExists(t, path)
	})
}

// Run returns the error of a failed revocation at the end.
func TestKeepRevocationFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		k := keep(t, f, path, func(cfg *client.KeepConfig) { cfg.Revoke = true })
		f.setDown(errRefused)
		k.stop()
		require.ErrorIs(t, <-k.ended, errRefused)
		require.NoFileExists(t, path)
		require.ErrorIs(t, k.keeper.State().Err, errRefused)
	})
}

// The keeper leaves a file alone that another program has written meanwhile.
func TestKeepOthersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, &fake{life: time.Hour}, path, nil)
		require.NoError(t, bearer.Write(path, mytoken.NewSecret("another-token")))
		k.stop()
		require.NoError(t, <-k.ended)
		require.FileExists(t, path)
	})
}

// The keeper replaces a token without an expiry every five minutes, and a short-lived one
// at most once a second. It does not write a token that has expired when it arrives.
func TestKeepUnusualLifetimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	for life, c := range map[string]struct {
		watched time.Duration
		want    int
	}{
		"": {time.Hour, 13}, `,"expires_in":1`: {time.Minute, 61}, `,"expires_in":3`: {time.Minute, 41},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
				_, _ = w.Write([]byte(`{"access_token":"a"` + life + `}`))
			}}
			k := keep(t, f, path, nil)
			time.Sleep(c.watched)
			require.InDelta(t, c.want, f.count("/access"), 2, life)
			k.end()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			time.Sleep(2 * time.Second)
			_, _ = w.Write([]byte(`{"access_token":"a","expires_in":1}`))
		}}
		k := keep(t, f, path, nil)
		time.Sleep(time.Minute)
		require.Equal(t, []client.KeepPhase{client.KeepDown}, k.seen())
		require.NoFileExists(t, path)
		k.end()
	})
}

// If other users control the file, the keeper writes nothing and asks for nothing.
func TestKeepUnsafe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows")
	}
	path := filepath.Join(t.TempDir(), "bt")
	require.NoError(t, os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), path))
	f := &fake{life: time.Hour}
	h := f.client(t, nil).NewHolder(client.NewMemoryStore(aToken))
	require.ErrorAs(t, client.Keep(t.Context(), client.KeepConfig{Holder: h, Path: path}), new(*bearer.UnsafeError))
	require.Zero(t, f.count("/access"))
	_, err := client.NewKeeper(client.KeepConfig{Path: path})
	require.Error(t, err)
	_, err = client.NewKeeper(client.KeepConfig{Holder: h, Path: path, Early: -1})
	require.Error(t, err)
}

// brokenStore panics at the first look.
type brokenStore struct {
	client.TokenStore
	once sync.Once
}

func (s *brokenStore) Load(ctx context.Context) (mytoken.Secret, error) {
	s.once.Do(func() { panic("the store is broken") })
	return s.TokenStore.Load(ctx)
}

// A store and a listener that panic do not end the process. The keeper tries again, and
// leaves nothing behind.
func TestKeepSurvivesPanics(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		k := keep(t, f, path, func(cfg *client.KeepConfig) {
			cfg.Holder = f.client(t, nil).NewHolder(&brokenStore{TokenStore: client.NewMemoryStore(aToken)})
			cfg.Changed = func(client.KeepState) { panic("the listener is broken") }
		})
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		require.EqualError(t, k.keeper.State().Err, "internal error")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, client.KeepFresh, k.keeper.State().Phase)
		require.FileExists(t, path)
		k.end()
	})
}
