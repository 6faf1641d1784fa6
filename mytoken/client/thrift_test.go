package client_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
)

// outage is a provider that loses the answer to each refresh until an instant. The issuer
// cannot know whether the provider acted, so the use stays counted.
type outage struct {
	*slowProvider
	until   time.Time
	refuses bool // instead, so the use does not stay counted
}

// RoundTrip implements http.RoundTripper.
func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	switch down := r.URL.Path == "/token" && time.Now().Before(o.until); {
	case down && o.refuses:
		w := httptest.NewRecorder()
		refuse(w, http.StatusBadRequest, "temporarily_unavailable")
		return w.Result(), nil
	case down:
		if _, err := o.slowProvider.RoundTrip(r); err != nil { // it reads the request
			return nil, err
		}
		return nil, &hungUp{}
	}
	return o.slowProvider.RoundTrip(r)
}

// outageWorld is a server of this SDK with one limited mytoken, without a network.
type outageWorld struct {
	t      *testing.T
	issuer *issuer.Issuer
	store  *memstore.Store
	id     mytoken.TokenID
	holder *client.Holder

	provider *outage
}

func newOutage(t *testing.T, limit int64, down time.Duration, capabilities capability.Set, wrap func(http.Handler) http.Handler) *outageWorld {
	t.Helper()
	p := &outage{slowProvider: &slowProvider{}}
	w := &outageWorld{t: t, store: memstore.New(), provider: p}
	var token *mytoken.Issued
	w.issuer, token = adopted(t, p.slowProvider, p, w.store, mytoken.Properties{
		Capabilities: capabilities, Restrictions: restriction.List{{UsagesAT: restriction.Usages(limit)}},
	})
	w.id, p.until = token.ID, time.Now().Add(down)
	var handler http.Handler
	handler, err := rest.NewHandler(w.issuer, rest.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	if wrap != nil {
		handler = wrap(handler)
	}
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: &http.Client{Transport: directly{handler}}})
	require.NoError(t, err)
	w.holder = c.NewHolder(client.NewMemoryStore(token.Token))
	return w
}

// charged returns how many access tokens the mytoken was charged for.
func (w *outageWorld) charged() int64 {
	w.t.Helper()
	info, err := w.store.Token(w.t.Context(), w.id)
	require.NoError(w.t, err)
	return info.Counters[0].ATUsed
}

var atOnly = capability.Set{capability.AT}

// outages are servers, and what an outage of their provider costs of five uses: within
// the first hour, and in all.
var outages = []struct {
	name         string
	wrap         func(http.Handler) http.Handler
	capabilities capability.Set
	hour, all    int64
}{
	{"a server that knows keys", nil, everything, 1, 1},
	{"another server", withoutKeys, everything, 2, 3},
	{"another server that does not tell what is left", withoutKeys, atOnly, 2, 3},
}

// The provider of a mytoken with five uses is down for an hour. A keeper asks all the
// time, and gets its access token when the provider is back.
//
// proves P3, P8
func TestKeeperDuringAnOutage(t *testing.T) {
	for _, c := range outages {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bt")
			synctest.Test(t, func(t *testing.T) {
				w := newOutage(t, 5, time.Hour, c.capabilities, c.wrap)
				k := &kept{t: t, path: path, ended: make(chan error, 1)}
				var err error
				k.keeper, err = client.NewKeeper(client.KeepConfig{Holder: w.holder, Path: path})
				require.NoError(t, err)
				go func() { k.ended <- k.keeper.Run(t.Context()) }()
				time.Sleep(59 * time.Minute)
				synctest.Wait()
				require.NoFileExists(t, path)
				require.Equal(t, c.hour, w.charged(), "during the outage")
				require.Greater(t, k.keeper.State().Failures, 1)
				for n := 0; k.keeper.State().Phase != client.KeepFresh; n++ {
					require.Less(t, n, 90, "no access token after the outage")
					time.Sleep(time.Minute)
					synctest.Wait()
				}
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Contains(t, string(text), "access-")
				require.Equal(t, c.all, w.charged(), "in all")
				require.NoError(t, w.issuer.Close(t.Context()))
			})
		})
	}
}

// The same with a program that asks a token source every second.
//
// proves P3, P8
func TestTokenSourceDuringAnOutage(t *testing.T) {
	for _, c := range outages {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newOutage(t, 5, time.Hour, c.capabilities, c.wrap)
				source, begin := w.holder.TokenSource(client.SourceOptions{}), time.Now()
				for {
					_, err := source.Token()
					if time.Since(begin) < time.Hour {
						require.Error(t, err)
						require.LessOrEqual(t, w.charged(), c.hour)
					}
					if err == nil {
						break
					}
					require.Less(t, time.Since(begin), 150*time.Minute)
					time.Sleep(time.Second)
				}
				require.Equal(t, c.all, w.charged())
				require.NoError(t, w.issuer.Close(t.Context()))
			})
		})
	}
}

// In each hour of an outage, at most half of what is left gets lost at a server that does
// not know keys, rounded up.
func TestThriftInALongOutage(t *testing.T) {
	for _, limit := range []int64{1, 2, 7, 40} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newOutage(t, limit, 100*time.Hour, everything, withoutKeys)
				k, err := client.NewKeeper(client.KeepConfig{Holder: w.holder, Path: filepath.Join(t.TempDir(), "bt")})
				require.NoError(t, err)
				ended := make(chan error, 1)
				go func() { ended <- k.Run(t.Context()) }()
				for left := limit; left > 0; {
					time.Sleep(55 * time.Minute)
					synctest.Wait()
					now := limit - w.charged()
					require.GreaterOrEqual(t, now, left/2, "of %d", left)
					left = now
				}
				require.NoError(t, w.issuer.Close(t.Context()))
			})
		})
	}
}

// A provider that refuses for an hour costs nothing. After so many attempts the server
// refuses the key of the request, and the keeper goes on with another one.
//
// proves P8
func TestKeeperDuringRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		var over atomic.Int32
		w := newOutage(t, 5, time.Hour, everything, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recorded := httptest.NewRecorder()
				if h.ServeHTTP(recorded, r); recorded.Code == http.StatusUnprocessableEntity {
					over.Add(1)
				}
				maps.Copy(w.Header(), recorded.Header())
				w.WriteHeader(recorded.Code)
				_, _ = w.Write(recorded.Body.Bytes())
			})
		})
		w.provider.refuses = true
		k, err := client.NewKeeper(client.KeepConfig{Holder: w.holder, Path: path})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- k.Run(t.Context()) }()
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		require.Zero(t, w.charged())
		require.Positive(t, over.Load(), "the server has refused a key")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, client.KeepFresh, k.State().Phase)
		require.EqualValues(t, 1, w.charged())
		require.NoError(t, w.issuer.Close(t.Context()))
	})
}

// A server that does not know keys loses one answer. Later it does not even tell its
// endpoints. No use is made then, so a source need not save any: it gets its access token
// as soon as the server is back.
func TestTokenSourceWithoutDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		w := newOutage(t, 5, time.Second, everything, func(h http.Handler) http.Handler {
			h = withoutKeys(h)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if down.Load() && r.URL.Path == "/.well-known/mytoken-configuration" {
					refuse(w, http.StatusInternalServerError, "internal_server_error")
					return
				}
				h.ServeHTTP(w, r)
			})
		})
		source := w.holder.TokenSource(client.SourceOptions{})
		_, err := source.Token()
		require.Error(t, err)
		require.EqualValues(t, 1, w.charged())

		time.Sleep(61 * time.Minute) // the client has forgotten the endpoints
		down.Store(true)
		for range 3 {
			_, err = source.Token()
			require.Error(t, err)
			time.Sleep(time.Minute)
		}
		down.Store(false)
		_, err = source.Token()
		require.NoError(t, err)
		require.EqualValues(t, 2, w.charged())
		require.NoError(t, w.issuer.Close(t.Context()))
	})
}
