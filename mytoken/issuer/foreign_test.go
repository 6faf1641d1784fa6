package issuer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

const foreignToken = "refresh-token-of-somebody-else"

// foreign is an answer for another user, provider or client.
func foreign(claim, value string) optest.Fault {
	return optest.Fault{
		IDToken: func(_, claims map[string]any) { claims[claim] = value },
		Edit:    func(answer map[string]any) { answer["refresh_token"] = foreignToken },
	}
}

// The provider mixes up its answers: an ID token names somebody else. The refresh token
// that came with it is neither used nor stored nor revoked. It lies in the spill
// directory, sealed, and nothing commits it. The login goes on with its own one.
//
// proves P5, P7
func TestForeignRefreshTokenIsQuarantined(t *testing.T) {
	for _, claim := range []string{"sub", "iss", "aud"} {
		for _, never := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/never rotates=%t", claim, never), func(t *testing.T) {
				dir := t.TempDir()
				w := newWorld(t, optest.RotateOff, worldOptions{
					limit: 9, config: func(c *issuer.Config) { c.SpillDir = dir },
					upstream: func(c *oidcupstream.Config) { c.RefreshTokensNeverRotate = never },
				})
				w.failOnce(foreign(claim, "somebody"))
				_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
				upstream := errAs[*issuer.UpstreamError](t, err)
				require.ErrorIs(t, err, oidcupstream.ErrSubject)
				require.True(t, upstream.Charged)
				w.requireCharged(t, 1)
				require.Zero(t, w.store.Calls("CommitRefresh"))
				require.Equal(t, 1, w.told(issuer.NoticeForeignAnswer))
				require.Empty(t, w.events(optest.Revoked))
				files, err := filepath.Glob(filepath.Join(dir, "*.quarantined"))
				require.NoError(t, err)
				require.Len(t, files, 1)
				text, err := os.ReadFile(files[0])
				require.NoError(t, err)
				require.NotContains(t, string(text), foreignToken)

				node, err := w.node(nil)
				require.NoError(t, err)
				require.NoError(t, node.Recover(t.Context()))
				require.Zero(t, w.store.Calls("CommitRefresh"))
				for _, i := range []*issuer.Issuer{w.issuer, node} {
					_, err = w.request(t.Context(), i, issuer.NewUseID())
					require.NoError(t, err)
				}
				w.requireCharged(t, 3)
				require.FileExists(t, files[0])
			})
		}
	}
}

// The quarantine is bounded, and without a spill directory there is none.
func TestQuarantineIsBounded(t *testing.T) {
	const most = 64
	for _, dir := range []string{t.TempDir(), ""} {
		w := newWorld(t, optest.RotateOff, worldOptions{config: func(c *issuer.Config) { c.SpillDir = dir }})
		w.fault(func(optest.FaultPoint) optest.Fault { return foreign("sub", "somebody") })
		kept, dropped := 0, 0
		w.onNotice(func(n issuer.Notice) {
			switch {
			case n.Kind != issuer.NoticeForeignAnswer:
			case strings.HasSuffix(n.Detail, ".quarantined"):
				kept++
			default:
				require.Contains(t, n.Detail, "dropped")
				dropped++
			}
		})
		for range most + 2 {
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.ErrorIs(t, err, oidcupstream.ErrSubject)
		}
		if dir == "" {
			require.Equal(t, most+2, dropped)
			continue
		}
		require.Equal(t, most, kept)
		require.Equal(t, 2, dropped)
	}
}

// An ID token that names nobody is a damaged answer, not somebody else's: its refresh
// token replaces the one that was used up.
//
// proves P5
func TestUnreadableIDTokenLosesNoRefreshToken(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	w.failOnce(optest.Fault{Edit: func(answer map[string]any) { answer["id_token"] = "no.id.token" }})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.ErrorIs(t, err, oidcupstream.ErrIDToken)
	require.Zero(t, w.told(issuer.NoticeForeignAnswer))
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.reuses())
	w.requireCharged(t, 2)
}
