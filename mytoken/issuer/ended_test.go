package issuer_test

import (
	"context"
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
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/seal"
)

// The state tells what became of a login, whoever got the token. It knows that until the
// token is revoked, or for the lifetime of a code. // proves P10
func TestEndedLogin(t *testing.T) {
	s := start(t, mytokentest.Options{})
	n := native(t, s, issuer.LoginRequest{Application: "nightly backup", ReturnTo: "x:y"})
	agreed := agreedProperties
	agreed.Restrictions = restriction.List{{Expires: s.Clock.Now().Add(time.Hour).Unix()}}
	begun, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreed)
	require.NoError(t, err)
	_, err = s.Issuer.EndedLogin(t.Context(), begun.State)
	requireCodeError(t, err, issuer.CodePending)

	back := browse(t, begun, "alice")
	back.Remember = true
	_, err = s.Issuer.FinishLogin(t.Context(), back)
	require.NoError(t, err)
	for range 2 { // looking uses nothing up
		got, err := s.Issuer.EndedLogin(t.Context(), begun.State)
		require.NoError(t, err)
		require.Equal(t, "nightly backup", got.Application)
		require.Equal(t, "x:y", got.ReturnTo)
		require.Equal(t, s.Provider.Issuer(), got.Provider)
		require.True(t, got.Polled)
		require.False(t, got.Declined)
		require.Nil(t, got.Failure)
		require.Equal(t, agreed, mytoken.Properties{Name: got.Record.Name, Capabilities: got.Record.Capabilities, Restrictions: got.Record.Restrictions})
		require.Equal(t, s.Clock.Now().Add(time.Hour), got.Record.Expires)
	}
	issued, err := poll(t, s, n)
	require.NoError(t, err)
	got, err := s.Issuer.EndedLogin(t.Context(), begun.State)
	require.NoError(t, err)
	require.Equal(t, issued.ID, got.Record.ID)
	for _, other := range []string{"", "x", n.ConsentCode.Reveal(), n.PollingCode.Reveal(), "ended " + begun.State.Reveal(), strings.Repeat("x", 1000)} {
		_, err = s.Issuer.EndedLogin(t.Context(), mytoken.NewSecret(other))
		requireCodeError(t, err, issuer.CodeUnknown)
	}
	again := back
	again.Query = url.Values{"state": {"ended " + begun.State.Reveal()}, "code": {"x"}}
	_, err = s.Issuer.FinishLogin(t.Context(), again)
	require.ErrorIs(t, err, issuer.ErrState)
	revoke(t, s, issued.Token, false)
	_, err = s.Issuer.EndedLogin(t.Context(), begun.State)
	requireCodeError(t, err, issuer.CodeUnknown)
}

// Without Remember nothing is kept. With it, the record expires like a code.
func TestEndedLoginIsForgotten(t *testing.T) {
	s := start(t, mytokentest.Options{})
	for _, remember := range []bool{false, true} {
		begun, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
		require.NoError(t, err)
		back := browse(t, begun, "alice")
		back.Remember = remember
		_, err = s.Issuer.FinishLogin(t.Context(), back)
		require.NoError(t, err)
		_, err = s.Issuer.EndedLogin(t.Context(), begun.State)
		if !remember {
			requireCodeError(t, err, issuer.CodeUnknown)
			continue
		}
		require.NoError(t, err)
		s.Clock.Advance(5*time.Minute + time.Second)
		_, err = s.Issuer.EndedLogin(t.Context(), begun.State)
		requireCodeError(t, err, issuer.CodeExpired)
	}
}

// A login that the user declined is known by its consent code.
func TestDeclinedLogin(t *testing.T) {
	s := start(t, mytokentest.Options{})
	n := native(t, s, issuer.LoginRequest{Application: "agent"})
	_, err := s.Issuer.EndedLogin(t.Context(), n.ConsentCode)
	requireCodeError(t, err, issuer.CodeUnknown)
	_, err = s.Issuer.Decline(t.Context(), n.ConsentCode)
	require.NoError(t, err)
	got, err := s.Issuer.EndedLogin(t.Context(), n.ConsentCode)
	require.NoError(t, err)
	require.Equal(t, &issuer.EndedLogin{Declined: true, Provider: s.Provider.Issuer(), Polled: true, Application: "agent"}, got)
}

// A login that failed is known with the reason, for the browser and the poller alike.
// proves P10
func TestFailedLoginSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		fault  optest.Fault
		policy error
		reason issuer.LoginReason
		code   string
		text   string
	}{
		"refused":          {optest.Fault{Refuse: "access_denied", RefuseText: "no, thanks"}, nil, issuer.LoginRefused, "access_denied", "no, thanks"},
		"no refresh token": {optest.Fault{NoRefreshToken: true}, nil, issuer.LoginNoRefreshToken, "server_error", "Did not receive a refresh token"},
		"policy":           {optest.Fault{}, errors.New("members only"), issuer.LoginForbidden, "access_denied", "members only"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, mytokentest.Options{
				Config: func(cfg *issuer.Config) {
					cfg.Policy = func(_ context.Context, s *issuer.Issuance) error {
						if s.Kind == issuer.PolicyConsent { // it has to know who logs in
							return nil
						}
						return c.policy
					}
				},
				Provider: optest.Options{Faults: func(p optest.FaultPoint) optest.Fault {
					if p.Endpoint == optest.EndpointExchange {
						return c.fault
					}
					return optest.Fault{}
				}},
			})
			n := native(t, s, issuer.LoginRequest{Application: "agent"})
			begun, err := s.Issuer.Approve(t.Context(), n.ConsentCode, mytoken.Properties{Capabilities: capability.Set{capability.AT}})
			require.NoError(t, err)
			back := browse(t, begun, "alice")
			back.Remember = true
			_, err = s.Issuer.FinishLogin(t.Context(), back)
			require.Error(t, err)
			got, err := s.Issuer.EndedLogin(t.Context(), begun.State)
			require.NoError(t, err)
			require.Nil(t, got.Record)
			require.Equal(t, "agent", got.Application)
			_, err = poll(t, s, n)
			polled := errAs[*issuer.CodeError](t, err).Login
			for _, failure := range []*issuer.LoginError{got.Failure, polled} {
				require.Equal(t, c.reason, failure.Reason)
				require.Equal(t, c.code, failure.Code)
				require.Equal(t, c.text, failure.Description)
			}
		})
	}
}

// The label of the embedding service comes back in lists. A program that asks for the same
// name and capabilities does not get it, and neither does a child.
func TestLabel(t *testing.T) {
	s := start(t, mytokentest.Options{})
	props := mytoken.Properties{Name: "session", Capabilities: capability.Set{capability.ManageMytokensList, capability.CreateMytoken}}
	ours, err := s.LoginWith(t.Context(), "alice", issuer.LoginRequest{Properties: props, Label: "session", Client: client})
	require.NoError(t, err)
	theirs := login(t, s, props)
	child, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: ours.Issued.Token, Properties: props, Client: client})
	require.NoError(t, err)
	for name, describe := range map[string]func(*mytoken.Record) bool{"in full": nil, "brief": func(*mytoken.Record) bool { return false }} {
		list, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Token: ours.Issued.Token, Client: client, Describe: describe})
		require.NoError(t, err)
		labels := make(map[mytoken.TokenID]string)
		var walk func([]*mytoken.Record)
		walk = func(records []*mytoken.Record) {
			for _, r := range records {
				labels[r.ID] = r.Label
				walk(r.Children)
			}
		}
		walk(list.Roots)
		require.Equal(t, map[mytoken.TokenID]string{ours.Issued.ID: "session", theirs.ID: "", child.ID: ""}, labels, name)
	}
	for _, bad := range []string{strings.Repeat("x", 65), "a\u202eb", "\xff"} {
		_, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Label: bad})
		require.Equal(t, "label", errAs[*issuer.RequestError](t, err).Field, "%q", bad)
	}
}

// A login that replaced the refresh token of a tree is known, too, until the token is
// revoked that asked for it.
func TestEndedReconnect(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	begun := reconnect(t, s, root.Token)
	back := browse(t, begun, "alice")
	back.Remember = true
	_, err := s.Issuer.FinishLogin(t.Context(), back)
	require.NoError(t, err)
	got, err := s.Issuer.EndedLogin(t.Context(), begun.State)
	require.NoError(t, err)
	require.Equal(t, &issuer.EndedLogin{Reconnected: true, Provider: s.Provider.Issuer(), ReturnTo: "/back"}, got)
	revoke(t, s, root.Token, false)
	_, err = s.Issuer.EndedLogin(t.Context(), begun.State)
	requireCodeError(t, err, issuer.CodeUnknown)
}

// Strangers can start logins and decline them, or let them fail. The store keeps what
// became of Limits.PendingLogins of them at most. The logins end all the same.
func TestEndedLoginsAreBounded(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Limits.PendingLogins = 3 }})
	ended := func(fail bool) mytoken.Secret {
		t.Helper()
		if !fail {
			n := native(t, s, issuer.LoginRequest{})
			_, err := s.Issuer.Decline(t.Context(), n.ConsentCode)
			require.NoError(t, err)
			_, err = poll(t, s, n)
			requireCodeError(t, err, issuer.CodeDeclined)
			return n.ConsentCode
		}
		begun, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
		require.NoError(t, err)
		back := browse(t, begun, "alice")
		back.Remember = true
		back.Query.Del("code")
		back.Query.Set("error", "access_denied")
		_, err = s.Issuer.FinishLogin(t.Context(), back)
		require.Equal(t, issuer.LoginRefused, errAs[*issuer.LoginError](t, err).Reason)
		return begun.State
	}
	for range 2 {
		known := 0
		for n := range 10 {
			if _, err := s.Issuer.EndedLogin(t.Context(), ended(n%2 == 0)); err == nil {
				known++
			}
		}
		require.Equal(t, 3, known)
		s.Clock.Advance(5*time.Minute + time.Second)
	}
}

// Nobody makes the proof of a browser from the state, and another login has another one. A
// process with the same keys knows it, also when it has a newer one.
func TestBrowserProof(t *testing.T) {
	old, fresh := seal.NewKey(), seal.NewKey()
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		ring, err := seal.NewRing(seal.RingConfig{Active: old})
		require.NoError(t, err)
		c.Seal = ring
	}})
	begun, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
	require.NoError(t, err)
	proof := s.Issuer.BrowserProof(begun.State)
	require.Len(t, proof.Reveal(), 43)
	require.True(t, s.Issuer.IsBrowserProof(begun.State, proof))
	for _, other := range []string{"", begun.State.Reveal(), proof.Reveal()[1:], proof.Reveal() + "x", s.Issuer.BrowserProof(mytoken.NewSecret("x")).Reveal()} {
		require.False(t, s.Issuer.IsBrowserProof(begun.State, mytoken.NewSecret(other)), other)
	}
	require.False(t, s.Issuer.IsBrowserProof(mytoken.Secret{}, mytoken.Secret{}))
	for _, ring := range []seal.RingConfig{{Active: fresh, Others: []seal.Key{old}}, {Active: fresh}} {
		config := s.Config
		config.Seal, err = seal.NewRing(ring)
		require.NoError(t, err)
		other, err := issuer.New(config)
		require.NoError(t, err)
		require.Equal(t, len(ring.Others) > 0, other.IsBrowserProof(begun.State, proof))
	}
}
