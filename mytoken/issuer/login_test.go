package issuer_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

func TestLogin(t *testing.T) {
	s := start(t, mytokentest.Options{})
	now := s.Clock.Now()
	result, err := s.LoginWith(t.Context(), "alice", issuer.LoginRequest{
		Properties: mytoken.Properties{
			Name:         "laptop",
			Restrictions: restriction.List{{Expires: now.Add(time.Hour).Unix(), Scopes: []string{"compute"}}},
			Rotation:     &mytoken.Rotation{OnOther: true},
		},
		Application: "portal", ReturnTo: "/home?x=1", Client: client,
	})
	require.NoError(t, err)
	require.Equal(t, "portal", result.Application)
	require.Equal(t, "/home?x=1", result.ReturnTo)
	require.False(t, result.Polled)
	require.False(t, result.Reconnected)

	token := result.Issued.Claims
	require.Equal(t, "laptop", token.Name())
	require.Equal(t, capability.Default(), token.Capabilities())
	require.Equal(t, s.Provider.Issuer(), token.OIDCIssuer())
	require.Equal(t, "alice", token.OIDCSubject())
	require.Equal(t, mytokentest.IssuerURL, token.Issuer())
	require.Equal(t, now.Add(time.Hour).Unix(), token.ExpiresAt().Unix())
	require.Equal(t, &mytoken.Rotation{OnOther: true}, token.Rotation())
	require.Equal(t, now.Unix(), token.AuthTime().Unix())
	require.Equal(t, result.Issued.ID, token.ID())
	require.Equal(t, mytoken.ResponseToken, result.Issued.Type)
	require.Equal(t, []string{"created: Used grant_type oidc_flow authorization_code"}, events(t, s, token.ID()))
	requireUsable(t, s, result.Issued.Token)
	require.Zero(t, ticketsLeft(t, s), "the state is erased when it is used")
}

// The state has at least 128 bits, and the URL holds no other secret of the login.
//
// proves P7
func TestStateIsLong(t *testing.T) {
	s := start(t, mytokentest.Options{})
	seen := make(map[string]bool)
	for range 20 {
		login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
		require.NoError(t, err)
		raw, err := base64.RawURLEncoding.DecodeString(login.State.Reveal())
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(raw)*8, 128)
		require.False(t, seen[login.State.Reveal()])
		seen[login.State.Reveal()] = true
		u, err := url.Parse(login.URL)
		require.NoError(t, err)
		require.Equal(t, login.State.Reveal(), u.Query().Get("state"))
		require.Equal(t, "S256", u.Query().Get("code_challenge_method"))
	}
}

// proves P5: a code that is redeemed twice has its tokens revoked.
func TestStateIsUsedOnce(t *testing.T) {
	s := start(t, mytokentest.Options{})
	for range 5 {
		before := s.Provider.Count(optest.Exchanged)
		login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
		require.NoError(t, err)
		back := browse(t, login, "alice")
		results, errs := atOnce(8, func() (*issuer.LoginResult, error) { return s.Issuer.FinishLogin(t.Context(), back) })
		won := winners(results, errs)
		require.Len(t, won, 1)
		for _, err := range errs {
			require.True(t, err == nil || errors.Is(err, issuer.ErrState), "%v", err)
		}
		require.Equal(t, before+1, s.Provider.Count(optest.Exchanged))
		requireUsable(t, s, won[0].Issued.Token)

		_, err = s.Issuer.FinishLogin(t.Context(), back)
		require.ErrorIs(t, err, issuer.ErrState)
	}
	require.Zero(t, s.Provider.Reuses())
}

func TestStateExpires(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{CodeLifetime: time.Hour}})
	finish := func(after time.Duration) error {
		login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
		require.NoError(t, err)
		require.Equal(t, s.Clock.Now().Add(5*time.Minute), login.Expires)
		back := browse(t, login, "alice")
		s.Clock.Advance(after)
		_, err = s.Issuer.FinishLogin(t.Context(), back)
		return err
	}
	require.NoError(t, finish(5*time.Minute))
	require.ErrorIs(t, finish(5*time.Minute+time.Second), issuer.ErrState)
	require.Equal(t, 1, s.Provider.Count(optest.Exchanged))
}

// Properties that must not be issued are refused before the user is sent anywhere.
// Nothing is left behind.
func TestLoginRefusesProperties(t *testing.T) {
	s := start(t, mytokentest.Options{})
	now := s.Clock.Now().Unix()
	long := strings.Repeat("é", mytoken.MaxNameLength)
	cases := map[string]struct {
		props mytoken.Properties
		field string
	}{
		"unknown capability":           {mytoken.Properties{Capabilities: capability.Set{capability.AT, "list_mytokens"}}, "capabilities"},
		"unknown child of a known one": {mytoken.Properties{Capabilities: capability.Set{"tokeninfo:everything"}}, "capabilities"},
		"no capability":                {mytoken.Properties{Capabilities: capability.Set{}}, "capabilities"},
		"long name":                    {mytoken.Properties{Name: long + "e"}, "name"},
		"name with a control":          {mytoken.Properties{Name: "a\x00b"}, "name"},
		"name that is not UTF-8":       {mytoken.Properties{Name: "a\xff"}, "name"},
		"no clause":                    {mytoken.Properties{Restrictions: restriction.List{}}, "restrictions"},
		"empty clause":                 {mytoken.Properties{Restrictions: restriction.List{{Expires: now + 10}, {}}}, "restrictions"},
		"unknown key":                  {mytoken.Properties{Restrictions: restriction.List{{Extra: []restriction.Extra{{Key: "hosst", Value: []byte("1")}}}}}, "restrictions"},
		"key without its means":        {mytoken.Properties{Restrictions: restriction.List{{GeoIPAllow: []string{"DE"}}}}, "restrictions"},
		"host name without resolver":   {mytoken.Properties{Restrictions: restriction.List{{Hosts: []string{"*.example.org"}}}}, "restrictions"},
		"negative count":               {mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(-1)}}}, "restrictions"},
		"all clauses ended":            {mytoken.Properties{Restrictions: restriction.List{{Expires: now - 1}, {Expires: now - 2}}}, "restrictions"},
		"endless rotation":             {mytoken.Properties{Rotation: &mytoken.Rotation{Lifetime: 1 << 62}}, "rotation"},
		"scope with a space":           {mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"a b"}}}}, "restrictions"},
		"audience with a space inside": {mytoken.Properties{Restrictions: restriction.List{{Audiences: []string{"a b"}}}}, "restrictions"},
	}
	before := stateOf(t, s)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: c.props})
			requireRequestError(t, err, c.field)
		})
	}
	_, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: "https://elsewhere.example.org"})
	require.ErrorIs(t, err, issuer.ErrUnknownProvider)
	requireUnchanged(t, s, before)

	_, err = s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: mytoken.Properties{Name: long}})
	require.NoError(t, err)
}

// The provider is asked for everything that the clauses may need (D12, D13).
func TestLoginAsksForAllClauses(t *testing.T) {
	s := start(t, mytokentest.Options{})
	asked := func(list restriction.List) optest.Event {
		login(t, s, mytoken.Properties{Restrictions: list})
		return lastEvent(t, s, optest.Authorized)
	}
	bounded := asked(restriction.List{
		{Scopes: []string{"compute"}, Audiences: []string{"https://a.example.org"}},
		{Scopes: []string{"storage.read"}, Audiences: []string{"https://b.example.org"}},
	})
	require.ElementsMatch(t, []string{"openid", "offline_access", "compute", "storage.read"}, bounded.Scopes)
	require.Equal(t, []string{"https://a.example.org", "https://b.example.org"}, bounded.Audiences)

	open := asked(restriction.List{{Scopes: []string{"compute"}}, {UsagesAT: restriction.Usages(1)}})
	require.Subset(t, open.Scopes, []string{"compute", "storage.read", "storage.write", "profile"})
	require.Empty(t, open.Audiences)
}

// A clause is kept although another one leaves the audience to the provider, or although
// its scope is not among the default ones.
func TestLoginKeepsClausesBesideOpenOnes(t *testing.T) {
	s := start(t, mytokentest.Options{Upstream: func(c *oidcupstream.Config) { c.Scopes = []string{"openid", "profile"} }})
	list := restriction.List{
		{Scopes: []string{"compute"}, Audiences: []string{"https://a.example.org"}},
		{UsagesAT: usages(1)},
	}
	issued := login(t, s, mytoken.Properties{Restrictions: list})
	require.Equal(t, list, issued.Restrictions)
	require.Subset(t, lastEvent(t, s, optest.Authorized).Scopes, []string{"profile", "compute"})
	at, err := accessToken(t, s, issued.Token)
	require.NoError(t, err)
	require.Equal(t, []string{"compute"}, at.Scopes)
	require.Equal(t, []string{"https://a.example.org"}, at.Audiences)
}

// A clause is dropped if the provider granted nothing of it. It does not turn into one
// without a limit (D11).
//
// proves P1
func TestLoginDropsClausesThatWereNotGranted(t *testing.T) {
	var granted knob[[]string]
	s := start(t, mytokentest.Options{Provider: optest.Options{
		Decide: func(optest.AuthorizationRequest) optest.Decision { return optest.Decision{Scopes: granted.get()} },
	}})
	list := restriction.List{
		{Scopes: []string{"compute"}},
		{Scopes: []string{"storage.read", "profile"}},
	}
	granted.set([]string{"openid", "offline_access", "profile"})
	issued := login(t, s, mytoken.Properties{Restrictions: list})
	require.Equal(t, restriction.List{{Scopes: []string{"profile"}}}, issued.Restrictions)

	other := restriction.List{{Audiences: []string{"https://a.example.org"}}}
	require.Equal(t, other, login(t, s, mytoken.Properties{Restrictions: other}).Restrictions)

	granted.set([]string{"openid", "offline_access"})
	before := stateOf(t, s)
	_, err := s.Login(t.Context(), "alice", mytoken.Properties{Restrictions: list})
	require.Equal(t, "access_denied", errAs[*issuer.LoginError](t, err).Code)
	requireSameTokens(t, s, before)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked), "nobody can use the refresh token")
}

// Clauses that became equal by the answer of the provider count once.
//
// proves P3
func TestLoginMergesClausesThatBecameEqual(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{
		Decide: func(optest.AuthorizationRequest) optest.Decision {
			return optest.Decision{Scopes: []string{"openid", "offline_access", "compute"}}
		},
	}})
	issued := login(t, s, mytoken.Properties{Restrictions: restriction.List{
		{Scopes: []string{"compute", "storage.read"}, UsagesAT: restriction.Usages(1)},
		{Scopes: []string{"compute", "storage.write"}, UsagesAT: restriction.Usages(1)},
		{Scopes: []string{"compute"}, UsagesAT: restriction.Usages(1)},
	}})
	require.Equal(t, restriction.List{{Scopes: []string{"compute"}, UsagesAT: restriction.Usages(1)}}, issued.Restrictions)
	requireUsable(t, s, issued.Token)
	_, err := accessToken(t, s, issued.Token)
	requireRefused(t, err, "usages_AT")
}

// An answer that cannot be trusted leads to no token, and leaves no refresh token behind
// (D55).
func TestLoginFailures(t *testing.T) {
	var fault knob[optest.Fault]
	var deny knob[string]
	s := start(t, mytokentest.Options{Provider: optest.Options{
		Faults: func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint == optest.EndpointExchange {
				return fault.get()
			}
			return optest.Fault{}
		},
		Decide: func(optest.AuthorizationRequest) optest.Decision { return optest.Decision{Error: deny.get()} },
	}})
	cases := map[string]struct {
		fault   optest.Fault
		deny    string
		code    string
		revoked bool // a refresh token exists that nobody will use
	}{
		"declined at the provider": {deny: "access_denied", code: "access_denied"},
		"other nonce":              {fault: optest.Fault{IDToken: func(_, c map[string]any) { c["nonce"] = "other" }}, code: "server_error", revoked: true},
		"other audience":           {fault: optest.Fault{IDToken: func(_, c map[string]any) { c["aud"] = "other" }}, code: "server_error", revoked: true},
		"unsigned":                 {fault: optest.Fault{IDToken: func(h, _ map[string]any) { h["alg"] = "none" }}, code: "server_error", revoked: true},
		"no refresh token":         {fault: optest.Fault{NoRefreshToken: true}, code: "server_error"},
		"refused":                  {fault: optest.Fault{Refuse: "invalid_grant", RefuseText: "too late"}, code: "invalid_grant"},
		"page instead of answer":   {fault: optest.Fault{FailBefore: 502}, code: "server_error"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fault.set(c.fault)
			deny.set(c.deny)
			revoked, tokens := s.Provider.Count(optest.Revoked), len(stateOf(t, s).Tokens)
			login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
			require.NoError(t, err)
			back := browse(t, login, "alice")
			_, err = s.Issuer.FinishLogin(t.Context(), back)
			require.Equal(t, c.code, errAs[*issuer.LoginError](t, err).Code, "%v", err)
			require.Len(t, stateOf(t, s).Tokens, tokens)
			if c.revoked {
				revoked++
			}
			require.Equal(t, revoked, s.Provider.Count(optest.Revoked))
			_, err = s.Issuer.FinishLogin(t.Context(), back)
			require.ErrorIs(t, err, issuer.ErrState, "the state is used up")
			require.Zero(t, ticketsLeft(t, s))
		})
	}
}

// An answer of another issuer is not sent to the one that was asked (RFC 9207).
func TestLoginOfAnotherIssuer(t *testing.T) {
	s := start(t, mytokentest.Options{})
	login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
	require.NoError(t, err)
	back := browse(t, login, "alice")
	back.Query.Set("iss", "https://attacker.example.org")
	_, err = s.Issuer.FinishLogin(t.Context(), back)
	require.ErrorIs(t, err, oidcupstream.ErrRedirect)
	require.Zero(t, s.Provider.Count(optest.Exchanged))
}

func TestSeveralProviders(t *testing.T) {
	clock := mytokentest.NewClock(time.Time{})
	other, err := optest.Start(optest.Options{Clock: clock.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	s := start(t, mytokentest.Options{Clock: clock, Config: func(c *issuer.Config) {
		up := other.ClientConfig(mytokentest.IssuerURL + "/redirect/other")
		up.Clock = clock.Now
		second, err := oidcupstream.New(up)
		require.NoError(t, err)
		c.Providers = append(c.Providers, issuer.Provider{Upstream: second})
	}})

	first, err := s.LoginWith(t.Context(), "alice", issuer.LoginRequest{Provider: s.Provider.Issuer() + "/", Client: client})
	require.NoError(t, err, "a trailing slash does not matter")
	second, err := s.LoginWith(t.Context(), "carol", issuer.LoginRequest{Provider: other.Issuer(), Client: client})
	require.NoError(t, err)
	require.Equal(t, s.Provider.Issuer(), first.Issued.Claims.OIDCIssuer())
	require.Equal(t, other.Issuer(), second.Issued.Claims.OIDCIssuer())
	require.NotEqual(t, first.Issued.Claims.Owner(), second.Issued.Claims.Owner())
	requireUsable(t, s, first.Issued.Token)
	requireUsable(t, s, second.Issued.Token)
	require.Equal(t, 1, s.Provider.Count(optest.Refreshed))
	require.Equal(t, 1, other.Count(optest.Refreshed))

	for _, named := range []struct {
		issuer string
		err    error
	}{{other.Issuer(), nil}, {other.Issuer() + "/", nil}, {s.Provider.Issuer(), issuer.ErrWrongProvider}} {
		_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: second.Issued.Token, Provider: named.issuer, Client: client})
		require.ErrorIs(t, err, named.err)
	}
	require.Len(t, s.Issuer.Providers(), 2)
}

// A form that does not exist is refused, before anything else.
func TestUnknownResponseForms(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	before := stateOf(t, s)
	for field, response := range map[string]mytoken.Response{"response_type": {Type: "x\xff"}, "max_token_len": {Type: mytoken.ResponseShortToken, MaxLength: -1}} {
		_, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Response: response, Client: client})
		requireRequestError(t, err, field)
		_, err = s.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Response: response, Client: client})
		requireRequestError(t, err, field)
		_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Response: response, Client: client})
		requireRequestError(t, err, field)
		_, err = s.Issuer.Adopt(t.Context(), issuer.Adoption{Provider: s.Provider.Issuer(), Response: response, Client: client})
		requireRequestError(t, err, field)
	}
	requireUnchanged(t, s, before)
}

// A token with a capability that no clause lets it use is refused. A token that was given
// no such capability may have limits of 0.
func TestUselessLimits(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	zero, one := usages(0), usages(1)
	for name, c := range map[string]struct {
		capabilities capability.Set
		list         restriction.List
		refused      bool
	}{
		"no access tokens":       {capability.Set{capability.AT, capability.Tokeninfo}, restriction.List{{UsagesAT: zero}}, true},
		"by default":             {nil, restriction.List{{UsagesAT: zero}}, true},
		"in no clause":           {capability.Set{capability.AT}, restriction.List{{UsagesAT: zero, Scopes: []string{"compute"}}, {UsagesAT: zero}}, true},
		"in one clause":          {capability.Set{capability.AT}, restriction.List{{UsagesAT: zero, Scopes: []string{"compute"}}, {UsagesAT: one}}, false},
		"unlimited in one":       {capability.Set{capability.AT}, restriction.List{{UsagesAT: zero}, {UsagesOther: one}}, false},
		"without the capability": {capability.Set{capability.Tokeninfo}, restriction.List{{UsagesAT: zero, UsagesOther: zero}}, false},
		"no other uses":          {capability.Set{capability.AT}, restriction.List{{UsagesOther: zero}}, false},
		"nothing at all":         {capability.Set{capability.CreateMytoken}, restriction.List{{UsagesOther: zero}}, true},
	} {
		props := mytoken.Properties{Capabilities: c.capabilities, Restrictions: c.list}
		_, first := s.Login(t.Context(), "alice", props)
		_, child := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: props, Client: client})
		for _, err := range []error{first, child} {
			if c.refused {
				requireRequestError(t, err, "restrictions")
			} else {
				require.NoError(t, err, name)
			}
		}
	}
}

// The forms in which a token is handed out (protocol section 1.12).
func TestResponseForms(t *testing.T) {
	s := start(t, mytokentest.Options{})
	compact := len(login(t, s, mytoken.Properties{}).Token.Reveal())
	cases := map[string]struct {
		response mytoken.Response
		want     mytoken.ResponseType
	}{
		"default":        {mytoken.Response{}, mytoken.ResponseToken},
		"short":          {mytoken.Response{Type: mytoken.ResponseShortToken}, mytoken.ResponseShortToken},
		"transfer":       {mytoken.Response{Type: mytoken.ResponseTransferCode}, mytoken.ResponseTransferCode},
		"fits":           {mytoken.Response{Type: mytoken.ResponseShortToken, MaxLength: compact + 10}, mytoken.ResponseToken},
		"fits shortened": {mytoken.Response{MaxLength: 64}, mytoken.ResponseShortToken},
		"fits nothing":   {mytoken.Response{MaxLength: 63}, mytoken.ResponseTransferCode},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			result, err := s.LoginWith(t.Context(), "alice", issuer.LoginRequest{Response: c.response, Client: client})
			require.NoError(t, err)
			issued := result.Issued
			require.Equal(t, c.want, issued.Type)
			switch c.want {
			case mytoken.ResponseTransferCode:
				require.True(t, issued.Token.IsEmpty())
				require.Len(t, issued.TransferCode.Reveal(), 14)
				require.Equal(t, s.Clock.Now().Add(5*time.Minute), issued.CodeExpires)
				require.Contains(t, events(t, s, issued.ID), "transfer_code_created: token type: token")
				issued, err = s.Issuer.Redeem(t.Context(), issuer.RedeemRequest{Code: issued.TransferCode, Client: client})
				require.NoError(t, err)
			case mytoken.ResponseShortToken:
				require.Len(t, issued.Token.Reveal(), 64)
			}
			requireUsable(t, s, issued.Token)
		})
	}
}
