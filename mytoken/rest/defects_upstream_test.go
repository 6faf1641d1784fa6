package rest_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// TestD04_CodesAreErased: a redeemed or expired code leaves nothing behind that any
// endpoint could redeem again. // proves P7
func TestD04_CodesAreErased(t *testing.T) {
	s := start(t)
	polling := s.loggedIn(nil, nil)
	token := s.object(s.poll(polling), 200)["mytoken"]
	if r := s.post("/api/v0/token/revoke", m{"token": polling, "recursive": true}); r.StatusCode != 204 {
		t.Fatalf("%d", r.StatusCode)
	}
	s.object(s.access(token, nil), 200) // the code is not the token any more
	pending := s.loggedIn(nil, nil)
	if r := s.post("/api/v0/token/revoke", m{"token": pending}); r.StatusCode != 204 {
		t.Fatalf("%d", r.StatusCode)
	}
	s.fails(s.poll(pending), 401, "invalid_token", "Bad polling or transfer code")
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

// TestD51_D52_D54_ProviderRotates: a provider that revokes everything when an old refresh
// token appears never sees one, however many requests come at once. // proves P5
func TestD51_D52_D54_ProviderRotates(t *testing.T) {
	s := start(t, func(o *setup) { o.Provider.Rotation = optest.RotateStrict })
	parent := s.token(mytoken.Properties{})
	tokens := []any{parent}
	for range 3 {
		tokens = append(tokens, s.object(s.derive(parent, nil), 200)["mytoken"])
	}
	scopes := []string{"openid", "openid compute", "openid profile", "openid email"}
	got := inParallel(16, func(i int) *reply { return s.access(tokens[i%4], m{"scope": scopes[i/4]}) })
	if got[200] != 16 || s.Provider.Reuses() != 0 {
		t.Errorf("%v, %d reuses", got, s.Provider.Reuses())
	}
	s.object(s.access(parent, nil), 200)
}

// TestD55_IDToken: a login whose ID token is forged or meant for somebody else leads to
// no token.
func TestD55_IDToken(t *testing.T) {
	for name, change := range map[string]func(header, claims map[string]any){
		"unsigned":       func(h, _ map[string]any) { h["alg"] = "none" },
		"other audience": func(_, c map[string]any) { c["aud"] = "somebody" },
		"other nonce":    func(_, c map[string]any) { c["nonce"] = "x" },
		"other issuer":   func(_, c map[string]any) { c["iss"] = "https://other.example" },
		"no subject":     func(_, c map[string]any) { delete(c, "sub") },
	} {
		s := start(t, func(o *setup) {
			o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
				if p.Endpoint != optest.EndpointExchange {
					return optest.Fault{}
				}
				return optest.Fault{IDToken: change}
			}
		})
		back, polled := s.tokenAs("alice", nil)
		if back.StatusCode != 555 || len(back.Cookies()) > 0 && back.Cookies()[0].MaxAge >= 0 {
			t.Errorf("%s: %d", name, back.StatusCode)
		}
		s.fails(polled, 502, "oidc_error", "the provider's answer was not usable")
	}
}

// TestD94_LinksChangeNothing: a mail scanner that opens a link changes nothing.
func TestD94_LinksChangeNothing(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(nil)
	for _, path := range []string{consent, consent + "?decision=approve", s.URL + "/native/abort?application=x", s.URL + "/actions?action=verify_email&code=x"} {
		for range 2 {
			s.do(http.MethodGet, path, "")
			s.do(http.MethodHead, path, "")
		}
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
}
