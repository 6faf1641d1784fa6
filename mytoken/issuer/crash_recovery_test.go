package issuer_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store/storetest"
)

// crashAtCommit makes a request whose new refresh token the store does not take until the
// issuer is closed. It returns another issuer with the same configuration, for which the
// store works again.
func (w *world) crashAtCommit(t *testing.T) *issuer.Issuer {
	t.Helper()
	w.store.Reset(func(c storetest.Call) error {
		if c.Method == "CommitRefresh" {
			return storetest.ErrFault
		}
		return nil
	})
	w.onNotice(func(n issuer.Notice) {
		if n.Kind == issuer.NoticeCommitFailed {
			over, cancel := context.WithCancel(t.Context())
			cancel()
			_ = w.issuer.Close(over)
		}
	})
	w.failOnce(optest.Fault{Rotate: true})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.False(t, errAs[*issuer.StoreError](t, err).Repeatable(), "the use stays charged")
	require.False(t, is[*issuer.UpstreamError](err), "the provider has done its part: %v", err)
	require.NoError(t, w.close(t.Context()))
	w.onNotice(nil)
	w.store.Reset(nil)
	next, err := w.node(nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, next.Close(context.Background())) })
	return next
}

// spillFiles returns the files of a spill directory that hold refresh tokens.
func spillFiles(dir string) ([]string, error) { return filepath.Glob(filepath.Join(dir, "*.refresh")) }

// proves P5
func TestCommitIsRepeatedUntilItSucceeds(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("before=%t", before), func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{})
			w.store.Reset(failFirst("CommitRefresh", 3, before))
			for range 2 {
				_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
				require.NoError(t, err)
			}
			require.Equal(t, 5, w.store.Calls("CommitRefresh"))
			require.Equal(t, 1, w.told(issuer.NoticeCommitFailed), "told once, not each time")
			require.Zero(t, w.reuses())
		})
	}
}

// The store takes no refresh token until the issuer is closed. The spill directory holds
// it, sealed, and another issuer brings it to the store.
//
// proves P5, P7
func TestCommitFailsUntilClose(t *testing.T) {
	for _, recovers := range []bool{true, false} {
		t.Run(fmt.Sprintf("recover=%t", recovers), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spill")
			w := newWorld(t, optest.RotateStrict, worldOptions{config: func(c *issuer.Config) { c.SpillDir = dir }})
			next := w.crashAtCommit(t)

			files, err := spillFiles(dir)
			require.NoError(t, err)
			require.Len(t, files, 1)
			data, err := os.ReadFile(files[0])
			require.NoError(t, err)
			secrets := append(w.site.op.Secrets(), w.token.Reveal())
			require.Greater(t, len(secrets), 4)
			for _, secret := range secrets {
				for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
					require.False(t, bytes.Contains(data, []byte(form)), "a secret in the spill file")
				}
			}

			if recovers {
				require.NoError(t, next.Recover(t.Context()))
				files, err = spillFiles(dir)
				require.NoError(t, err)
				require.Empty(t, files)
			}
			// The lease lapsed, and its next holder looks into the spill. So the refresh
			// token is found even without Recover.
			w.lapse()
			_, err = w.request(t.Context(), next, issuer.NewUseID())
			require.NoError(t, err)
			require.Zero(t, w.reuses())
			files, err = spillFiles(dir)
			require.NoError(t, err)
			require.Empty(t, files)
		})
	}
}

// The process stops between the answer of the provider and the commit, and another one
// takes over. Much later, its commit arrives after all.
//
// proves P5
func TestProcessDiesBeforeTheCommit(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) { c.SpillDir = dir }})
	gate := newGate(t)
	w.store.Reset(func(c storetest.Call) error {
		if c == storetest.Before("CommitRefresh", 1) {
			gate.wait(t.Context())
		}
		return nil
	})
	dead := w.start(t.Context(), w.issuer, refreshFirst)
	gate.await(t)

	next, err := w.node(nil)
	require.NoError(t, err)
	w.lapse()
	for range 2 {
		_, err = w.request(t.Context(), next, issuer.NewUseID())
		require.NoError(t, err)
	}
	gate.open()
	await(t, dead)
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.reuses())
	require.NoError(t, next.Close(t.Context()))
}

// The spill directory refuses a refresh token. Memory has to do, and the observer is
// told.
//
// proves P5
func TestSpillDirectoryRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spill")
	w := newWorld(t, optest.RotateStrict, worldOptions{config: func(c *issuer.Config) { c.SpillDir = dir }})
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	w.store.Reset(failFirst("CommitRefresh", 2, true))
	for n := range 2 {
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
		require.Equal(t, n+1, w.told(issuer.NoticeSpillFailed))
	}
	require.Zero(t, w.reuses())
}

// The memory of this process alone holds a refresh token. Calling Recover again commits
// it.
//
// proves P5
func TestRecoverFromMemory(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{})
	w.crashAtCommit(t)
	require.NoError(t, w.issuer.Recover(t.Context()))
	next, err := w.node(nil)
	require.NoError(t, err)
	w.lapse()
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.reuses())
}

// proves P5
func TestRecoverReportsWhatTheStoreRefuses(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, optest.RotateStrict, worldOptions{config: func(c *issuer.Config) { c.SpillDir = dir }})
	next := w.crashAtCommit(t)
	w.store.Reset(failFirst("CommitRefresh", 1, true))
	require.ErrorIs(t, next.Recover(t.Context()), storetest.ErrFault)
	files, err := spillFiles(dir)
	require.NoError(t, err)
	require.Len(t, files, 1, "it stays")
	require.NoError(t, next.Recover(t.Context()))
	files, err = spillFiles(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}

// The store is away when a process starts. Maintain commits the refresh token of the former
// process as soon as the store is back, and does not do so again.
//
// proves P5
func TestMaintainRepeatsRecover(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, optest.RotateStrict, worldOptions{config: func(c *issuer.Config) { c.SpillDir = dir }})
	next := w.crashAtCommit(t)
	w.store.Reset(failFirst("CommitRefresh", 1, true))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go next.Maintain(ctx, 5*time.Minute)
		synctest.Wait()
		files, err := spillFiles(dir)
		require.NoError(t, err)
		require.Len(t, files, 1, "it stays")
		time.Sleep(time.Minute)
		synctest.Wait()
		files, err = spillFiles(dir)
		require.NoError(t, err)
		require.Empty(t, files)
		before := w.store.Calls("Processes")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, before, w.store.Calls("Processes"), "Recover runs once")
		cancel()
	})
}

// The data of the user is deleted while the provider is asked. The new refresh token has
// no place any more and is revoked.
func TestUserIsDeletedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, optest.RotateStrict, worldOptions{config: func(c *issuer.Config) { c.SpillDir = dir }})
	gate := newGate(t)
	w.failOnce(optest.Fault{WaitAfter: gate.wait})
	r := w.start(t.Context(), w.issuer, refreshFirst)
	gate.await(t)
	require.NoError(t, w.inner.DeleteOwner(t.Context(), mytoken.Owner(w.site.op.Issuer(), w.subject)))
	gate.open()
	require.Equal(t, issuer.TokenUnknown, errAs[*issuer.TokenError](t, await(t, r).err).Reason)
	revoked := w.events(optest.Revoked)
	require.Len(t, revoked, 1)
	require.Equal(t, 2, revoked[0].Generation)
	files, err := spillFiles(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}

// Whatever goes wrong, no error, notice or log line holds a secret.
//
// proves P9
func TestFailuresTellNoSecret(t *testing.T) {
	var mu sync.Mutex
	var said bytes.Buffer
	say := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&said, "%v %+v %#v %q\n", v, v, v, v)
	}
	site := newSite(t, optest.Options{Rotation: optest.RotateGrace, Grace: time.Minute})
	faults := append(append(append([]providerFault{noFault}, faultsAfter...), moreFaultsAfter...), faultsBefore...)
	var secrets []string
	for _, fault := range faults {
		for _, method := range []string{"", "ResolveTicket", "Spend", "BeginRefresh", "CommitRefresh", "EndRefresh", "Token", "Rotate", "Refund", "ChangeTickets"} {
			if method != "" && fault.name != noFault.name {
				continue
			}
			w, err := site.world(t.Context(), worldOptions{
				limit: 2, rotation: &mytoken.Rotation{OnAT: true}, response: mytoken.ResponseShortToken,
				config: func(c *issuer.Config) {
					c.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
						mu.Lock()
						defer mu.Unlock()
						return said.Write(p)
					}), nil))
				},
			})
			require.NoError(t, err)
			w.onNotice(func(n issuer.Notice) { say(n); say(n.Err) })
			w.store.Reset(failFirst(method, 3, false))
			w.down.Store(fault.down)
			w.failOnce(fault.fault)
			secrets = append(secrets, w.token.Reveal())
			at, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			say(at)
			say(err)
			secrets = append(secrets, w.token.Reveal())
		}
	}
	secrets = append(secrets, site.op.Secrets()...)
	require.Greater(t, said.Len(), 1000)
	for _, secret := range secrets {
		require.False(t, bytes.Contains(said.Bytes(), []byte(secret)), "a secret was told")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
