package issuer_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// A holder cannot turn one use into several access tokens by repeating its ID: at once,
// on several nodes, with other scopes, one after the other, or later.
//
// proves P3, P8
func TestOneUseIsOneAccessToken(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 1})
	nodes := nodesOf(t, w, 3)
	id := issuer.NewUseID()
	var mu sync.Mutex
	got := map[string]int{}
	ask := func(k int) {
		at, err := nodes[k%3].AccessToken(t.Context(), issuer.AccessTokenRequest{
			Token: w.token, ID: id, Scopes: distinctScopes[k%2], Client: mytokentest.Client,
		})
		if assert.NoError(t, err) {
			mu.Lock()
			defer mu.Unlock()
			got[at.Token.Reveal()]++
		}
	}
	paralleltest.Do(12, ask)
	for k := range 6 {
		ask(k)
	}
	require.Equal(t, 1, len(got), "access tokens")
	w.requireCharged(t, 1)

	w.clock.Advance(2 * time.Hour) // the access token has expired
	_, err := w.request(t.Context(), w.issuer, id)
	require.ErrorIs(t, err, issuer.ErrRepeatedID)
	w.requireCharged(t, 1)
}

// The mytoken is rotated between a request and its repetition, by whoever else uses it.
// The repetition with the successor is the same use.
//
// proves P3, P8
func TestRepeatedWithTheSuccessor(t *testing.T) {
	s := start(t, mytokentest.Options{})
	token := login(t, s, mytoken.Properties{
		Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true},
		Restrictions: restriction.List{{UsagesAT: usages(5)}},
	})
	ask := func(token mytoken.Secret, id issuer.UseID) *issuer.AccessToken {
		at, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token, ID: id, Client: client})
		require.NoError(t, err)
		return at
	}
	id := issuer.NewUseID()
	first := ask(token.Token, id) // its answer is lost
	others := ask(token.Token, issuer.NewUseID())
	require.True(t, first.Update.Token.Equal(others.Update.Token))
	again := ask(others.Update.Token, id)
	require.True(t, first.Token.Equal(again.Token))
	info, err := s.Store.Token(t.Context(), token.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, info.Counters[0].ATUsed)
}

// The access token that is kept for repetitions opens with what the store does not have,
// and is erased with the mytoken.
//
// proves P6, P7
func TestKeptAccessTokenIsSealed(t *testing.T) {
	s := start(t, mytokentest.Options{})
	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	req := issuer.AccessTokenRequest{Token: token.Token, ID: issuer.NewUseID(), Client: client}
	at, err := s.Issuer.AccessToken(t.Context(), req)
	require.NoError(t, err)
	dump, err := s.Store.(*memstore.Store).Dump(t.Context())
	require.NoError(t, err)
	require.Empty(t, storetest.FindSecrets(dump, at.Token.Reveal(), string(req.ID[:])))
	kept := func() (n int) {
		for _, item := range stateOf(t, s).Sealed {
			if item.Place.Kind == store.PlaceTicketPayload {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, kept())
	_, err = s.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: token.Token, Client: client})
	require.NoError(t, err)
	require.Zero(t, kept())
	_, err = s.Issuer.AccessToken(t.Context(), req)
	errAs[*issuer.TokenError](t, err)
}

// A list or a history is answered anew when its request is repeated. So a repetition is
// free for a short time only.
//
// proves P3
func TestRepeatedReadsEnd(t *testing.T) {
	s := start(t, mytokentest.Options{})
	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(3)}}})
	history, list := issuer.NewUseID(), issuer.NewUseID()
	read := func() (errs [2]error) {
		_, errs[0] = s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: token.Token, ID: history, Client: client})
		_, errs[1] = s.Issuer.List(t.Context(), issuer.InfoRequest{Token: token.Token, ID: list, Client: client})
		return errs
	}
	for range 3 {
		require.Equal(t, [2]error{}, read())
		s.Clock.Advance(time.Minute)
	}
	s.Clock.Advance(4 * time.Minute)
	for _, err := range read() {
		require.ErrorIs(t, err, issuer.ErrRepeatedID)
	}
	info, err := s.Store.Token(t.Context(), token.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, info.Counters[0].OtherUsed)
}

// The clause that was charged does not admit the repetition any more, while another one
// does: at another address, or later. The repetition gets nothing of the first clause. A
// request with a new ID is charged to the other clause.
//
// proves P1, P3
func TestRepeatedOutsideItsClause(t *testing.T) {
	elsewhere := client
	elsewhere.Address = netip.MustParseAddr("198.51.100.1")
	here := restriction.List{
		{Hosts: []string{client.Address.String()}, UsagesAT: usages(1), UsagesOther: usages(1)},
		{Hosts: []string{elsewhere.Address.String()}, UsagesAT: usages(1), UsagesOther: usages(1)},
	}
	for name, c := range map[string]struct {
		at   issuer.Client
		wait time.Duration
	}{"another address": {elsewhere, 0}, "later": {client, 10 * time.Minute}} {
		for _, kind := range []string{"access token", "history", "list", "subtree", "revocation"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.CodeLifetime = time.Hour }})
				list := here
				if c.wait > 0 {
					now := s.Clock.Now()
					list = restriction.List{
						{Expires: now.Add(c.wait / 2).Unix(), UsagesAT: usages(1), UsagesOther: usages(1)},
						{NotBefore: now.Add(c.wait / 2).Unix(), UsagesAT: usages(1), UsagesOther: usages(1)},
					}
				}
				token := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: list})
				other := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
				ask := func(id issuer.UseID, at issuer.Client) (err error) {
					switch kind {
					case "access token":
						_, err = s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, ID: id, Client: at})
					case "history":
						_, err = s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: token.Token, ID: id, Client: at})
					case "list":
						_, err = s.Issuer.List(t.Context(), issuer.InfoRequest{Token: token.Token, ID: id, Client: at})
					case "subtree":
						_, err = s.Issuer.Subtree(t.Context(), issuer.InfoRequest{Token: token.Token, ID: id, Client: at})
					case "revocation":
						_, err = s.Issuer.RevokeOther(t.Context(), issuer.RevokeOtherRequest{Token: token.Token, ID: id, Other: other.ID, Client: at})
					}
					return err
				}
				used := func() (used []int64) {
					info, err := s.Store.Token(t.Context(), token.ID)
					require.NoError(t, err)
					for _, c := range info.Counters {
						used = append(used, c.ATUsed+c.OtherUsed)
					}
					return used
				}
				id := issuer.NewUseID()
				require.NoError(t, ask(id, client))
				require.NoError(t, ask(id, client))
				require.Equal(t, []int64{1, 0}, used())
				s.Clock.Advance(c.wait)
				require.ErrorIs(t, ask(id, c.at), issuer.ErrRepeatedID)
				require.Equal(t, []int64{1, 0}, used())
				require.NoError(t, ask(issuer.NewUseID(), c.at))
				require.Equal(t, []int64{1, 1}, used())
				if c.wait == 0 {
					require.NoError(t, ask(id, client), "the first one still gets its answer")
					require.Equal(t, []int64{1, 1}, used())
				}
			})
		}
	}
}

// An access token that lives for seconds is kept no longer than it is valid: a repetition
// must not hand out one that has expired.
//
// proves P8
func TestKeptAccessTokenExpires(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{AccessTokenLifetime: 5 * time.Second}})
	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	req := issuer.AccessTokenRequest{Token: token.Token, ID: issuer.NewUseID(), Client: client}
	first, err := s.Issuer.AccessToken(t.Context(), req)
	require.NoError(t, err)
	s.Clock.Advance(4 * time.Second)
	again, err := s.Issuer.AccessToken(t.Context(), req)
	require.NoError(t, err)
	require.True(t, first.Token.Equal(again.Token))
	require.Equal(t, first.Expires.UnixNano(), again.Expires.UnixNano())
	s.Clock.Advance(time.Second)
	_, err = s.Issuer.AccessToken(t.Context(), req)
	require.ErrorIs(t, err, issuer.ErrRepeatedID)
}
