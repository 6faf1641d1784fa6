package issuer_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// native starts a login with polling.
func native(t *testing.T, s *mytokentest.Service, req issuer.LoginRequest) *issuer.NativeLogin {
	t.Helper()
	req.Provider = s.Provider.Issuer()
	n, err := s.Issuer.StartNative(t.Context(), req)
	require.NoError(t, err)
	return n
}

func poll(t *testing.T, s *mytokentest.Service, n *issuer.NativeLogin) (*mytoken.Issued, error) {
	t.Helper()
	return s.Issuer.Poll(t.Context(), issuer.PollRequest{Code: n.PollingCode, Client: client})
}

// agree approves what was asked for and finishes the login.
func agree(t *testing.T, s *mytokentest.Service, n *issuer.NativeLogin, agreed mytoken.Properties) *issuer.LoginResult {
	t.Helper()
	login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreed)
	require.NoError(t, err)
	result, err := s.Follow(t.Context(), "alice", login)
	require.NoError(t, err)
	return result
}

var agreedProperties = mytoken.Properties{Name: "agreed", Capabilities: capability.Set{capability.AT}}

// The native flow of protocol section 6.1. The user changes what was asked for.
//
// proves P7
func TestNativeLogin(t *testing.T) {
	s := start(t, mytokentest.Options{})
	asked := mytoken.Properties{
		Name: "asked", Capabilities: capability.Set{capability.AT, capability.Tokeninfo},
		Restrictions: restriction.List{{Scopes: []string{"compute"}}}, Rotation: &mytoken.Rotation{OnAT: true},
	}
	n := native(t, s, issuer.LoginRequest{
		Properties: asked, Application: "agent", ReturnTo: "agent:", Response: mytoken.Response{MaxLength: 100},
		Client: issuer.Client{Address: netip.MustParseAddr("198.51.100.9")},
	})
	require.GreaterOrEqual(t, len(n.ConsentCode.Reveal()), 12)
	raw, err := base64.RawURLEncoding.DecodeString(n.PollingCode.Reveal())
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(raw)*8, 128)
	require.Less(t, len(n.PollingCode.Reveal()), 32)
	require.Equal(t, 5*time.Second, n.Interval)
	require.Equal(t, s.Clock.Now().Add(5*time.Minute), n.Expires)

	_, err = poll(t, s, n)
	requireCodeError(t, err, issuer.CodePending)
	shown, err := s.Issuer.Consent(t.Context(), n.ConsentCode)
	require.NoError(t, err)
	require.Equal(t, &issuer.ConsentRequest{
		Provider: s.Provider.Issuer(), Application: "agent", Properties: asked, ReturnTo: "agent:", Address: "198.51.100.9",
		Response: mytoken.Response{Type: mytoken.ResponseToken, MaxLength: 100}, Polled: true, Expires: n.Expires,
	}, shown)

	// The user removes a capability and the rotation, and adds another capability.
	agreed := mytoken.Properties{Name: "agreed", Capabilities: capability.Set{capability.AT, capability.CreateMytoken}, Restrictions: asked.Restrictions}
	login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreed)
	require.NoError(t, err)
	_, err = poll(t, s, n)
	requireCodeError(t, err, issuer.CodePending)
	result, err := s.Follow(t.Context(), "alice", login)
	require.NoError(t, err)
	require.True(t, result.Polled)
	require.Nil(t, result.Issued, "the token is for who polls")
	require.Equal(t, "agent", result.Application)
	require.Equal(t, "agent:", result.ReturnTo)

	// Exactly one of many pollers gets the token.
	values, errs := atOnce(8, func() (*mytoken.Issued, error) { return poll(t, s, n) })
	won := winners(values, errs)
	require.Len(t, won, 1)
	for _, err := range errs {
		if err != nil {
			requireCodeError(t, err, issuer.CodeUnknown)
		}
	}
	issued := won[0]
	require.Equal(t, mytoken.ResponseShortToken, issued.Type)
	require.Equal(t, "agreed", issued.Claims.Name())
	require.Equal(t, agreed.Capabilities, issued.Capabilities)
	require.Nil(t, issued.Claims.Rotation())
	require.Equal(t, []string{"created: Used grant_type oidc_flow authorization_code", "transfer_code_used"}, events(t, s, issued.ID))
	requireUsable(t, s, issued.Token)
	require.Equal(t, 1, ticketsLeft(t, s), "nothing is left but the short token")
}

// An addition of the user is stored, too (D65).
func TestApproveAddsRotation(t *testing.T) {
	s := start(t, mytokentest.Options{})
	n := native(t, s, issuer.LoginRequest{})
	agreed := agreedProperties
	agreed.Rotation = &mytoken.Rotation{OnAT: true}
	agree(t, s, n, agreed)
	issued, err := poll(t, s, n)
	require.NoError(t, err)
	require.Equal(t, agreed.Rotation, issued.Claims.Rotation())
}

// Without a poller, the browser that consents gets the token.
func TestConsentWithoutPolling(t *testing.T) {
	s := start(t, mytokentest.Options{})
	n, err := s.Issuer.StartConsent(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: mytoken.Properties{
		Restrictions: restriction.List{{UsagesAT: usages(1)}, {UsagesAT: usages(1)}},
	}})
	require.NoError(t, err)
	require.True(t, n.PollingCode.IsEmpty())
	shown, err := s.Issuer.Consent(t.Context(), n.ConsentCode)
	require.NoError(t, err)
	require.False(t, shown.Polled)
	require.Equal(t, capability.Default(), shown.Properties.Capabilities)
	require.Equal(t, restriction.List{{UsagesAT: usages(1)}}, shown.Properties.Restrictions, "as they will count")
	result := agree(t, s, n, agreedProperties)
	require.False(t, result.Polled)
	requireUsable(t, s, result.Issued.Token)
	require.Zero(t, ticketsLeft(t, s))
}

// A consent code can be approved or declined once (D67, D68).
func TestConsentIsAnsweredOnce(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	type answer = func(n *issuer.NativeLogin) error
	approve := func(n *issuer.NativeLogin) error {
		_, err := s.Issuer.Approve(ctx, n.ConsentCode, agreedProperties)
		return err
	}
	decline := func(n *issuer.NativeLogin) error {
		_, err := s.Issuer.Decline(ctx, n.ConsentCode)
		return err
	}
	for name, c := range map[string]struct{ first, second answer }{
		"approve twice":         {approve, approve},
		"approve, then decline": {approve, decline},
		"decline, then approve": {decline, approve},
		"decline twice":         {decline, decline},
	} {
		t.Run(name, func(t *testing.T) {
			n := native(t, s, issuer.LoginRequest{})
			require.NoError(t, c.first(n))
			requireCodeError(t, c.second(n), issuer.CodeUnknown)
			_, err := s.Issuer.Consent(ctx, n.ConsentCode)
			requireCodeError(t, err, issuer.CodeUnknown)
		})
	}

	n := native(t, s, issuer.LoginRequest{})
	logins, errs := atOnce(8, func() (*issuer.Login, error) { return s.Issuer.Approve(ctx, n.ConsentCode, agreedProperties) })
	require.Len(t, winners(logins, errs), 1)
}

// Properties that must not be issued are refused, and the user can correct them.
func TestApproveRefusesProperties(t *testing.T) {
	s := start(t, mytokentest.Options{})
	n := native(t, s, issuer.LoginRequest{})
	before := stateOf(t, s)
	for field, agreed := range map[string]mytoken.Properties{
		"capabilities": {},
		"name":         {Name: string(make([]byte, 5)), Capabilities: capability.Default()},
		"restrictions": {Capabilities: capability.Default(), Restrictions: restriction.List{{}}},
	} {
		_, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreed)
		requireRequestError(t, err, field)
	}
	_, err := s.Issuer.Approve(t.Context(), n.ConsentCode, mytoken.Properties{Capabilities: capability.Set{"everything"}})
	requireRequestError(t, err, "capabilities")
	requireUnchanged(t, s, before)
	agree(t, s, n, agreedProperties)
}

// A poller can tell declined, failed and expired logins apart (protocol section 5.4.2,
// D71), also when it asks again.
func TestHowALoginEnds(t *testing.T) {
	var deny knob[string]
	s := start(t, mytokentest.Options{
		Provider: optest.Options{Decide: func(optest.AuthorizationRequest) optest.Decision { return optest.Decision{Error: deny.get()} }},
		Config: func(c *issuer.Config) {
			c.Policy = func(_ context.Context, s *issuer.Issuance) error {
				if s.Kind == issuer.PolicyLogin && s.Properties.Name == "forbidden" {
					return errors.New("not with this name")
				}
				return nil
			}
		},
	})
	ctx := t.Context()
	end := func(n *issuer.NativeLogin, agreed mytoken.Properties) error {
		login, err := s.Issuer.Approve(ctx, n.ConsentCode, agreed)
		require.NoError(t, err)
		_, err = s.Follow(ctx, "alice", login)
		return err
	}

	declined := native(t, s, issuer.LoginRequest{Application: "app", ReturnTo: "back"})
	d, err := s.Issuer.Decline(ctx, declined.ConsentCode)
	require.NoError(t, err)
	require.Equal(t, &issuer.Declined{Application: "app", ReturnTo: "back", Polled: true}, d)

	failed := native(t, s, issuer.LoginRequest{})
	deny.set("login_required")
	require.Equal(t, "login_required", errAs[*issuer.LoginError](t, end(failed, agreedProperties)).Code)
	deny.set("")

	refused := native(t, s, issuer.LoginRequest{})
	errAs[*issuer.PolicyError](t, end(refused, mytoken.Properties{Name: "forbidden", Capabilities: capability.Default()}))

	for range 2 {
		_, err = poll(t, s, declined)
		requireCodeError(t, err, issuer.CodeDeclined)
		_, err = poll(t, s, failed)
		require.Equal(t, "login_required", requireCodeError(t, err, issuer.CodeFailed).Login.Code)
		_, err = poll(t, s, refused)
		login := requireCodeError(t, err, issuer.CodeFailed).Login
		require.Equal(t, "access_denied", login.Code)
		require.Equal(t, "not with this name", login.Description)
	}

	waiting := native(t, s, issuer.LoginRequest{})
	s.Clock.Advance(5*time.Minute + time.Second)
	for range 2 {
		_, err = poll(t, s, waiting)
		requireCodeError(t, err, issuer.CodeExpired)
		_, err = s.Issuer.Consent(ctx, waiting.ConsentCode)
		requireCodeError(t, err, issuer.CodeExpired)
		_, err = s.Issuer.Approve(ctx, waiting.ConsentCode, agreedProperties)
		requireCodeError(t, err, issuer.CodeExpired)
		_, err = s.Issuer.Decline(ctx, waiting.ConsentCode)
		requireCodeError(t, err, issuer.CodeExpired)
	}
	require.NotZero(t, ticketsLeft(t, s))
	_, err = s.Issuer.Sweep(ctx, 3)
	require.NoError(t, err)
	require.Zero(t, ticketsLeft(t, s), "expired codes are erased")
	_, err = poll(t, s, waiting)
	requireCodeError(t, err, issuer.CodeExpired)
	s.Clock.Advance(25 * time.Hour)
	_, err = s.Issuer.Sweep(ctx, 3)
	require.NoError(t, err)
	_, err = poll(t, s, waiting)
	requireCodeError(t, err, issuer.CodeUnknown)
}

// A polling code is revoked while the user logs in. Neither a token that nobody holds nor
// a refresh token is left.
//
// proves P6
func TestRevokedPollingCode(t *testing.T) {
	s := start(t, mytokentest.Options{})
	n := native(t, s, issuer.LoginRequest{})
	login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreedProperties)
	require.NoError(t, err)
	back := browse(t, login, "alice")
	require.Zero(t, revoke(t, s, n.PollingCode, false).Revoked)
	_, err = poll(t, s, n)
	requireCodeError(t, err, issuer.CodeUnknown)
	_, err = s.Issuer.FinishLogin(t.Context(), back)
	require.Equal(t, "access_denied", errAs[*issuer.LoginError](t, err).Code)
	require.Empty(t, stateOf(t, s).Tokens)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))
	require.Zero(t, ticketsLeft(t, s))

	// After the login was finished, the token is revoked with its code.
	n = native(t, s, issuer.LoginRequest{})
	agree(t, s, n, agreedProperties)
	r := revoke(t, s, n.PollingCode, false)
	require.False(t, r.Revoked.IsZero())
	require.True(t, r.AtProvider)
	_, err = poll(t, s, n)
	requireCodeError(t, err, issuer.CodeUnknown)
	require.False(t, stateOf(t, s).Tokens[0].Live)
	require.Equal(t, 2, s.Provider.Count(optest.Revoked))
}

// The same if the login is finished during the revocation.
//
// proves P6
func TestRevokedPollingCodeMeanwhile(t *testing.T) {
	mem := memstore.New()
	var meanwhile func()
	faulty := storetest.NewFaulty(mem, func(c storetest.Call) error {
		if c.Method == "ChangeTickets" && c.Before && meanwhile != nil {
			f := meanwhile
			meanwhile = nil
			f()
		}
		return nil
	})
	s := start(t, mytokentest.Options{Store: faulty})
	n := native(t, s, issuer.LoginRequest{})
	login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreedProperties)
	require.NoError(t, err)
	back := browse(t, login, "alice")
	finished := false
	meanwhile = func() {
		result, err := s.Issuer.FinishLogin(t.Context(), back)
		finished = err == nil && result.Polled
	}
	r := revoke(t, s, n.PollingCode, false)
	require.True(t, finished)
	require.False(t, r.Revoked.IsZero())
	infos, _, err := mem.List(t.Context(), mytoken.Owner(s.Provider.Issuer(), "alice"), store.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, infos, 1)
	require.False(t, infos[0].Live)
}
