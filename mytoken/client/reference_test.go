package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// The client understands the reference server, as its recorded answers show.
func TestReferenceServer(t *testing.T) {
	r := &reference{t: t, all: recordings(t), used: map[string]bool{}}
	c, err := client.New(client.Config{Issuer: referenceIssuer, HTTPClient: &http.Client{Transport: r}})
	require.NoError(t, err)
	t.Run("login", func(t *testing.T) { referenceLogin(t, r, c) })
	t.Run("access", func(t *testing.T) { referenceAccess(t, r, c) })
	t.Run("derive", func(t *testing.T) { referenceDerive(t, r, c) })
	t.Run("transfer", func(t *testing.T) { referenceTransfer(t, r, c) })
	t.Run("tokeninfo", func(t *testing.T) { referenceTokeninfo(t, r, c) })
	t.Run("templates", func(t *testing.T) { referenceTemplates(t, r, c) })
	t.Run("rotation", func(t *testing.T) { referenceRotation(t, r, c) })
	t.Run("revocation", func(t *testing.T) { referenceRevocation(t, r, c) })
	for name := range r.all {
		require.True(t, r.used[name], "no request led to %s", name)
	}
}

// fails checks an error of the server.
func fails(t *testing.T, err error, status int, code, description string) {
	t.Helper()
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, status, e.Status)
	require.Equal(t, code, e.Code)
	require.Equal(t, description, e.Description)
	require.Len(t, e.RequestID, 36)
}

const badCode = "Bad polling or transfer code"

func referenceLogin(t *testing.T, r *reference, c *client.Client) {
	ctx := t.Context()
	limits := restriction.List{{
		Expires: 4102444800, Scopes: []string{"openid", "profile", "storage.read"}, UsagesAT: restriction.Usages(50), UsagesOther: restriction.Usages(100),
	}}
	all := capability.Set{"AT", "create_mytoken", "tokeninfo", "manage_mytokens", "settings"}
	r.expect("04-authcode-start", "05-poll-pending", "10-poll-success", "11-poll-again")
	login, err := c.StartLogin(ctx, client.LoginRequest{
		Application: "golden", Properties: mytoken.Properties{Name: "golden-token", Capabilities: all, Restrictions: limits},
	})
	require.NoError(t, err)
	require.Equal(t, referenceIssuer+"/c/WZrhFYSs", login.ConsentURI)
	_, err = login.Poll(ctx)
	require.True(t, client.Pending(err))
	token, err := login.Poll(ctx)
	require.NoError(t, err)
	require.NoError(t, token.Unread)
	require.Equal(t, all, token.Capabilities)
	require.True(t, limits.Equal(token.Restrictions))
	require.False(t, token.Expires.IsZero())
	_, err = login.Poll(ctx)
	fails(t, err, 401, client.CodeInvalidToken, badCode)
}

func referenceAccess(t *testing.T, r *reference, c *client.Client) {
	ctx := t.Context()
	token := r.all["14-at-json"].mytoken()
	r.expect("14-at-json", "15-at-scope-aud", "18-at-scope-not-allowed", "19-at-wrong-issuer", "29-short-at")
	at, err := c.AccessToken(ctx, token, client.AccessTokenRequest{Comment: "golden"})
	require.NoError(t, err)
	require.Equal(t, []string{"openid", "profile", "storage.read", "offline_access"}, at.Scopes)
	require.Equal(t, "Bearer", at.TokenType)
	at, err = c.AccessToken(ctx, token, client.AccessTokenRequest{
		Provider: "http://127.0.0.1:9000", Scopes: []string{"storage.read"}, Audiences: []string{"https://a.example", "https://b.example"},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"https://a.example", "https://b.example"}, at.Audiences)
	require.False(t, at.Broader)
	_, err = c.AccessToken(ctx, token, client.AccessTokenRequest{Scopes: []string{"compute"}})
	fails(t, err, 403, client.CodeUsageRestricted, "The restrictions of this token does not allow this usage")
	_, err = c.AccessToken(ctx, token, client.AccessTokenRequest{Provider: "https://other.example"})
	fails(t, err, 400, client.CodeInvalidRequest, "token not for specified issuer")
	_, err = c.AccessToken(ctx, r.all["29-short-at"].mytoken(), client.AccessTokenRequest{})
	require.NoError(t, err)
}

func referenceDerive(t *testing.T, r *reference, c *client.Client) {
	ctx := t.Context()
	parent := r.all["23-subtoken"].mytoken()
	basic := capability.Set{"AT", "tokeninfo"}
	limits := restriction.List{{Expires: 4102444800, Scopes: []string{"storage.read"}, UsagesAT: restriction.Usages(5), UsagesOther: restriction.Usages(5)}}
	r.expect("23-subtoken")
	child, err := c.Derive(ctx, parent, client.DeriveRequest{Properties: mytoken.Properties{Name: "sub-1", Capabilities: basic, Restrictions: limits}})
	require.NoError(t, err)
	require.True(t, limits.Equal(child.Restrictions))

	// The server ignores that it was told to refuse (D20). The client reads the parent, and
	// does not ask.
	loose := client.DeriveRequest{Properties: mytoken.Properties{Capabilities: basic, Restrictions: restriction.List{{Scopes: []string{"compute"}}}}}
	_, err = c.Derive(ctx, parent, loose)
	var beyond *restriction.ChildError
	require.ErrorAs(t, err, &beyond)
	r.expect("24-subtoken-not-tighter")
	child, err = c.Derive(ctx, parent, client.DeriveRequest{Properties: mytoken.Properties{Capabilities: basic}, RestrictionsJSON: []byte(`[{"scope":"compute"}]`)})
	require.NoError(t, err)
	require.Equal(t, []string{"openid", "profile", "storage.read"}, child.Restrictions[0].Scopes)
	loose.Adjust = true
	r.expect("25-subtoken-loosened-silently", "26-subtoken-short", "27-subtoken-transfer", "28-subtoken-max-token-len", "45-cap-missing-create")
	child, err = c.Derive(ctx, parent, loose)
	require.NoError(t, err)
	require.Equal(t, []string{"openid", "profile", "storage.read"}, child.Restrictions[0].Scopes)

	child, err = c.Derive(ctx, parent, client.DeriveRequest{
		Properties: mytoken.Properties{Name: "short-1", Capabilities: append(basic, "create_mytoken")},
		Response:   mytoken.Response{Type: mytoken.ResponseShortToken},
	})
	require.NoError(t, err)
	require.Equal(t, mytoken.ResponseShortToken, child.Type)
	child, err = c.Derive(ctx, parent, client.DeriveRequest{
		Properties: mytoken.Properties{Name: "tc-1", Capabilities: basic}, Response: mytoken.Response{Type: mytoken.ResponseTransferCode},
	})
	require.NoError(t, err)
	require.Equal(t, "CgpzZwPT", child.TransferCode.Reveal())
	child, err = c.Derive(ctx, parent, client.DeriveRequest{
		Properties: mytoken.Properties{Name: "auto-1", Capabilities: basic}, Response: mytoken.Response{MaxLength: 128},
	})
	require.NoError(t, err)
	require.Len(t, child.Token.Reveal(), 64)
	_, err = c.Derive(ctx, r.all["45-cap-missing-create"].mytoken(), client.DeriveRequest{Properties: mytoken.Properties{Capabilities: capability.Set{"AT"}}})
	fails(t, err, 403, client.CodeInsufficientCapabilities, "The provided token does not have the required capability for this operation")
}

func referenceTransfer(t *testing.T, r *reference, c *client.Client) {
	ctx := t.Context()
	token := r.all["31-transfer-create"].mytoken()
	r.expect("31-transfer-create", "32-transfer-exchange", "33-transfer-exchange-again", "34-transfer-exchange-subtoken")
	code, err := c.Transfer(ctx, token)
	require.NoError(t, err)
	got, err := c.Redeem(ctx, code.Code)
	require.NoError(t, err)
	require.True(t, got.Token.Equal(token))
	_, err = c.Redeem(ctx, code.Code)
	fails(t, err, 401, client.CodeInvalidToken, badCode)
	got, err = c.Redeem(ctx, mytoken.NewSecret("CgpzZwPT"))
	require.NoError(t, err)
	require.Equal(t, mytoken.ResponseToken, got.Type)
}

func referenceTokeninfo(t *testing.T, r *reference, c *client.Client) {
	ctx := t.Context()
	token := r.all["12-introspect"].mytoken()
	r.expect("12-introspect", "22-introspect-after-use", "30-short-introspect", "35-history", "36-history-children", "37-subtokens", "38-list")
	info, err := c.Introspect(ctx, token)
	require.NoError(t, err)
	require.True(t, info.Valid)
	require.EqualValues(t, 1, info.Claims.Seq)
	require.Equal(t, "user-1", info.Claims.OIDCSubject)
	require.Equal(t, []restriction.Usage{{}}, info.Used)
	info, err = c.Introspect(ctx, token)
	require.NoError(t, err)
	require.Equal(t, []restriction.Usage{{AT: 4}}, info.Used)
	require.EqualValues(t, 50, *info.Claims.Restrictions[0].UsagesAT)
	info, err = c.Introspect(ctx, r.all["30-short-introspect"].mytoken())
	require.NoError(t, err)
	require.Equal(t, mytoken.ResponseShortToken, info.Type)
	history, err := c.History(ctx, token)
	require.NoError(t, err)
	require.Equal(t, "tokeninfo_introspect", history.Events[0].Name)
	require.EqualValues(t, 1795464989, history.Events[0].Time.Unix())
	_, err = c.History(ctx, token, "this", "children")
	fails(t, err, 403, client.CodeInvalidGrant, "The provided token cannot be used to obtain history for mom_id 'this'")
	tree, err := c.Subtree(ctx, token)
	require.NoError(t, err)
	require.Equal(t, "golden-token", tree.Roots[0].Name)
	require.NotEmpty(t, tree.Roots[0].Children)
	list, err := c.List(ctx, token)
	require.NoError(t, err)
	require.Equal(t, tree.Roots[0].ID, list.Roots[0].ID)
}

func referenceTemplates(t *testing.T, r *reference, c *client.Client) {
	r.expect("43-profiles", "44-profiles-caps")
	groups, err := c.TemplateGroups(t.Context())
	require.NoError(t, err)
	require.Empty(t, groups)
	list, err := c.Templates(t.Context(), "", client.TemplateCapabilities)
	require.NoError(t, err)
	require.Empty(t, list)
}

// The token in the store follows the rotations. The server refuses an outdated one and
// revokes its tree.
func referenceRotation(t *testing.T, r *reference, c *client.Client) {
	ctx := t.Context()
	first := r.all["46-rotation-at"].mytoken()
	store := client.NewMemoryStore(first)
	h := c.NewHolder(store)
	r.expect("46-rotation-at", "47-rotation-at-new")
	for _, seq := range []string{"47-rotation-at-new", "49-rotation-after-autorevoke"} {
		_, err := h.AccessToken(ctx, client.AccessTokenRequest{})
		require.NoError(t, err)
		token, err := store.Load(ctx)
		require.NoError(t, err)
		require.True(t, token.Equal(r.all[seq].mytoken()), seq)
	}
	r.expect("48-rotation-replay-old", "49-rotation-after-autorevoke")
	old := c.NewHolder(client.NewMemoryStore(r.all["48-rotation-replay-old"].mytoken()))
	_, err := old.AccessToken(ctx, client.AccessTokenRequest{})
	fails(t, err, 401, client.CodeInvalidToken, "")
	_, err = h.AccessToken(ctx, client.AccessTokenRequest{})
	fails(t, err, 401, client.CodeInvalidToken, "")
}

func referenceRevocation(t *testing.T, r *reference, c *client.Client) {
	ctx := t.Context()
	token := r.all["52-revoke-recursive"].mytoken()
	r.expect("50-revoke-by-momid", "51-sub-after-revoke", "52-revoke-recursive", "53-at-after-revoke", "54-introspect-after-revoke", "55-revoke-again")
	id, err := mytoken.ParseMomID(r.all["50-revoke-by-momid"].Request["mom_id"].(string))
	require.NoError(t, err)
	update, err := c.RevokeByID(ctx, token, id, true)
	require.NoError(t, err)
	require.Nil(t, update)
	_, err = c.AccessToken(ctx, r.all["51-sub-after-revoke"].mytoken(), client.AccessTokenRequest{})
	fails(t, err, 401, client.CodeInvalidToken, "")
	require.NoError(t, c.Revoke(ctx, token, true))
	_, err = c.AccessToken(ctx, token, client.AccessTokenRequest{})
	fails(t, err, 401, client.CodeInvalidToken, "")
	_, err = c.Introspect(ctx, token)
	fails(t, err, 401, client.CodeInvalidToken, "")
	require.NoError(t, c.Revoke(ctx, token, true))
}
