package client_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// A server drops capabilities that the parent lacks (protocol section 3.3). Derive finds
// that before it spends a use, with a JWT and with a short token, unless Adjust is set.
// proves P10
func TestDeriveNamesCapabilitiesThatTheParentLacks(t *testing.T) {
	s := start(t, nil)
	has := capability.Set{capability.AT, capability.CreateMytoken, capability.TokeninfoIntrospect}
	token := s.token(mytoken.Properties{Capabilities: has})
	short, err := s.client.Derive(t.Context(), token, client.DeriveRequest{Response: mytoken.Response{Type: mytoken.ResponseShortToken}})
	require.NoError(t, err)
	request := client.DeriveRequest{Properties: mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.ManageMytokensList}}}
	for _, parent := range []mytoken.Secret{token, short.Token} {
		before, err := s.client.Introspect(t.Context(), token)
		require.NoError(t, err)
		_, err = s.client.Derive(t.Context(), parent, request)
		var lacks *mytoken.CapabilityError
		require.ErrorAs(t, err, &lacks)
		require.Equal(t, capability.ManageMytokensList, lacks.Needed)
		require.EqualError(t, err, `client: derive a mytoken: Capabilities: mytoken: the token does not have the capability "manage_mytokens:list"; leave it out, or log in for a token that has it`)
		after, err := s.client.Introspect(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, before.Used, after.Used)
	}
	request.Adjust = true
	child, err := s.client.Derive(t.Context(), token, request)
	require.NoError(t, err)
	require.Equal(t, capability.Set{capability.AT}, child.Capabilities)
}

// Only the server knows which host "this" is. Derive accepts the address that it puts
// there.
func TestDeriveForThisHost(t *testing.T) {
	s := start(t, nil)
	token := s.token(mytoken.Properties{})
	child, err := s.client.Derive(t.Context(), token, client.DeriveRequest{Properties: mytoken.Properties{
		Restrictions: restriction.List{{Hosts: []string{"this"}, Scopes: []string{"compute"}}},
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.1"}, child.Restrictions[0].Hosts)

	// Derive still finds a child that is too wide in another key.
	var wider *client.WiderError
	var f *fake
	for _, got := range []string{
		`{"scope":"compute profile","hosts":["192.0.2.1"]}`,
		`{"scope":"compute","usages_AT":3}`, // without hosts
		`{"scope":"compute","usages_AT":3,"hosts":["192.0.2.1"]},{"scope":"compute","exp":4000000000,"usages_AT":3,"hosts":["192.0.2.1"]}`, // twice the uses
	} {
		f = &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			_, _ = w.Write([]byte(`{"mytoken":"the-child","restrictions":[` + got + `]}`))
		}}
		_, err = f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{Properties: mytoken.Properties{
			Restrictions: restriction.List{{Hosts: []string{"THIS"}, Scopes: []string{"compute"}, UsagesAT: restriction.Usages(3)}},
		}})
		require.ErrorAs(t, err, &wider, got)
		require.True(t, wider.Revoked)
		require.Equal(t, 1, f.count("/revoke"))
	}

	// If the revocation fails, the error says why, and is no answer about the parent.
	f.answer = func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		if r.URL.Path == "/revoke" {
			answer(w, http.StatusUnauthorized, map[string]string{"error": client.CodeInvalidToken, "error_description": "no such token"})
			return
		}
		_, _ = w.Write([]byte(`{"mytoken":"the-child","restrictions":[{"scope":"compute profile"}]}`))
	}
	_, err = f.client(t, nil).Derive(t.Context(), aToken, client.DeriveRequest{Properties: mytoken.Properties{
		Restrictions: restriction.List{{Scopes: []string{"compute"}}},
	}})
	require.ErrorAs(t, err, &wider)
	require.False(t, wider.Revoked)
	require.True(t, client.IsCode(wider.RevokeErr, client.CodeInvalidToken))
	require.ErrorContains(t, err, "no such token")
	require.False(t, client.IsCode(err, client.CodeInvalidToken))
}

// The client gives a child what it asks for, with the bounds of the parent that the
// request leaves out. It does the same as the issuer, and refuses the same before it sends
// anything.
//
// proves P1, P10
func TestDeriveIsThatOfTheIssuer(t *testing.T) {
	var s *server
	var asked atomic.Int32
	s = start(t, func(o *setup) {
		o.wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				next.ServeHTTP(w, r)
			})
		}
	})
	exp := s.Clock.Now().Add(time.Hour).Unix()
	parents := []restriction.List{
		nil,
		{{Expires: exp, Scopes: []string{"compute", "storage.read"}, UsagesAT: restriction.Usages(5)}},
		{{Expires: exp, Hosts: []string{"127.0.0.0/8"}, Scopes: []string{"compute"}}, {Expires: exp + 60, Hosts: []string{"127.0.0.1", "192.0.2.1"}, Audiences: []string{"x"}}},
	}
	wanted := []restriction.List{
		nil,
		{{Scopes: []string{"compute"}}},
		{{Expires: exp - 10}},
		{{UsagesAT: restriction.Usages(2)}},
		{{Expires: exp + 1}},
		{{Scopes: []string{"storage.read"}}, {Scopes: []string{"compute", "profile"}}},
		{{Hosts: []string{"127.0.0.1"}}, {Hosts: []string{"192.0.2.1"}, UsagesOther: restriction.Usages(1)}},
	}
	refused := 0
	for _, has := range parents {
		root, err := s.Login(t.Context(), "alice", mytoken.Properties{Capabilities: everything, Restrictions: has})
		require.NoError(t, err)
		short, err := s.client.Derive(t.Context(), root.Token, client.DeriveRequest{Response: mytoken.Response{Type: mytoken.ResponseShortToken}})
		require.NoError(t, err)
		for _, list := range wanted {
			props := mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.Tokeninfo}, Restrictions: list}
			own, ownErr := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{
				Token: root.Token, Properties: props, Client: issuer.Client{Address: netip.MustParseAddr("127.0.0.1")},
			})
			asked.Store(0)
			child, err := s.client.Derive(t.Context(), root.Token, client.DeriveRequest{Properties: props})
			sent := asked.Load()
			other, shortErr := s.client.Derive(t.Context(), short.Token, client.DeriveRequest{Properties: props})
			if ownErr == nil {
				require.NoError(t, err, "%v of %v", list, has)
				require.Equal(t, own.Restrictions, child.Restrictions, "%v of %v", list, has)
				require.NoError(t, shortErr)
				require.Equal(t, own.Restrictions, other.Restrictions, "%v of %v", list, has)
				continue
			}
			refused++
			var same, got, gotShort *restriction.ChildError
			require.ErrorAs(t, ownErr, &same)
			require.ErrorAs(t, err, &got)
			require.Equal(t, same.Error(), got.Error())
			require.Zero(t, sent, "the client asks")
			require.ErrorContains(t, err, "client: derive a mytoken: Restrictions: restriction: clause ")
			require.ErrorAs(t, shortErr, &gotShort)
			require.Equal(t, same.Error(), gotShort.Error())
		}
	}
	require.GreaterOrEqual(t, refused, 3)
}

// If the client cannot tell what the parent has, the server decides: the client sends the
// clauses as they stand, and never asks to adjust them.
//
// proves P1
func TestDeriveWhereTheServerDecides(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Restrictions.Conditions = map[string]restriction.Factory{"net": func(value []byte) (restriction.Condition, error) {
				var text string
				if err := json.Unmarshal(value, &text); err != nil {
					return nil, err
				}
				block, err := netip.ParsePrefix(text)
				return restriction.Network(block), err
			}}
		}
	})
	ctx := t.Context()
	own := func(value string) []restriction.Extra { return []restriction.Extra{{Key: "net", Value: []byte(value)}} }
	derive := func(parent mytoken.Secret, list restriction.List) (restriction.List, error) {
		child, err := s.client.Derive(ctx, parent, client.DeriveRequest{Properties: mytoken.Properties{Capabilities: everything, Restrictions: list}})
		if err != nil {
			return nil, err
		}
		return child.Restrictions, nil
	}
	const words = "requested restrictions are not subset of original restrictions"

	// Only the server knows the address of the client.
	home := s.token(mytoken.Properties{Restrictions: restriction.List{{Hosts: []string{"127.0.0.0/8"}}}})
	got, err := derive(home, restriction.List{{Hosts: []string{"this"}}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{Hosts: []string{"127.0.0.1"}}}, got)
	scoped := s.token(mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute", "storage.read"}}}})
	got, err = derive(scoped, restriction.List{{Hosts: []string{"this"}}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{Scopes: []string{"compute", "storage.read"}, Hosts: []string{"127.0.0.1"}}}, got)

	// Only the server knows the meaning of its own keys. The client copies them.
	wide := s.token(mytoken.Properties{Restrictions: restriction.List{{Extra: own(`"127.0.0.0/8"`)}}})
	got, err = derive(wide, restriction.List{{Extra: own(`"127.0.0.1/32"`)}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{Extra: own(`"127.0.0.1/32"`)}}, got)
	got, err = derive(wide, restriction.List{{Scopes: []string{"compute"}}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{Scopes: []string{"compute"}, Extra: own(`"127.0.0.0/8"`)}}, got)
	_, err = derive(wide, restriction.List{{Extra: own(`"0.0.0.0/0"`)}})
	require.True(t, client.IsCode(err, client.CodeInvalidRequest), "%v", err)
	require.ErrorContains(t, err, words)

	// A short token that may not ask about itself.
	dumb, err := s.client.Derive(ctx, scoped, client.DeriveRequest{
		Properties: mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}}, Response: mytoken.Response{Type: mytoken.ResponseShortToken},
	})
	require.NoError(t, err)
	list := restriction.List{{Expires: s.Clock.Now().Add(time.Hour).Unix()}}
	_, err = s.client.Derive(ctx, dumb.Token, client.DeriveRequest{Properties: mytoken.Properties{Restrictions: list}})
	require.True(t, client.IsCode(err, client.CodeInvalidRequest), "%v", err)
	require.ErrorContains(t, err, words)
	list[0].Scopes = []string{"compute"}
	child, err := s.client.Derive(ctx, dumb.Token, client.DeriveRequest{Properties: mytoken.Properties{Restrictions: list}})
	require.NoError(t, err)
	require.Equal(t, list, child.Restrictions)
}

// A list that has lost its last entry is refused, and nothing is sent. The server would
// read an empty list as no restriction, or as all that the parent may do.
//
// proves P1
func TestEmptyListsAreRefused(t *testing.T) {
	f := &fake{answer: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		t.Errorf("%s is asked", r.URL.Path)
		answer(w, http.StatusOK, map[string]any{"mytoken": "a-token", "mytoken_type": "token"})
	}}
	c := f.client(t, nil)
	for name, req := range map[string]client.LoginRequest{
		"Capabilities":                {Properties: mytoken.Properties{Capabilities: capability.Set{}}},
		"Restrictions":                {Properties: mytoken.Properties{Restrictions: restriction.List{}}},
		"RestrictionsJSON":            {RestrictionsJSON: []byte{}},
		"RestrictionsJSON of none":    {RestrictionsJSON: []byte("[ ]\n")},
		"RestrictionsJSON of nothing": {RestrictionsJSON: []byte(" null")},
		"Include":                     {Include: []string{}},
		"both":                        {Properties: mytoken.Properties{Restrictions: restriction.List{}}, RestrictionsJSON: []byte(`[{"exp":"+1d"}]`)},
	} {
		_, err := c.StartLogin(t.Context(), req)
		require.ErrorIs(t, err, client.ErrEmptyList, name)
		_, err = c.Derive(t.Context(), aToken, client.DeriveRequest{
			Properties: req.Properties, RestrictionsJSON: req.RestrictionsJSON, Include: req.Include,
		})
		require.ErrorIs(t, err, client.ErrEmptyList, name)
	}
}
