package client_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// A user logs in on another device while the program polls.
func TestLogin(t *testing.T) {
	s := start(t, nil)
	ctx := t.Context()
	rotation := &mytoken.Rotation{OnAT: true, Lifetime: 3600}
	end := s.Clock.Now().Add(24 * time.Hour)
	login, err := s.client.StartLogin(ctx, client.LoginRequest{
		Application:      "a test",
		Properties:       mytoken.Properties{Name: "mine", Capabilities: everything, Rotation: rotation},
		RestrictionsJSON: []byte(`[{"exp":"+1d","scope":"openid compute","usages_AT":10}]`),
	})
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, login.Interval)
	require.Equal(t, s.Clock.Now().Add(5*time.Minute), login.Expires)
	code, err := login.QR()
	require.NoError(t, err)
	require.Contains(t, code, "▀")
	_, err = login.Poll(ctx)
	require.True(t, client.Pending(err), "%v", err)

	s.finish(ctx, login.ConsentURI, rotation)
	token, err := login.Wait(ctx)
	require.NoError(t, err)
	require.NoError(t, token.Unread)
	require.Equal(t, mytoken.ResponseToken, token.Type)
	require.Equal(t, everything, token.Capabilities)
	require.Equal(t, rotation, token.Rotation)
	require.Len(t, token.Restrictions, 1)
	require.Equal(t, []string{"openid", "compute"}, token.Restrictions[0].Scopes)
	require.Equal(t, end.Unix(), token.Restrictions[0].Expires)
	require.WithinDuration(t, s.Clock.Now().Add(time.Hour), token.Expires, time.Minute)

	_, err = login.Poll(ctx)
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
}

// A malicious server starts a login at an honest one, and hands on where to agree to it.
// The user of this client would take that for the login of the client.
func TestConsentAtAnotherServer(t *testing.T) {
	for uri, ok := range map[string]bool{
		fakeIssuer + "/c/x":                       true,
		"https://MyToken.example.org:443/c/x":     true,
		"https://honest.example.org/c/x":          false,
		fakeIssuer + ".example.org/c/x":           false,
		"http://127.0.0.1/c/x":                    false,
		"https://mytoken.example.org:8443/c/x":    false,
		"https://mytoken.example.org@evil.org/c/": false,
	} {
		f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			answer(w, http.StatusOK, map[string]any{"consent_uri": uri, "polling_code": "x"})
		}}
		_, err := f.client(t, nil).StartLogin(t.Context(), client.LoginRequest{})
		if ok {
			require.NoError(t, err)
			continue
		}
		var e *client.AnswerError
		require.ErrorAs(t, err, &e, uri)
	}
}

// A declined login is an error with a code.
func TestLoginDeclined(t *testing.T) {
	s := start(t, nil)
	login, err := s.client.StartLogin(t.Context(), client.LoginRequest{})
	require.NoError(t, err)
	s.decline(t.Context(), login.ConsentURI)
	_, err = login.Wait(t.Context())
	require.True(t, client.IsCode(err, client.CodeAccessDenied), "%v", err)
}

// Waiting for a login ends when its time is over, or when the context ends.
func TestLoginNotFinished(t *testing.T) {
	s := start(t, nil)
	login, err := s.client.StartLogin(t.Context(), client.LoginRequest{})
	require.NoError(t, err)
	begin := s.Clock.Now()
	_, err = login.Wait(t.Context())
	require.ErrorIs(t, err, client.ErrLoginExpired)
	require.WithinDuration(t, begin.Add(5*time.Minute), s.Clock.Now(), 6*time.Second)

	login, err = s.client.StartLogin(t.Context(), client.LoginRequest{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = login.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// All requests with one token, from an access token to its revocation.
func TestUses(t *testing.T) {
	s := start(t, nil)
	ctx := t.Context()
	token := s.token(mytoken.Properties{Name: "parent"})

	at, err := s.client.AccessToken(ctx, token, client.AccessTokenRequest{
		Scopes: []string{"openid", "compute"}, Audiences: []string{"https://a.example"}, Provider: s.Provider.Issuer(), Comment: "why",
	})
	require.NoError(t, err)
	require.False(t, at.Token.IsEmpty())
	require.Equal(t, s.Clock.Now().Add(time.Hour), at.Expires)
	require.Contains(t, at.Scopes, "compute")
	require.Equal(t, []string{"https://a.example"}, at.Audiences)
	require.False(t, at.Broader)
	require.Nil(t, at.Update)
	require.Equal(t, at.Token.Reveal(), at.OAuth2().AccessToken)

	list := restriction.List{{Scopes: []string{"compute"}, UsagesAT: restriction.Usages(2), Expires: s.Clock.Now().Add(time.Hour).Unix()}}
	child, err := s.client.Derive(ctx, token, client.DeriveRequest{Properties: mytoken.Properties{
		Name: "child", Capabilities: capability.Set{capability.AT, capability.Tokeninfo}, Restrictions: list,
	}})
	require.NoError(t, err)
	require.True(t, list.Equal(child.Restrictions))
	require.Equal(t, s.Clock.Now().Add(time.Hour), child.Expires)
	_, err = s.client.AccessToken(ctx, child.Token, client.AccessTokenRequest{Scopes: []string{"storage.read"}})
	require.True(t, client.IsCode(err, client.CodeUsageRestricted), "%v", err)
	_, err = s.client.AccessToken(ctx, child.Token, client.AccessTokenRequest{})
	require.NoError(t, err)

	info, err := s.client.Introspect(ctx, child.Token)
	require.NoError(t, err)
	require.True(t, info.Valid)
	require.Equal(t, child.ID, info.ID)
	require.Equal(t, child.ID, info.Claims.JTI.TokenID())
	require.Equal(t, mytoken.ResponseToken, info.Type)
	require.Equal(t, "child", info.Claims.Name)
	require.Equal(t, "alice", info.Claims.OIDCSubject)
	require.Equal(t, []restriction.Usage{{AT: 1}}, info.Used)
	require.True(t, list.Equal(info.Claims.Restrictions))

	history, err := s.client.History(ctx, token)
	require.NoError(t, err)
	require.NotEmpty(t, history.Events)
	require.Equal(t, "mytoken-go", history.Events[0].UserAgent)
	require.False(t, history.Events[0].Token.IsZero())
	tree, err := s.client.Subtree(ctx, token)
	require.NoError(t, err)
	require.Equal(t, "child", tree.Roots[0].Children[0].Name)
	require.Equal(t, child.ID, tree.Roots[0].Children[0].ID)
	require.Equal(t, tree.Roots[0].ID, tree.Roots[0].Children[0].Parent)
	require.Equal(t, "127.0.0.1", tree.Roots[0].Children[0].Address)
	all, err := s.client.List(ctx, token)
	require.NoError(t, err)
	require.Equal(t, "parent", all.Roots[0].Name)

	_, err = s.client.RevokeByID(ctx, token, child.ID, false)
	require.NoError(t, err)
	_, err = s.client.Introspect(ctx, child.Token)
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
	require.NoError(t, s.client.Revoke(ctx, token, true))
	require.NoError(t, s.client.Revoke(ctx, token, true))
	_, err = s.client.Introspect(ctx, token)
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
}

// A transfer code carries an existing token, or a new one, to another device.
func TestTransfer(t *testing.T) {
	s := start(t, nil)
	ctx := t.Context()
	token := s.token(mytoken.Properties{})
	code, err := s.client.Transfer(ctx, token)
	require.NoError(t, err)
	require.Equal(t, s.Clock.Now().Add(5*time.Minute), code.Expires)
	got, err := s.client.Redeem(ctx, code.Code)
	require.NoError(t, err)
	require.True(t, got.Token.Equal(token))
	_, err = s.client.Redeem(ctx, code.Code)
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)

	child, err := s.client.Derive(ctx, token, client.DeriveRequest{Response: mytoken.Response{Type: mytoken.ResponseTransferCode}})
	require.NoError(t, err)
	require.True(t, child.Token.IsEmpty())
	require.Equal(t, mytoken.ResponseTransferCode, child.Type)
	require.Equal(t, s.Clock.Now().Add(5*time.Minute), child.CodeExpires)
	require.Zero(t, child.Expires, "the server tells when the code expires, not the token")
	got, err = s.client.Redeem(ctx, child.TransferCode)
	require.NoError(t, err)
	require.Equal(t, child.ID, got.ID)

	child, err = s.client.Derive(ctx, token, client.DeriveRequest{Response: mytoken.Response{MaxLength: 100}})
	require.NoError(t, err)
	require.Equal(t, mytoken.ResponseShortToken, child.Type)
	_, err = s.client.AccessToken(ctx, child.Token, client.AccessTokenRequest{})
	require.NoError(t, err)
}

// A client lists the templates of a server, and requests name them.
func TestTemplates(t *testing.T) {
	s := start(t, nil)
	groups, err := s.client.TemplateGroups(t.Context())
	require.NoError(t, err)
	require.Contains(t, groups, "_")
	for _, group := range []string{"", "_"} {
		list, err := s.client.Templates(t.Context(), group, client.TemplateCapabilities)
		require.NoError(t, err)
		require.NotEmpty(t, list)
		require.NotEmpty(t, list[0].Name)
		require.NotEmpty(t, list[0].Payload)
	}
	token := s.token(mytoken.Properties{})
	child, err := s.client.Derive(t.Context(), token, client.DeriveRequest{
		Include: []string{"web-default"}, RestrictionsJSON: []byte(`["1d"]`), Adjust: true,
	})
	require.NoError(t, err)
	require.Equal(t, s.Clock.Now().Add(24*time.Hour), child.Expires)
}
