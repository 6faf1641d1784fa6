package issuer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

func transfer(t *testing.T, s *mytokentest.Service, token mytoken.Secret) mytoken.Secret {
	t.Helper()
	code, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: token, Client: client})
	require.NoError(t, err)
	return code.Code
}

func redeem(t *testing.T, s *mytokentest.Service, code mytoken.Secret) (*mytoken.Issued, error) {
	t.Helper()
	return s.Issuer.Redeem(t.Context(), issuer.RedeemRequest{Code: code, Client: client})
}

// A transfer code moves a token once, to one of many takers.
//
// proves P7
func TestTransfer(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT}}) // no capability is needed
	code, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(code.Code.Reveal()), 12)
	require.Equal(t, s.Clock.Now().Add(5*time.Minute), code.Expires)
	values, errs := atOnce(8, func() (*mytoken.Issued, error) { return redeem(t, s, code.Code) })
	won := winners(values, errs)
	require.Len(t, won, 1)
	for _, err := range errs {
		if err != nil {
			requireCodeError(t, err, issuer.CodeUnknown)
		}
	}
	require.Equal(t, mytoken.ResponseToken, won[0].Type)
	require.True(t, root.Token.Equal(won[0].Token))
	require.Equal(t, []string{
		"created: Used grant_type oidc_flow authorization_code", "transfer_code_created: token type: token", "transfer_code_used",
	}, events(t, s, root.ID))
	require.Zero(t, ticketsLeft(t, s))
}

// A transfer code needs a token that may be used now (D28, D37), and spends nothing.
func TestTransferNeedsAUsableToken(t *testing.T) {
	s := start(t, mytokentest.Options{})
	elsewhere := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Hosts: []string{"198.51.100.1"}}}})
	later := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Expires: unix(s, time.Second)}, {NotBefore: unix(s, time.Hour)}}})
	s.Clock.Advance(time.Minute)
	before := stateOf(t, s)
	for token, key := range map[mytoken.Secret][]string{elsewhere.Token: {"hosts"}, later.Token: {"exp", "nbf"}} {
		_, err := s.Issuer.Transfer(t.Context(), issuer.TransferRequest{Token: token, Client: client})
		requireRefused(t, err, key...)
	}
	requireUnchanged(t, s, before)
	spent := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Tokeninfo}, Restrictions: restriction.List{{UsagesAT: usages(0), UsagesOther: usages(0)}}})
	_, err := redeem(t, s, transfer(t, s, spent.Token))
	require.NoError(t, err)
}

// A transfer code is of no use after its token has changed.
//
// proves P6
func TestTransferCodeOfATokenThatChanged(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ends := map[string]func(root *mytoken.Issued){
		"revoked":           func(root *mytoken.Issued) { revoke(t, s, root.Token, false) },
		"rotated":           func(root *mytoken.Issued) { rotate(t, s, root.Token) },
		"rotated, in use":   func(root *mytoken.Issued) { requireUsable(t, s, rotate(t, s, root.Token).Token) },
		"rotated long ago":  func(root *mytoken.Issued) { rotate(t, s, root.Token); s.Clock.Advance(time.Minute) },
		"its user's tokens": func(root *mytoken.Issued) { require.NoError(t, owner(t, s, "alice").RevokeAll(t.Context(), client)) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			root := login(t, s, rotating)
			code := transfer(t, s, root.Token)
			end(root)
			_, err := redeem(t, s, code)
			requireCodeError(t, err, issuer.CodeUnknown)
		})
	}

	// A code that is redeemed too late does not look like a theft.
	root := login(t, s, rotating)
	code := transfer(t, s, root.Token)
	next := rotate(t, s, root.Token)
	s.Clock.Advance(time.Minute)
	_, err := redeem(t, s, code)
	requireCodeError(t, err, issuer.CodeUnknown)
	requireUsable(t, s, next.Token)

	ancestor := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	child := derive(t, s, ancestor.Token, mytoken.Properties{})
	code = transfer(t, s, child.Token)
	revoke(t, s, ancestor.Token, true)
	_, err = redeem(t, s, code)
	requireCodeError(t, err, issuer.CodeUnknown)
}

func TestTransferCodeExpires(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{})
	code := transfer(t, s, root.Token)
	s.Clock.Advance(5*time.Minute + time.Second)
	_, err := redeem(t, s, code)
	requireCodeError(t, err, issuer.CodeExpired)

	// A token that expires before its code makes the code useless.
	short := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Expires: unix(s, time.Minute)}}})
	code = transfer(t, s, short.Token)
	s.Clock.Advance(2 * time.Minute)
	_, err = redeem(t, s, code)
	requireCodeError(t, err, issuer.CodeExpired)
}

// Revoking a code also revokes the token that was created for it. A token that existed
// before stays (protocol section 1.8).
//
// proves P6
func TestRevokeTransferCode(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	existing := transfer(t, s, root.Token)
	require.Zero(t, revoke(t, s, existing, false).Revoked)
	_, err := redeem(t, s, existing)
	requireCodeError(t, err, issuer.CodeUnknown)
	requireUsable(t, s, root.Token)

	created, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: root.Token, Client: client, Response: mytoken.Response{Type: mytoken.ResponseTransferCode}})
	require.NoError(t, err)
	_, err = s.Issuer.Revoke(ctx, issuer.RevokeRequest{Token: created.TransferCode, Provider: "https://elsewhere.example.org"})
	require.ErrorIs(t, err, issuer.ErrUnknownProvider)
	require.Equal(t, created.ID, revoke(t, s, created.TransferCode, false).Revoked)
	_, err = redeem(t, s, created.TransferCode)
	requireCodeError(t, err, issuer.CodeUnknown)
	require.False(t, stateOf(t, s).Tokens[1].Live)

	// A redeemed code is unknown.
	created, err = s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: root.Token, Client: client, Response: mytoken.Response{Type: mytoken.ResponseTransferCode}})
	require.NoError(t, err)
	child, err := redeem(t, s, created.TransferCode)
	require.NoError(t, err)
	require.Zero(t, revoke(t, s, created.TransferCode, false).Revoked)
	requireUsable(t, s, child.Token)

	// Revoking the code of a first token also revokes the login at the provider.
	first, err := s.LoginWith(ctx, "alice", issuer.LoginRequest{Response: mytoken.Response{Type: mytoken.ResponseTransferCode}, Client: client})
	require.NoError(t, err)
	require.True(t, revoke(t, s, first.Issued.TransferCode, false).AtProvider)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))
}
