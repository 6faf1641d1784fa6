package client_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// Two processes use one rotating token in a file, as fast as they can. No request fails.
// A reader of the file sees a whole token, and generations only go up.
//
// proves P8
func TestProcessesShareARotatingToken(t *testing.T) {
	uses := 1000
	if raceEnabled || testing.Short() {
		uses = 100
	}
	s := start(t, func(o *setup) { o.Provider = optest.Options{Rotation: optest.RotateStrict} })
	path := filepath.Join(t.TempDir(), "token")
	store := client.NewFileStore(path)
	require.NoError(t, store.Save(t.Context(), s.token(mytoken.Properties{Rotation: rotating})))

	ended := make(chan *process, 2)
	for range cap(ended) {
		p := startOther(t, "user", envIssuer+"="+s.URL, envPath+"="+path, envCount+"="+strconv.Itoa(uses))
		go func() {
			assert.NoError(t, <-p.ended)
			ended <- p
		}()
	}
	verifier, err := mytoken.NewVerifier(mytoken.VerifierConfig{Issuer: s.URL, Keys: s.Issuer.Keys(), Clock: s.Clock.Now})
	require.NoError(t, err)
	var last uint64
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for running := cap(ended); running > 0; {
		select {
		case p := <-ended:
			running--
			require.Empty(t, p.stderr.String())
		case <-look.C:
			token, err := store.Load(t.Context())
			require.NoError(t, err)
			verified, err := verifier.Verify(t.Context(), token.Reveal())
			require.NoError(t, err)
			require.GreaterOrEqual(t, verified.Seq(), last, "the file went back to an older generation")
			last = verified.Seq()
		}
	}
	require.EqualValues(t, 1+2*uses, s.generation(store), "a request was made twice, or a generation was lost")
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.EqualValues(t, 0o600, info.Mode().Perm())
	}
	names, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, names, 2, "the token and its lock")
}

// A process is killed while it uses a rotating token. If the server has rotated the token
// and the file does not know, the next process gets the same successor.
//
// proves P8
func TestUserKilled(t *testing.T) {
	s := start(t, nil)
	path := filepath.Join(t.TempDir(), "token")
	store := client.NewFileStore(path)
	require.NoError(t, store.Save(t.Context(), s.token(mytoken.Properties{Rotation: rotating})))
	h := s.client.NewHolder(store)
	for round := range 12 {
		user := startOther(t, "user", envIssuer+"="+s.URL, envPath+"="+path, envCount+"=1000000")
		for range 1 + round%3 {
			awaitChange(t, path, user)
		}
		<-time.After(rand.N(2 * time.Millisecond))
		user.kill(t)
		_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.NoError(t, err, "round %d, %s", round, &user.stderr)
	}
	require.Greater(t, s.generation(store), uint64(12))
}

// A keeper that is killed at any instant leaves a file with a whole token, or none.
func TestKeeperKilled(t *testing.T) {
	made, f := make(chan struct{}, 1), new(fake)
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			document, base := f.discovery(), "http://"+r.Host
			document["issuer"], document["access_token_endpoint"] = base, base+"/access"
			answer(w, http.StatusOK, document)
			return
		}
		// Without an expiry, the keeper replaces the token every five minutes.
		answer(w, http.StatusOK, map[string]any{"access_token": wholeToken(int(count.Add(1)))})
		select {
		case made <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "bt")
	rounds, whole := 24, 0
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		keeper := startOther(t, "keeper", envIssuer+"="+server.URL, envPath+"="+path)
		for range 1 + round%3 {
			select {
			case <-made:
			case err := <-keeper.ended:
				require.FailNow(t, "the keeper has ended", "%v: %s", err, &keeper.stderr)
			}
		}
		if round%2 == 0 {
			<-time.After(rand.N(10 * time.Millisecond))
		} else {
			awaitChange(t, path, keeper)
		}
		keeper.kill(t)
		text, err := os.ReadFile(path)
		if !os.IsNotExist(err) {
			require.NoError(t, err)
			require.True(t, isWhole(strings.TrimSpace(string(text))), "round %d: %d bytes", round, len(text))
			whole++
		}
	}
	require.Positive(t, whole, "no keeper came as far as a file")
}

// awaitChange waits until the process changes the file or its directory.
func awaitChange(t *testing.T, path string, p *process) {
	t.Helper()
	look := func() string {
		var seen string
		for _, name := range []string{path, filepath.Dir(path)} {
			if info, err := os.Stat(name); err == nil {
				seen += fmt.Sprint(info.Size(), info.ModTime().UnixNano(), ";")
			}
		}
		return seen
	}
	tick := time.NewTicker(20 * time.Microsecond)
	defer tick.Stop()
	for before := look(); look() == before; {
		select {
		case err := <-p.ended:
			require.FailNow(t, "the process has ended", "%v: %s", err, &p.stderr)
		case <-tick.C:
		}
	}
}
