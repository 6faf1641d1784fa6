package rest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/store/memstore"
)

// startFrom starts a native login from an address, as the proxy sees it.
func (s *service) startFrom(address string, extra m) *reply {
	s.t.Helper()
	body := m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer()}
	for k, v := range extra {
		body[k] = v
	}
	return s.post("/api/v0/token/my", body, "X-Forwarded-For", address)
}

// tooMany checks a refusal for its rate, and returns when to try again.
func (s *service) tooMany(r *reply) time.Duration {
	s.t.Helper()
	wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
	require.NoError(s.t, err, "%d %v %s", r.StatusCode, r.Header, r.text)
	s.fails(r, 429, "Too Many Requests", fmt.Sprintf("too many logins are being started: try again in %d s", wait))
	return time.Duration(wait) * time.Second
}

// stored is how many bytes the store holds.
func (s *service) stored() int {
	s.t.Helper()
	dump, err := s.Store.(*memstore.Store).Dump(s.t.Context())
	require.NoError(s.t, err)
	return len(dump)
}

// clauses are restrictions of about so many bytes.
func clauses(size int) []m {
	var list []m
	for n := range size / 4096 {
		list = append(list, m{"audience": []string{fmt.Sprintf("https://%d.example.org/%s", n, strings.Repeat("a", 4050))}})
	}
	return list
}

// TestFloodOfLogins: an attacker who starts logins is stopped, first alone and then with
// 1,000 networks. An honest user still logs in, and the store stays small.
func TestFloodOfLogins(t *testing.T) {
	s := start(t, behindProxy)
	const attacker, honest = "192.0.2.66", "198.51.100.7"

	before := s.stored()
	for _, size := range []int{12 << 10, 130 << 10} {
		r := s.startFrom(attacker, m{"restrictions": clauses(size)})
		assert.Contains(t, []int{400, 413}, r.StatusCode, "%d bytes of restrictions: %.200s", size, r.text)
	}
	assert.Equal(t, before, s.stored(), "a refused login is stored")

	granted := 1 // a start that the issuer refuses counts like any other
	for ; granted < 100 && s.startFrom(attacker, m{"restrictions": clauses(4 << 10)}).StatusCode == 200; granted++ {
	}
	assert.Equal(t, 60, granted, "logins in a burst")
	assert.Equal(t, 2*time.Second, s.tooMany(s.startFrom(attacker, nil)))
	assert.Equal(t, 2*time.Second, s.tooMany(s.post("/api/v0/token/my?grant_type=oidc_flow", m{"oidc_issuer": s.Provider.Issuer(), "client_type": "web", "redirect_uri": "/home"},
		"X-Forwarded-For", attacker, "Accept", "text/html")), "a query says the grant type, and the client accepts pages")
	s.Clock.Advance(2 * time.Second)
	s.object(s.startFrom(attacker, nil), 200)
	s.tooMany(s.startFrom(attacker, nil))

	logins := 61
	for n := range 1000 {
		address := fmt.Sprintf("2001:db8:0:%x::", n)
		for host := range 3 { // one customer with several addresses
			if s.startFrom(fmt.Sprint(address, host), nil).StatusCode == 200 {
				logins++
			}
		}
	}
	assert.LessOrEqual(t, logins, 600+61, "the overall limit; all these networks belong to one attacker")
	assert.Less(t, s.stored()-before, 700*16<<10)
	s.tooMany(s.startFrom("2001:db8::9", nil))

	r := s.startFrom(honest, m{"capabilities": everything})
	got := s.object(r, 200)
	b := s.browser()
	b.login(b.approve(got["consent_uri"].(string), nil), "alice")
	s.object(s.poll(got["polling_code"].(string)), 200)
}

// TestOneSiteDoesNotLockOut: who owns a /48, and so 65,536 networks, cannot use up the
// places of waiting logins. Users elsewhere log in meanwhile.
func TestOneSiteDoesNotLockOut(t *testing.T) {
	s := start(t, behindProxy, func(o *setup) {
		o.rest.Logins = rest.LoginLimits{PerAddress: 6, Overall: 10, OverallEvery: time.Second, Addresses: 100}
		o.Config = func(c *issuer.Config) { c.Limits.PendingLogins = 200 }
	})
	for n := range 300 {
		s.startFrom(fmt.Sprintf("2001:db8:7:%x::1", n), nil)
		if n%30 == 0 {
			s.Clock.Advance(time.Second)
			s.object(s.startFrom(fmt.Sprintf("2001:db8:%x::1", 0x100+n), nil), 200)
		}
	}
}

// TestEveryLoginCounts: all routes on which anybody can start a login have one budget.
func TestEveryLoginCounts(t *testing.T) {
	s := start(t)
	native := func() *reply { return s.startFrom("", nil) }
	web := func() *reply { return s.startFrom("", m{"client_type": "web", "redirect_uri": "/home"}) }
	manage := func() *reply {
		return s.form("/manage/login", url.Values{"provider": {s.Provider.Issuer()}}, "Accept", "text/html")
	}
	for range 20 {
		for _, begin := range []func() *reply{native, web, manage} {
			r := begin()
			require.Equal(t, http.StatusOK, r.StatusCode, r.text)
		}
	}
	s.tooMany(native())
	s.tooMany(web())
	page := manage()
	assert.Equal(t, 429, page.StatusCode)
	assert.Equal(t, "2", page.Header.Get("Retry-After"))
	assert.Contains(t, page.Header.Get("Content-Type"), "text/html")
	assert.Contains(t, page.text, "Too many logins are being started: try again in 2 s.")
}

// TestUnknownAddressesShareABudget: a client whose address is not known gets no budget of
// its own, for logins or for guesses.
func TestUnknownAddressesShareABudget(t *testing.T) {
	s := start(t, behindProxy, func(o *setup) {
		o.rest.Logins, o.rest.Guesses = rest.LoginLimits{PerAddress: 4}, rest.GuessLimits{PerAddress: 4}
	})
	unknown := []string{"", "unknown", "127.0.0.9", "not an address"}
	for _, address := range unknown {
		s.object(s.startFrom(address, nil), 200)
		s.fails(s.guess("polling_code", address), 401, "invalid_token", "Bad polling or transfer code")
	}
	for _, address := range unknown {
		s.tooMany(s.startFrom(address, nil))
		s.fails(s.guess("polling_code", address), 429, "Too Many Requests", "too many failed attempts")
	}
	s.object(s.startFrom("192.0.2.1", nil), 200)
}

// TestTooManyWait: when as many logins wait as the issuer allows, the answer says when
// the first of them expires. Then there is room.
func TestTooManyWait(t *testing.T) {
	s := start(t, behindProxy, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Limits.PendingLogins = 20 }
	})
	for n := range 20 {
		s.object(s.startFrom(fmt.Sprint("192.0.2.", n), nil), 200)
		s.Clock.Advance(time.Second)
	}
	for n := range 3 {
		r := s.startFrom(fmt.Sprint("198.51.100.", n), nil)
		s.fails(r, 503, "temporarily_unavailable", "busy, try again in 280 s")
		assert.Equal(t, "280", r.Header.Get("Retry-After"))
	}
	page := s.form("/manage/login", url.Values{"provider": {s.Provider.Issuer()}}, "Accept", "text/html")
	assert.Equal(t, 503, page.StatusCode)
	assert.Equal(t, "280", page.Header.Get("Retry-After"))
	assert.Contains(t, page.text, "Busy, try again in 280 s.")
	s.Clock.Advance(280*time.Second + time.Millisecond)
	s.object(s.startFrom("198.51.100.9", nil), 200)
	s.fails(s.startFrom("198.51.100.9", nil), 503, "temporarily_unavailable", "busy, try again in 1 s")
}

// TestLargeLogins: a large request for a login is refused before it is decoded, in
// whatever form it comes. Other requests of the same endpoint may be larger.
func TestLargeLogins(t *testing.T) {
	s := start(t)
	padding := strings.Repeat("x", 33<<10)
	const text = "a request for a login has at most 32768 bytes"
	s.fails(s.startFrom("", m{"restrictions": []m{{padding: 1}}}), 413, "invalid_request", text)
	s.fails(s.post("/api/v0/token/my?grant_type=oidc_flow", m{"name": padding}), 413, "invalid_request", text)
	s.fails(s.form("/api/v0/token/my", url.Values{"grant_type": {"oidc_flow"}, "restrictions": {`"` + padding + `"`}}), 413, "invalid_request", text)
	form := s.form("/manage/login", url.Values{"provider": {s.Provider.Issuer()}, "x": {padding}}, "Accept", "application/json")
	s.fails(form, 413, "invalid_request", "the request is too large")
	s.fails(s.post("/api/v0/token/my", m{"grant_type": "mytoken", "mytoken": padding}), 401, "invalid_token", "")
	small := s.object(s.startFrom("", m{"restrictions": clauses(16 << 10)}), 400) // as a request, not in the store
	assert.Contains(t, small["error_description"], "at most 8192 are allowed (Limits.LoginBytes)")
}
