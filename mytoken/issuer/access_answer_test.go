package issuer_test

import (
	"net/http"
	"slices"
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
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// An access token that is broader than its clause is withheld and reported, and the use
// is refunded.
//
// proves P1, P3
func TestBroaderAnswersAreWithheld(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault optest.Fault
	}{
		{"another scope", optest.Fault{Scopes: []string{"storage.write"}}},
		{"one scope more", optest.Fault{Scopes: []string{"compute", "storage.read", "storage.write"}}},
		{"more in the token than in the answer", optest.Fault{Scopes: []string{"compute", "storage.write"}, Edit: func(a map[string]any) { a["scope"] = "compute" }}},
		{"more in the token, none in the answer", optest.Fault{Scopes: []string{"compute", "storage.write"}, NoScope: true}},
		{"another audience", optest.Fault{Audiences: []string{"https://elsewhere.example.org"}}},
		{"one audience more", optest.Fault{Audiences: []string{worldAudience, "https://elsewhere.example.org"}}},
		{"opaque", optest.Fault{Edit: func(a map[string]any) { a["access_token"] = "opaque" }}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 5})
			w.failOnce(c.fault)
			at, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.Nil(t, at)
			upstream := errAs[*issuer.UpstreamError](t, err)
			require.Equal(t, http.StatusBadGateway, upstream.Status)
			require.False(t, upstream.Charged)
			require.Equal(t, 1, w.told(issuer.NoticeBroaderAnswer))
			require.Zero(t, w.told(issuer.NoticeAccessToken))
			w.requireCharged(t, 0)
			// The refresh token that came with it was kept.
			_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.NoError(t, err)
			require.Zero(t, w.reuses())
		})
	}
}

// A narrower access token is handed out, and the answer says what it is good for.
//
// proves P1
func TestNarrowerAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  optest.Fault
		scopes []string
	}{
		{"as asked", optest.Fault{}, []string{"compute"}},
		{"not stated", optest.Fault{NoScope: true}, []string{"compute"}},
		{"another of the clause", optest.Fault{Scopes: []string{"storage.read"}}, []string{"storage.read"}},
		{"with offline_access", optest.Fault{Scopes: []string{"compute", "offline_access"}}, []string{"compute", "offline_access"}},
		{"none", optest.Fault{Scopes: []string{}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, optest.RotateOff, worldOptions{limit: 5})
			w.failOnce(c.fault)
			at, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.NoError(t, err)
			require.ElementsMatch(t, c.scopes, at.Scopes)
			require.Equal(t, []string{worldAudience}, at.Audiences)
			w.requireCharged(t, 1)
		})
	}
}

// An opaque access token may be good for any audience.
//
// proves P1
func TestOpaqueAccessTokens(t *testing.T) {
	for _, insecure := range []bool{false, true} {
		w := newWorld(t, optest.RotateOff, worldOptions{limit: 5, config: func(c *issuer.Config) {
			c.Providers[0].InsecureOpaqueAudience = insecure
		}})
		w.failOnce(optest.Fault{Edit: func(a map[string]any) { a["access_token"] = "opaque" }})
		at, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		if insecure {
			require.NoError(t, err)
			require.Equal(t, "opaque", at.Token.Reveal())
			require.Empty(t, at.Audiences)
			continue
		}
		errAs[*issuer.UpstreamError](t, err)
	}
	// Without a limit on audiences there is nothing to know.
	s := start(t, mytokentest.Options{Provider: optest.Options{OpaqueAccessTokens: true}})
	token := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute"}}}})
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, Client: mytokentest.Client})
	require.NoError(t, err)
}

// An access token that expires after its clause, or after the window of its schedule, is
// reported. It is withheld if the operator wants that.
func TestAccessTokenOutlivesItsClause(t *testing.T) {
	for _, withhold := range []bool{false, true} {
		s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.WithholdLongAccessTokens = withhold }})
		told := 0
		cfg := s.Config
		cfg.Observer = countNotices(&told, issuer.NoticeLongAccessToken)
		iss, err := issuer.New(cfg)
		require.NoError(t, err)
		for name, test := range map[string]struct {
			clause   restriction.Clause
			outlives bool
		}{
			"end":           {restriction.Clause{Expires: s.Clock.Now().Add(time.Minute).Unix()}, true},
			"later end":     {restriction.Clause{Expires: s.Clock.Now().Add(24 * time.Hour).Unix()}, false},
			"window":        {restriction.Clause{Schedule: &restriction.Schedule{From: "07:00", To: "08:01"}}, true}, // it is 08:00
			"longer window": {restriction.Clause{Schedule: &restriction.Schedule{From: "07:00", To: "20:00"}}, false},
			"whole days":    {restriction.Clause{Schedule: &restriction.Schedule{Days: []int{5}}}, false},
		} {
			told = 0
			test.clause.UsagesAT = restriction.Usages(3)
			token := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.Tokeninfo}, Restrictions: restriction.List{test.clause}})
			_, err = iss.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, Client: mytokentest.Client})
			require.Equal(t, withhold && test.outlives, err != nil, "%s: %v", name, err)
			require.Equal(t, map[bool]int{true: 1, false: 0}[test.outlives], told, name)
			info, err := iss.Introspect(t.Context(), issuer.IntrospectRequest{Token: token.Token, Client: mytokentest.Client})
			require.NoError(t, err)
			require.EqualValues(t, map[bool]int64{false: 1, true: 0}[withhold && test.outlives], info.Counters[0].ATUsed, name)
		}
	}
}

// A refunded use leaves no event in the history.
//
// proves P3
func TestRefundedUseLeavesNoEvent(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 3})
	for _, down := range []bool{false, true, false} {
		w.down.Store(down)
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.Equal(t, down, err != nil)
	}
	history, err := w.issuer.History(t.Context(), issuer.HistoryRequest{Token: w.token, Client: mytokentest.Client})
	require.NoError(t, err)
	events := slices.DeleteFunc(history.Events, func(e mytoken.Event) bool { return e.Name != issuer.EventATCreated })
	require.Len(t, events, 2)
}

// If the store does not say whether the token is still live after the provider has
// answered, nothing is handed out and nothing is lost.
//
// proves P2, P5
func TestLivenessIsNotKnown(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 1})
	w.store.Reset(failFirst("Token", 3, true))
	_, err := w.request(t.Context(), w.issuer, store.UseID{})
	require.ErrorIs(t, err, storetest.ErrFault)
	w.requireCharged(t, 0)
	_, err = w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	require.Zero(t, w.reuses())
}

// A provider that throttles is left alone until its wait is over. No request counts
// meanwhile.
//
// proves P3
func TestThrottlingProviderIsLeftAlone(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 5})
	asked := 0
	w.fault(func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint != optest.EndpointRefresh {
			return optest.Fault{}
		}
		if asked++; asked == 1 {
			return optest.Fault{Throttle: 30 * time.Second}
		}
		return optest.Fault{}
	})
	for range 3 {
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.Equal(t, http.StatusServiceUnavailable, errAs[*issuer.UpstreamError](t, err).Status)
		require.ErrorIs(t, err, oidcupstream.ErrThrottled)
		w.requireCharged(t, 0)
	}
	require.Equal(t, 1, asked)
	w.clock.Advance(30 * time.Second)
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.Equal(t, 2, asked)
	require.Zero(t, w.reuses())
}
