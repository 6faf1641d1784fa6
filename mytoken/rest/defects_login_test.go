package rest_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// transport sees requests to the provider.
type transport func(url.Values)

func (see transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(text))
		if err != nil {
			return nil, err
		}
		see(form)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(text))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestD05_VerifierIsSealed: the store holds the PKCE verifier of an unfinished login, but
// not in clear. // proves P7
func TestD05_VerifierIsSealed(t *testing.T) {
	var verifier string
	s := start(t, func(o *setup) {
		o.Upstream = func(c *oidcupstream.Config) {
			c.HTTPClient = &http.Client{Transport: transport(func(form url.Values) { verifier += form.Get("code_verifier") })}
		}
	})
	consent, polling := s.startNative(m{"name": "job-of-the-test"})
	b := s.browser()
	to := b.approve(consent, m{"name": "job-of-the-test"})
	dump, err := s.Store.(*memstore.Store).Dump(t.Context())
	require.NoError(t, err)

	b.login(to, "alice")
	s.object(s.poll(polling), http.StatusOK)
	require.GreaterOrEqual(t, len(verifier), 43)
	require.Empty(t, storetest.FindSecrets(dump, verifier, polling))
	require.Len(t, storetest.FindSecrets(append(dump, verifier...), verifier, polling), 1)
}

// TestD59_ScopesAreCopied: simultaneous logins share the list of configured scopes, and
// do not change it.
func TestD59_ScopesAreCopied(t *testing.T) {
	s := start(t)
	scopes := s.Issuer.Providers()[0].Upstream.Scopes()
	asked := make([]string, 16)
	var done sync.WaitGroup
	for i := range asked {
		consent, _ := s.startNative(nil)
		done.Go(func() {
			u, err := url.Parse(s.browser().approve(consent, nil))
			if err != nil {
				t.Error(err)
				return
			}
			asked[i] = u.Query().Get("scope")
		})
	}
	done.Wait()
	for _, got := range asked {
		require.NotEmpty(t, got)
		require.Equal(t, asked[0], got)
	}
	require.Equal(t, scopes, s.Issuer.Providers()[0].Upstream.Scopes())
}
