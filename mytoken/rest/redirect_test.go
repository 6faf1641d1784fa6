package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestRedirectPaths: users come back where the redirect URL of a provider leads, and
// nowhere else.
func TestRedirectPaths(t *testing.T) {
	for name, c := range map[string]struct {
		prefix, own string // of the redirect URL
		others      []string
	}{
		"one provider":      {"", "/redirect", []string{"/redirect/example", "/redirect/", "/Redirect"}},
		"a path of its own": {"", "/redirect/example", []string{"/redirect", "/redirect/", "/redirect/other", "/redirect/Example", "/redirect/example/", "/redirect/example/x"}},
		"issuer with path":  {"/tokens", "/redirect/example", []string{"/redirect", "/redirect/other"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(o *setup) {
				o.prefix = c.prefix
				o.Upstream = func(up *oidcupstream.Config) {
					up.RedirectURL = strings.TrimSuffix(up.RedirectURL, "/redirect") + c.own
				}
			})
			consent, polling := s.startNative(nil)
			b := s.browser()
			back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(back, s.URL+c.own+"?"), back)
			for _, other := range c.others {
				r := b.open(strings.Replace(back, s.URL+c.own, s.URL+other, 1))
				assert.Equal(t, http.StatusNotFound, r.StatusCode, other)
				assert.Contains(t, r.text, "<h1>Not found</h1>", other)
			}
			require.Equal(t, http.StatusSeeOther, b.comeBack(back).StatusCode)
			s.object(s.poll(polling), http.StatusOK)
			_, query, _ := strings.Cut(back, "?")
			for parameter := range strings.SplitSeq(query, "&") {
				assert.NotContains(t, s.Log.String(), parameter, "the log shows no state and no code")
			}
		})
	}
}

// TestRedirectToAnotherProvider: a user who comes back from another provider than the one
// that was asked is told so, and the program that polls too.
func TestRedirectToAnotherProvider(t *testing.T) {
	s := start(t, withGuests)
	consent, polling := s.startNative(nil)
	b := s.browser()
	back, err := optest.Login(t.Context(), b.approve(consent, nil), "alice")
	require.NoError(t, err)
	r := b.comeBack(strings.Replace(back, s.URL+"/redirect?", s.URL+"/redirect/guests?", 1))
	assert.Equal(t, 555, r.StatusCode)
	assert.Contains(t, r.text, "another provider answered than the one that was asked")
	s.fails(s.poll(polling), 502, "oidc_error", "another provider answered than the one that was asked")
	assert.Contains(t, b.comeBack(back).text, "another provider answered than the one that was asked", "it says again what became of the login")
	require.Zero(t, s.Provider.Count(optest.Exchanged))
}
