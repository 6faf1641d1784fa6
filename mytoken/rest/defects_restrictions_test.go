package rest_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// access requests an access token.
func (s *service) access(token any, extra m, header ...string) *reply {
	s.t.Helper()
	body := m{"grant_type": "mytoken", "mytoken": token}
	for k, v := range extra {
		body[k] = v
	}
	return s.post("/api/v0/token/access", body, header...)
}

// derive requests a child.
func (s *service) derive(token any, extra m, header ...string) *reply {
	s.t.Helper()
	body := m{"grant_type": "mytoken", "mytoken": token, "response_type": "short_token"}
	for k, v := range extra {
		body[k] = v
	}
	return s.post("/api/v0/token/my", body, header...)
}

// introspect introspects a token.
func (s *service) introspect(token any, header ...string) *reply {
	s.t.Helper()
	return s.post("/api/v0/tokeninfo", m{"action": "introspect", "mytoken": token}, header...)
}

const refusedText = "The restrictions of this token does not allow this usage"

// refusedBy checks a refusal and the keys that it names. Its text names some of them.
func (s *service) refusedBy(r *reply, keys ...string) {
	s.t.Helper()
	got := s.object(r, 403)
	why, ok := strings.CutPrefix(fmt.Sprint(got["error_description"]), refusedText+": ")
	for key := range strings.SplitSeq(why, ", ") {
		ok = ok && slices.Contains(keys, key)
	}
	if got["error"] != "usage_restricted" || !ok || encode(s.t, got["restricted_by"]) != encode(s.t, keys) {
		s.t.Fatalf("%v, want %q", got, keys)
	}
}

func list(clauses ...restriction.Clause) mytoken.Properties {
	return mytoken.Properties{Restrictions: clauses}
}

// TestD09_D10_ScopeAndAudience: the requested scopes and audiences count, else those of
// the clause, whether or not the token is restricted. // proves P1
func TestD09_D10_ScopeAndAudience(t *testing.T) {
	s := start(t)
	free := s.token(mytoken.Properties{})
	got := s.object(s.access(free, m{"scope": "openid", "audience": "https://a.example"}), 200)
	if got["scope"] != "openid" || encode(t, got["audience"]) != `["https://a.example"]` {
		t.Errorf("an unrestricted token: %v", got)
	}
	bound := s.token(list(restriction.Clause{Scopes: []string{"openid", "compute"}, Audiences: []string{"https://a.example", "https://b.example"}}))
	got = s.object(s.access(bound, nil), 200)
	if got["scope"] != "openid compute" || encode(t, got["audience"]) != `["https://a.example","https://b.example"]` {
		t.Errorf("the clause's: %v", got)
	}
	s.refusedBy(s.access(bound, m{"audience": "https://c.example"}), "audience")
	s.refusedBy(s.access(bound, m{"scope": "profile"}), "scope")
}

// TestD11_NothingGranted: a clause of which the provider grants nothing does not become
// "anything".
func TestD11_NothingGranted(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Provider.Decide = func(optest.AuthorizationRequest) optest.Decision {
			return optest.Decision{Scopes: []string{"openid", "offline_access"}}
		}
	})
	back, polled := s.tokenAs("alice", []m{{"scope": "compute"}})
	assert.Equal(t, 555, back.StatusCode)
	s.fails(polled, 401, "access_denied", "the provider granted nothing that the restrictions allow")
	_, polled = s.tokenAs("alice", []m{{"scope": "compute"}, {"scope": "openid compute"}})
	if got := s.object(polled, 200); encode(t, got["restrictions"]) != `[{"scope":"openid"}]` {
		t.Errorf("%v", got["restrictions"])
	}
}

// TestD12_D13_AuthorizationRequest: a login requests all scopes if a clause names none,
// and every audience.
func TestD12_D13_AuthorizationRequest(t *testing.T) {
	s := start(t)
	query := func(restrictions []m) url.Values {
		consent, _ := s.startNative(m{"restrictions": restrictions})
		to, err := url.Parse(s.browser().approve(consent, nil))
		require.NoError(t, err)
		return to.Query()
	}
	q := query([]m{{"scope": "openid"}, {"usages_AT": 1}})
	for _, scope := range []string{"compute", "storage.read", "storage.write"} {
		if !slices.Contains(strings.Fields(q.Get("scope")), scope) {
			t.Errorf("scope %q", q.Get("scope"))
		}
	}
	q = query([]m{{"scope": "openid", "audience": []string{"https://a.example"}}, {"scope": "compute", "audience": []string{"https://b.example"}}})
	if !slices.Equal(q["resource"], []string{"https://a.example", "https://b.example"}) || strings.Contains(q.Get("scope"), "storage") {
		t.Errorf("%v", q)
	}
}

// TestD14_BroaderAnswer: the service withholds an access token that exceeds the clause,
// and does not count the use. // proves P1
func TestD14_BroaderAnswer(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Provider.Faults = func(f optest.FaultPoint) optest.Fault {
			if f.Endpoint != optest.EndpointRefresh {
				return optest.Fault{}
			}
			return optest.Fault{Scopes: []string{"openid", "storage.write"}}
		}
	})
	token := s.token(list(restriction.Clause{Scopes: []string{"openid"}, UsagesAT: restriction.Usages(1)}))
	for range 2 {
		s.fails(s.access(token, nil), 502, "oidc_error", "the access token is broader than the restrictions allow")
	}
}

// TestD15_IPIsHosts: the old name of the key restricts like the new one.
func TestD15_IPIsHosts(t *testing.T) {
	s := start(t, behindProxy, func(o *setup) {
		o.wrap = func(h http.Handler) http.Handler { // the proxy
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("X-Forwarded-For", cmp.Or(r.Header.Get("X-Forwarded-For"), "203.0.113.5"))
				h.ServeHTTP(w, r)
			})
		}
	})
	polling := s.loggedIn(m{"restrictions": []m{{"ip": []string{"this", "192.0.2.0/24"}}}}, nil)
	got := s.object(s.poll(polling), 200)
	if encode(t, got["restrictions"]) != `[{"hosts":["203.0.113.5","192.0.2.0/24"]}]` {
		t.Fatalf("%v", got["restrictions"])
	}
	s.object(s.access(got["mytoken"], nil, "X-Forwarded-For", "192.0.2.9"), 200)
	s.refusedBy(s.access(got["mytoken"], nil, "X-Forwarded-For", "198.51.100.9"), "hosts")
}

// TestD17_ForgedAddress: neither a header from a client nor a name in a header satisfies
// a restriction. // proves P2
func TestD17_ForgedAddress(t *testing.T) {
	restricted := list(restriction.Clause{Hosts: []string{"192.0.2.7"}})
	direct := start(t)
	for _, header := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Client-Ip", "True-Client-Ip", "X-Client-Ip"} {
		value := "192.0.2.7"
		if header == "Forwarded" {
			value = "for=192.0.2.7"
		}
		direct.refusedBy(direct.access(direct.token(restricted), nil, header, value), "hosts")
	}
	proxied := start(t, behindProxy)
	token := proxied.token(restricted)
	proxied.object(proxied.access(token, nil, "X-Forwarded-For", "192.0.2.7"), 200)
	for _, value := range []string{"192.0.2.7, 198.51.100.1", "foo.example.com", "192.0.2.7, foo.example.com", "", "192.0.2.7;"} {
		proxied.refusedBy(proxied.access(token, nil, "X-Forwarded-For", value, "X-Unused", "x"), "hosts")
	}
	proxied.refusedBy(proxied.access(token, nil, "Forwarded", "for=192.0.2.7"), "hosts")
}

// TestD17_SilentProxy: a trusted proxy that does not say who its client is does not lend
// it its own address. The log says once a minute what is wrong. // proves P2
func TestD17_SilentProxy(t *testing.T) {
	inside := list(restriction.Clause{Hosts: []string{"127.0.0.0/8"}})
	s := start(t, behindProxy)
	token := s.token(inside)
	for range 3 {
		s.refusedBy(s.access(token, nil), "hosts")                                 // no header
		s.refusedBy(s.access(token, nil, "Forwarded", "for=127.0.0.9"), "hosts")   // the wrong one
		s.refusedBy(s.access(token, nil, "X-Forwarded-For", "127.0.0.9"), "hosts") // a proxy for a client
	}
	const silent, own = "the header X-Forwarded-For is missing", "X-Forwarded-For names trusted proxies alone"
	for range 2 {
		assert.Equal(t, 1, strings.Count(s.Log.String(), silent), "%s", s.Log)
		assert.Equal(t, 1, strings.Count(s.Log.String(), own), "%s", s.Log)
		s.Clock.Advance(59 * time.Second)
		s.refusedBy(s.access(token, nil), "hosts")
	}
	s.Clock.Advance(time.Second)
	s.refusedBy(s.access(token, nil), "hosts")
	assert.Equal(t, 2, strings.Count(s.Log.String(), silent), "%s", s.Log)
	// A client inside is still admitted where nothing is trusted.
	direct := start(t)
	direct.object(direct.access(direct.token(inside), nil), 200)
}

// TestD18_Hosts: blocks are normalised, /0 admits everybody, and nonsense in a request is
// refused.
func TestD18_Hosts(t *testing.T) {
	s := start(t, behindProxy)
	for host, admits := range map[string]bool{
		"192.0.2.99/24": true, "0.0.0.0/0": true, "::/0": false, "::ffff:192.0.2.7": true, "192.0.2.8": false,
	} {
		token := s.object(s.derive(s.token(mytoken.Properties{}), m{"restrictions": []m{{"hosts": []string{host}}}}), 200)["mytoken"]
		if r := s.access(token, nil, "X-Forwarded-For", "192.0.2.7"); (r.StatusCode == 200) != admits {
			t.Errorf("%s: %d", host, r.StatusCode)
		}
	}
	for _, host := range []string{"", " ", "*x.example.com", "192.0.2.1/99", "*"} {
		if r := s.derive(s.token(mytoken.Properties{}), m{"restrictions": []m{{"hosts": []string{host}}}}); r.StatusCode != 400 {
			t.Errorf("%q: %d %s", host, r.StatusCode, r.text)
		}
	}
}

// countries knows one address.
type countries struct{}

func (countries) Country(_ context.Context, addr netip.Addr) (string, error) {
	if addr.String() == "192.0.2.7" {
		return "DE", nil
	}
	return "", nil
}

// TestD19_Countries: countries count in any case. An unknown country satisfies neither
// list. // proves P2
func TestD19_Countries(t *testing.T) {
	s := start(t, behindProxy, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Restrictions.Locator = countries{} }
	})
	for _, c := range []struct {
		clause  m
		address string
		admits  bool
	}{
		{m{"geoip_allow": []string{"de"}}, "192.0.2.7", true},
		{m{"geoip_allow": []string{"FR"}}, "192.0.2.7", false},
		{m{"geoip_disallow": []string{"fr"}}, "192.0.2.7", true},
		{m{"geoip_disallow": []string{"DE"}}, "192.0.2.7", false},
		{m{"geoip_allow": []string{"de"}}, "192.0.2.8", false},
		{m{"geoip_disallow": []string{"fr"}}, "192.0.2.8", false},
	} {
		token := s.object(s.derive(s.token(mytoken.Properties{}), m{"restrictions": []m{c.clause}}, "X-Forwarded-For", "192.0.2.7"), 200)["mytoken"]
		if r := s.access(token, nil, "X-Forwarded-For", c.address); (r.StatusCode == 200) != c.admits {
			t.Errorf("%v from %s: %d", c.clause, c.address, r.StatusCode)
		}
	}
	if got := s.object(s.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200); !strings.Contains(encode(t, got["restriction_claims_supported"]), "geoip_allow") {
		t.Errorf("%v", got["restriction_claims_supported"])
	}
}

// TestD20_D21_ErrorOnRestrictions: with the flag, restrictions that do not fit are a 400.
// Without it, the response shows what became of them.
func TestD20_D21_ErrorOnRestrictions(t *testing.T) {
	s := start(t)
	parent := s.token(list(restriction.Clause{Scopes: []string{"openid"}, UsagesAT: restriction.Usages(3)}))
	for _, c := range []struct {
		asked    []m
		fits     bool
		adjusted string
	}{
		{[]m{{"scope": "openid", "usages_AT": 2}}, true, `[{"scope":"openid","usages_AT":2}]`},
		{[]m{{"scope": "compute"}}, false, `[{"scope":"openid","usages_AT":3}]`},
		{[]m{{"scope": "openid", "usages_AT": 1}, {"scope": "openid"}}, false, `[{"scope":"openid","usages_AT":1}]`},
	} {
		strict := s.derive(parent, m{"restrictions": c.asked, "error_on_restrictions": true})
		if c.fits {
			s.object(strict, 200)
		} else {
			s.fails(strict, 400, "invalid_request", "requested restrictions are not subset of original restrictions")
		}
		if got := s.object(s.derive(parent, m{"restrictions": c.asked}), 200); encode(t, got["restrictions"]) != c.adjusted {
			t.Errorf("%v: %v", c.asked, got["restrictions"])
		}
	}
}

// TestD23_D24_UsagesAreExact: however many requests a token and its children send at
// once, they deliver no more than the limit. // proves P3, P4
func TestD23_D24_UsagesAreExact(t *testing.T) {
	s := start(t)
	parent := s.token(list(restriction.Clause{UsagesAT: restriction.Usages(5)}))
	children := []any{parent}
	for range 3 {
		children = append(children, s.object(s.derive(parent, nil), 200)["mytoken"])
	}
	if got := inParallel(24, func(i int) *reply { return s.access(children[i%len(children)], nil) }); got[200] != 5 || got[403] != 19 {
		t.Errorf("%v", got)
	}
	limited := s.token(list(restriction.Clause{UsagesOther: restriction.Usages(4)}))
	if got := inParallel(16, func(int) *reply { return s.derive(limited, nil) }); got[200] != 4 || got[403] != 12 {
		t.Errorf("other uses: %v", got)
	}
}

// TestD25_D26_DisabledKeys: requests and consent refuse a key that the service does not
// support. Tokens that have the key are still restricted by it. // proves P2
func TestD25_D26_DisabledKeys(t *testing.T) {
	s := start(t)
	token := s.token(list(restriction.Clause{Hosts: []string{"127.0.0.1"}}))
	other := s.restart(func(c *issuer.Config) { c.Restrictions.Disabled = []string{restriction.KeyHosts} }, rest.Options{})
	if r := other.access(token, nil); r.StatusCode != 403 {
		t.Errorf("the key is ignored: %d %s", r.StatusCode, r.text)
	}
	clause := []m{{"hosts": []string{"this"}}}
	if r := other.derive(other.token(mytoken.Properties{}), m{"restrictions": clause}); r.StatusCode != 400 || !strings.Contains(r.text, "hosts") {
		t.Errorf("the key is dropped: %d %s", r.StatusCode, r.text)
	}
	consent, _ := other.startNative(nil)
	path := consent[strings.Index(consent, "/c/"):]
	if r := other.do(http.MethodPost, path, encode(t, m{"restrictions": []m{{"hosts": []string{"192.0.2.1"}}}})); r.StatusCode != 400 {
		t.Errorf("in consent: %d", r.StatusCode)
	}
	if got := other.object(other.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200); strings.Contains(encode(t, got["restriction_claims_supported"]), "hosts") {
		t.Errorf("%v", got)
	}
}

// TestD27_OtherUsesOnly: a clause that limits only other uses works more than once.
func TestD27_OtherUsesOnly(t *testing.T) {
	s := start(t)
	token := s.token(list(restriction.Clause{UsagesOther: restriction.Usages(2)}))
	for range 2 {
		s.object(s.post("/api/v0/tokeninfo", m{"action": "event_history", "mytoken": token}), 200)
	}
	s.refusedBy(s.post("/api/v0/tokeninfo", m{"action": "event_history", "mytoken": token}), "usages_other")
	s.object(s.access(token, nil), 200)
	s.object(s.introspect(token), 200)
}

// TestD28_D37_UncountedUses: introspection and transfer codes obey time and place, and
// count nothing.
func TestD28_D37_UncountedUses(t *testing.T) {
	s := start(t, behindProxy)
	props := list(restriction.Clause{Hosts: []string{"192.0.2.7"}, UsagesAT: restriction.Usages(0), UsagesOther: restriction.Usages(0)})
	props.Capabilities = capability.Set{capability.Tokeninfo}
	token := s.token(props)
	for _, path := range []string{"/api/v0/tokeninfo", "/api/v0/token/transfer"} {
		for range 2 {
			s.object(s.post(path, m{"mytoken": token}, "X-Forwarded-For", "192.0.2.7"), 200)
		}
		s.refusedBy(s.post(path, m{"mytoken": token}, "X-Forwarded-For", "192.0.2.8"), "hosts")
	}
	s.fails(s.post("/api/v0/token/transfer", m{"mytoken": token + "x"}), 401, "invalid_token", "token not valid")
}

// TestD29_Nonsense: restrictions that make no sense are refused. The first clause that
// admits a use is charged (D29a).
func TestD29_Nonsense(t *testing.T) {
	s := start(t)
	parent := s.token(mytoken.Properties{})
	for _, clause := range []m{
		{"usages_AT": -1}, {"usages_AT": 1.5}, {"usages_AT": "1"}, {"scope": []string{"a"}}, {"audience": "a"}, {"audience": []string{""}}, {"exp": "soon"},
		{"exp": 1}, {"exp": -5}, {"nbf": 4102444800, "exp": 4102444700}, {"hosts": []string{""}}, {"Exp": 4102444800}, {"usages_at": 1}, {}, {"geoip_allow": []string{"Germany"}},
	} {
		if r := s.derive(parent, m{"restrictions": []m{clause}}); r.StatusCode != 400 || !strings.Contains(r.text, `"invalid_request"`) {
			t.Errorf("%v: %d %s", clause, r.StatusCode, r.text)
		}
	}
	token := s.token(list(restriction.Clause{Scopes: []string{"openid"}, UsagesAT: restriction.Usages(1)}, restriction.Clause{Scopes: []string{"openid", "compute"}}))
	s.object(s.access(token, m{"scope": "openid"}), 200)
	got := s.object(s.introspect(token), 200)["token"].(m)["restrictions"].([]any)
	if got[0].(m)["usages_AT_done"] != 1.0 || got[1].(m)["usages_AT_done"] != nil {
		t.Errorf("%v", got)
	}
}

// TestD22_MaximumLifetime: the issuer applies the maximum lifetime to the result, so that
// it does not stand in the way of narrowing (protocol section 2.8).
func TestD22_MaximumLifetime(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Providers[0].MaxLifetime = time.Hour }
	})
	now := s.Clock.Now().Unix()
	_, polled := s.tokenAs("alice", []m{{"scope": "openid"}})
	got := s.object(polled, 200)
	if encode(t, got["restrictions"]) != encode(t, []m{{"exp": now + 3600, "scope": "openid"}}) || got["expires_in"] != 3600.0 {
		t.Fatalf("%v", got)
	}
	derive := func(body m) *reply {
		body["grant_type"], body["mytoken"], body["response_type"] = "mytoken", got["mytoken"], "short_token"
		return s.post("/api/v0/token/my", body)
	}
	child := s.object(derive(m{"error_on_restrictions": true}), 200)
	assert.Equal(t, encode(t, got["restrictions"]), encode(t, child["restrictions"]), child)
	_, polled = s.tokenAs("alice", nil)
	if got := s.object(polled, 200); encode(t, got["restrictions"]) != encode(t, []m{{"exp": now + 3600}}) {
		t.Errorf("%v", got)
	}
	s.fails(derive(m{"restrictions": []m{{"exp": now + 7200, "scope": "openid"}}, "error_on_restrictions": true}), 400, "invalid_request",
		"requested restrictions are not subset of original restrictions")
}

// dns is a resolver with fixed answers.
type dns struct{ names, addrs map[string]string }

func (d dns) LookupAddr(_ context.Context, addr string) ([]string, error) {
	if name, ok := d.names[addr]; ok {
		return []string{name}, nil
	}
	return nil, nil
}

func (d dns) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if addr, ok := d.addrs[host]; ok {
		return []netip.Addr{netip.MustParseAddr(addr)}, nil
	}
	return nil, nil
}

// TestD16_NamesAreConfirmed: control of the reverse zone of an address is not enough to
// satisfy a name. // proves P2
func TestD16_NamesAreConfirmed(t *testing.T) {
	s := start(t, behindProxy, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Restrictions.Resolver = dns{
				names: map[string]string{"192.0.2.7": "node.example.org.", "198.51.100.7": "node.example.org."},
				addrs: map[string]string{"node.example.org": "192.0.2.7", "node.example.org.": "192.0.2.7"},
			}
		}
	})
	for _, host := range []string{"node.example.org", "*.example.org"} {
		token := s.token(list(restriction.Clause{Hosts: []string{host}}))
		s.object(s.access(token, nil, "X-Forwarded-For", "192.0.2.7"), 200)
		s.refusedBy(s.access(token, nil, "X-Forwarded-For", "198.51.100.7"), "hosts")
		s.refusedBy(s.access(token, nil, "X-Forwarded-For", "192.0.2.8"), "hosts")
	}
}
