// Package nodetest logs in at oidc-provider, a certified OpenID provider that we did not
// write, and uses the tokens: all over HTTP.
package nodetest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// TestLoginAndRotation: the provider replaces its refresh token at each use.
func TestLoginAndRotation(t *testing.T) {
	s := start(t)
	token := s.login("alice", m{"capabilities": []string{"AT", "tokeninfo"}})
	const uses = 25
	for range uses {
		s.object(s.access(token, nil))
	}
	require.Equal(t, uses, s.provider.count("refresh_token.consumed"))
	require.Len(t, s.tap.refreshTokens(), uses+1)
	s.untroubled()

	about := s.object(s.post("/api/v0/tokeninfo", m{"action": "introspect", "mytoken": token}))
	require.Equal(t, "alice", about["token"].(m)["oidc_sub"])
	require.Equal(t, s.provider.Issuer, about["token"].(m)["oidc_iss"])
}

// TestConcurrentRefreshes: only one request of all processes uses the refresh token at a
// time, and takes the one that the last request received. So the provider never sees
// reuse. // proves P2
func TestConcurrentRefreshes(t *testing.T) {
	s := start(t)
	parent := s.login("alice", m{"capabilities": []string{"AT", "create_mytoken"}})
	tokens := []string{parent}
	for range 3 {
		child := s.object(s.post("/api/v0/token/my", m{"grant_type": "mytoken", "mytoken": parent, "capabilities": []string{"AT"}}))
		tokens = append(tokens, child["mytoken"].(string))
	}
	bases := []string{s.URL}
	for range 2 {
		_, handler := s.process()
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		bases = append(bases, server.URL)
	}
	var done sync.WaitGroup
	for n := range 24 {
		done.Go(func() {
			for round := range 4 {
				status, answer := s.accessAt(bases[(n+round)%len(bases)], tokens[n%len(tokens)], nil)
				if status != http.StatusOK {
					t.Errorf("%d %v", status, answer)
				}
			}
		})
	}
	done.Wait()
	require.Positive(t, s.provider.count("refresh_token.consumed"))
	s.untroubled()
	s.object(s.access(parent, nil))
}

// TestAudience: the audience of a clause reaches the provider as resource (RFC 8707), and
// the access token is for it alone. // proves P1
func TestAudience(t *testing.T) {
	s := start(t)
	token := s.login("alice", m{
		"capabilities": []string{"AT"},
		"restrictions": []m{{"audience": []string{storage}, "scope": "openid storage.read storage.write"}},
	})
	keys, err := oidc.NewProvider(oidc.ClientContext(t.Context(), &http.Client{Transport: oneShot}), s.provider.Issuer)
	require.NoError(t, err)
	verifier := keys.Verifier(&oidc.Config{ClientID: storage, SupportedSigningAlgs: []string{oidc.ES256}})
	for _, c := range []struct {
		ask   url.Values
		scope string
	}{
		{nil, "storage.read storage.write"},
		{url.Values{"scope": {"storage.read"}}, "storage.read"},
		{url.Values{"resource": {storage}, "scope": {"storage.write"}}, "storage.write"},
	} {
		answer := s.object(s.access(token, c.ask))
		require.Equal(t, []any{storage}, answer["audience"])
		require.Equal(t, c.scope, answer["scope"])
		read, err := verifier.Verify(t.Context(), answer["access_token"].(string))
		require.NoError(t, err)
		require.Equal(t, []string{storage}, read.Audience)
		require.Equal(t, "alice", read.Subject)
		var claims struct{ Scope string }
		require.NoError(t, read.Claims(&claims))
		require.Equal(t, c.scope, claims.Scope)
	}
	asked := len(s.provider.events())
	for _, ask := range []url.Values{{"resource": {compute}}, {"audience": {compute}}, {"resource": {storage, compute}}} {
		status, answer := s.access(token, ask)
		require.Equal(t, http.StatusForbidden, status)
		require.Equal(t, "usage_restricted", answer["error"])
	}
	require.Len(t, s.provider.events(), asked, "the provider was asked")
	s.object(s.access(token, nil))
	s.untroubled()
}

// TestTwoAudiences: a mytoken is for two services. Each access token is for one of them,
// and no request makes the provider end the login.
func TestTwoAudiences(t *testing.T) {
	s := start(t)
	token := s.login("alice", m{
		"capabilities": []string{"AT", "create_mytoken"},
		"restrictions": []m{
			{"audience": []string{storage}, "scope": "storage.read"}, {"audience": []string{compute}, "scope": "compute.run"},
			{"audience": []string{storage, compute}},
		},
	})
	for audience, scope := range map[string]string{storage: "storage.read", compute: "compute.run"} {
		answer := s.object(s.access(token, url.Values{"resource": {audience}}))
		require.Equal(t, []any{audience}, answer["audience"])
		require.Equal(t, scope, answer["scope"])
	}
	asked := len(s.provider.events())
	status, answer := s.access(token, url.Values{"resource": {storage, compute}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, m{"error": "oidc_error", "error_description": "invalid_target: access tokens of this provider are for one audience: name one"}, answer)
	require.Len(t, s.provider.events(), asked, "the provider was asked")
	s.object(s.access(token, nil)) // the first clause
	s.untroubled()
}

// TestRevocation: the provider keeps the refresh token while a token of the tree is left.
// With the last one the refresh token goes. // proves P6
func TestRevocation(t *testing.T) {
	s := start(t)
	parent := s.login("alice", m{"capabilities": []string{"AT", "create_mytoken"}})
	child := s.object(s.post("/api/v0/token/my", m{"grant_type": "mytoken", "mytoken": parent}))["mytoken"].(string)
	access := s.object(s.access(child, nil))["access_token"].(string)
	refresh := s.tap.last()
	require.True(t, s.provider.isActive(refresh))

	s.revoke(m{"token": child})
	require.True(t, s.provider.isActive(refresh))
	s.revoke(m{"token": parent})
	require.False(t, s.provider.isActive(refresh))
	require.False(t, s.provider.isActive(access))
	for _, token := range []string{parent, child} {
		status, answer := s.access(token, nil)
		require.Equal(t, http.StatusUnauthorized, status)
		require.Equal(t, m{"error": "invalid_token"}, answer)
	}
}

// TestReuseOfAnOldRefreshToken: somebody uses an old refresh token, and the provider ends
// the login. The service says so and asks no more. The user can log in again for the same
// tokens.
func TestReuseOfAnOldRefreshToken(t *testing.T) {
	s := start(t)
	token := s.login("alice", m{"capabilities": []string{"AT", "tokeninfo"}})
	for range 2 {
		s.object(s.access(token, nil))
	}
	status, answer := s.provider.present(s.tap.refreshTokens()[0], nil)
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "invalid_grant", answer["error"])
	require.Equal(t, 1, s.provider.count("grant.revoked"))

	asked := 0
	s.suspect(token)
	for n := range 3 {
		status, answer = s.access(token, nil)
		require.Equal(t, http.StatusUnauthorized, status)
		require.Equal(t, m{"error": "invalid_token", "error_description": "No refresh token attached"}, answer)
		if n == 0 {
			asked = len(s.provider.events())
		}
	}
	require.Len(t, s.provider.events(), asked, "the provider was asked again")
	require.Contains(t, s.noticed(), issuer.NoticeGrantDead)
	s.object(s.post("/api/v0/tokeninfo", m{"action": "introspect", "mytoken": token}))

	s.reconnect("alice", token)
	s.object(s.access(token, nil))
}

// TestResourceOfNoLogin: the provider refuses a resource that the login did not request,
// after it has used up the refresh token. So the service does not request one, and the
// login of the whole tree stays. // proves P5
func TestResourceOfNoLogin(t *testing.T) {
	s := start(t)
	token := s.login("alice", m{"capabilities": []string{"AT", "create_mytoken"}})
	child := s.object(s.post("/api/v0/token/my", m{
		"grant_type": "mytoken", "mytoken": token, "capabilities": []string{"AT"}, "restrictions": []m{{"audience": []string{compute}}},
	}))["mytoken"].(string)
	asked := len(s.provider.events())
	for range 2 {
		for _, request := range []struct {
			token string
			ask   url.Values
		}{{token, url.Values{"resource": {compute}}}, {token, url.Values{"audience": {storage}}}, {child, nil}} {
			status, answer := s.access(request.token, request.ask)
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, m{
				"error":             "oidc_error",
				"error_description": "invalid_target: access tokens of this provider are for audiences that the login asked for: it did not ask for this one",
			}, answer)
		}
	}
	require.Len(t, s.provider.events(), asked, "the provider was asked")
	s.object(s.access(token, nil))
	s.untroubled()

	// Without that precaution the provider refuses the resource.
	status, answer := s.provider.present(s.tap.last(), url.Values{"resource": {compute}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "invalid_target", answer["error"])
	s.suspect(token)
	status, answer = s.access(token, nil)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, "invalid_token", answer["error"])
	s.reconnect("alice", token)
	s.object(s.access(token, nil))
}

// TestReconnectKeepsTheResources: a new login for a tree requests the resources of the
// first one again. Without them the provider would refuse what the clauses name.
func TestReconnectKeepsTheResources(t *testing.T) {
	s := start(t)
	token := s.login("alice", m{
		"capabilities": []string{"AT"},
		"restrictions": []m{{"audience": []string{storage}, "scope": "storage.read"}, {"audience": []string{compute}, "scope": "compute.run"}},
	})
	for round := range 3 {
		for audience, scope := range map[string]string{storage: "storage.read", compute: "compute.run"} {
			answer := s.object(s.access(token, url.Values{"resource": {audience}}))
			require.Equal(t, []any{audience}, answer["audience"])
			require.Equal(t, scope, answer["scope"])
		}
		status, _ := s.provider.present(s.tap.refreshTokens()[0], nil) // an old one ends the login
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, round+1, s.provider.count("grant.revoked"))
		s.tap.forget()
		s.suspect(token)
		status, answer := s.access(token, nil)
		require.Equal(t, http.StatusUnauthorized, status)
		require.Equal(t, m{"error": "invalid_token", "error_description": "No refresh token attached"}, answer)
		s.reconnect("alice", token)
	}
	s.object(s.access(token, nil))
}

// TestCancelledAtTheProvider: the user cancels at the provider, and the program that
// waits hears so.
func TestCancelledAtTheProvider(t *testing.T) {
	s := start(t)
	u := newUser(t)
	polling, asked := s.consent(u, nil)
	require.True(t, strings.HasPrefix(asked.url.String(), s.provider.Issuer+"/interaction/"))
	u.open(asked.url.String() + "/abort")
	status, answer := s.post("/api/v0/token/my", m{"grant_type": "polling_code", "polling_code": polling})
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, m{"error": "access_denied", "error_description": "End-User aborted interaction"}, answer)
}
