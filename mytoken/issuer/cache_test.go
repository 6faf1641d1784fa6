package issuer_test

import (
	"net/netip"
	"slices"
	"sync/atomic"
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
	"github.com/mytoken-go/sdk/store/storetest"
)

// untilTheEnd hands an access token out again as long as it lives.
var untilTheEnd = issuer.AccessTokenCache{MaxShare: 100}

const (
	freshEvent  = "AT_created: Used grant_type mytoken"
	cachedEvent = "AT_created: Used grant_type mytoken; returned a cached access token"
)

// cache is a service that hands access tokens out again.
type cache struct {
	*testing.T
	*mytokentest.Service
	faults *storetest.Faulty
}

func newCache(t *testing.T, of issuer.AccessTokenCache, opts mytokentest.Options) *cache {
	t.Helper()
	c := &cache{T: t}
	opts.Config = func(cfg *issuer.Config) {
		c.faults = storetest.NewFaulty(cfg.Store, nil)
		cfg.Store = c.faults
		cfg.Providers[0].AccessTokenCache = of
	}
	c.Service = start(t, opts)
	return c
}

// ask obtains an access token and waits until it is kept.
func (c *cache) ask(token mytoken.Secret, change ...func(*issuer.AccessTokenRequest)) *issuer.AccessToken {
	c.Helper()
	req := issuer.AccessTokenRequest{Token: token, Client: client}
	for _, f := range change {
		f(&req)
	}
	at, err := c.Issuer.AccessToken(c.Context(), req)
	require.NoError(c, err)
	require.NoError(c, c.Issuer.AwaitErrands(c.Context()))
	return at
}

// asked returns how often the provider was asked.
func (c *cache) asked() int { return c.Provider.Count(optest.Refreshed) }

// kept returns how many access tokens are kept.
func (c *cache) kept() int {
	c.Helper()
	return ticketsLeft(c.T, c.Service)
}

func (c *cache) used(id mytoken.TokenID) (used []int64) {
	c.Helper()
	info, err := c.Store.Token(c.Context(), id)
	require.NoError(c, err)
	for _, counter := range info.Counters {
		used = append(used, counter.ATUsed)
	}
	return used
}

func scoped(scopes ...string) func(*issuer.AccessTokenRequest) {
	return func(r *issuer.AccessTokenRequest) { r.Scopes = scopes }
}

func audience(audiences ...string) func(*issuer.AccessTokenRequest) {
	return func(r *issuer.AccessTokenRequest) { r.Audiences = audiences }
}

// Each condition lets an access token be handed out again up to an instant, and not after
// it. Such a request counts, is one step of the store, and touches no refresh token.
//
// proves P3
func TestAccessTokenCacheConditions(t *testing.T) {
	const lifetime, instant = time.Hour, time.Microsecond
	for name, c := range map[string]struct {
		of   issuer.AccessTokenCache
		last time.Duration // age; 0: never
	}{
		"off":                {issuer.AccessTokenCache{}, 0},
		"age":                {issuer.AccessTokenCache{MaxAge: 10 * time.Minute}, 10*time.Minute - instant},
		"age past the end":   {issuer.AccessTokenCache{MaxAge: 10 * lifetime}, lifetime - instant},
		"share":              {issuer.AccessTokenCache{MaxShare: 25}, lifetime/4 - instant},
		"whole share":        {untilTheEnd, lifetime - instant},
		"left":               {issuer.AccessTokenCache{MinLeft: 10 * time.Minute}, 50 * time.Minute},
		"more than is left":  {issuer.AccessTokenCache{MinLeft: 2 * lifetime}, 0},
		"hardly any is left": {issuer.AccessTokenCache{MinLeft: instant}, lifetime - instant},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCache(t, c.of, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict, AccessTokenLifetime: lifetime}})
			token := login(t, s.Service, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(9)}}})
			first := s.ask(token.Token)
			expires := first.Expires
			history := []string{freshEvent}
			if c.last == 0 {
				require.False(t, first.Token.Equal(s.ask(token.Token).Token))
				require.Equal(t, 2, s.asked())
				require.Zero(t, s.kept())
				return
			}
			require.Equal(t, 1, s.kept())
			for _, age := range []time.Duration{0, c.last / 2, c.last} {
				s.Clock.Advance(first.Expires.Add(-lifetime + age).Sub(s.Clock.Now()))
				s.faults.Reset(nil)
				again := s.ask(token.Token, func(r *issuer.AccessTokenRequest) { r.Comment = "more" })
				require.True(t, first.Token.Equal(again.Token), "after %s", age)
				require.Equal(t, expires.UnixNano(), again.Expires.UnixNano())
				require.Equal(t, first.Scopes, again.Scopes)
				require.Equal(t, first.Audiences, again.Audiences)
				require.Equal(t, first.TokenType, again.TokenType)
				steps := slices.DeleteFunc(s.faults.Trace(), ofHeartbeat)
				require.Equal(t, []storetest.Call{storetest.Before("Spend", 1), {Method: "Spend", N: 1}}, steps)
				history = append(history, cachedEvent+": more")
			}
			require.Equal(t, 1, s.asked())
			s.Clock.Advance(instant)
			later := s.ask(token.Token)
			require.False(t, first.Token.Equal(later.Token), "it is handed out for too long")
			require.Equal(t, 2, s.asked())
			require.True(t, later.Token.Equal(s.ask(token.Token).Token), "the newer one takes its place")
			require.Equal(t, 2, s.asked())
			require.Equal(t, 1, s.kept())
			require.Equal(t, []int64{6}, s.used(token.ID))
			require.Equal(t, append(history, freshEvent, cachedEvent), events(t, s.Service, token.ID)[1:])
		})
	}
}

// An access token is handed out again only to the mytoken that got it, for the same sets
// of scopes and audiences. The order does not matter.
//
// proves P1
func TestAccessTokenCacheIsExact(t *testing.T) {
	s := newCache(t, untilTheEnd, mytokentest.Options{})
	root := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities})
	child := derive(t, s.Service, root.Token, mytoken.Properties{})
	seen := make(map[string]bool)
	for name, ask := range map[string]func() *issuer.AccessToken{
		"everything":         func() *issuer.AccessToken { return s.ask(root.Token) },
		"everything, child":  func() *issuer.AccessToken { return s.ask(child.Token) },
		"one scope":          func() *issuer.AccessToken { return s.ask(root.Token, scoped("compute")) },
		"one scope, child":   func() *issuer.AccessToken { return s.ask(child.Token, scoped("compute")) },
		"another scope":      func() *issuer.AccessToken { return s.ask(root.Token, scoped("storage.read")) },
		"both scopes":        func() *issuer.AccessToken { return s.ask(root.Token, scoped("storage.read", "compute")) },
		"scopes in one word": func() *issuer.AccessToken { return s.ask(root.Token, scoped(`storage.read" "compute`)) },
		"audience":           func() *issuer.AccessToken { return s.ask(root.Token, audience("https://a.example")) },
		"another audience":   func() *issuer.AccessToken { return s.ask(root.Token, audience("https://b.example")) },
		"scope and audience": func() *issuer.AccessToken { return s.ask(root.Token, scoped("compute"), audience("https://a.example")) },
	} {
		if name == "scopes in one word" { // the provider would refuse it
			_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Scopes: []string{`storage.read" "compute`}, Client: client})
			require.Error(t, err)
			continue
		}
		before := s.asked()
		at := ask()
		require.Equal(t, before+1, s.asked(), name)
		require.False(t, seen[at.Token.Reveal()], name)
		seen[at.Token.Reveal()] = true
		require.True(t, at.Token.Equal(ask().Token), name)
		require.Equal(t, before+1, s.asked(), name)
	}
	before := s.asked()
	s.ask(root.Token, scoped("compute", "storage.read", "compute"))
	require.Equal(t, before, s.asked(), "another order")
}

// The answer of the provider must fit: its lifetime is known and ends with the clause, and
// the scopes are those of the clause. Answers that differ from the question are kept under
// the question.
//
// proves P1
func TestAccessTokenCacheKeepsWhatFits(t *testing.T) {
	answer := func(edit func(map[string]any)) optest.Options {
		return optest.Options{Faults: func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint != optest.EndpointRefresh {
				return optest.Fault{}
			}
			return optest.Fault{Edit: edit}
		}}
	}
	plain := answer(func(map[string]any) {})
	for name, c := range map[string]struct {
		provider optest.Options
		clause   func(now time.Time) restriction.Clause
		again    bool
	}{
		"within the clause": {plain, func(now time.Time) restriction.Clause {
			return restriction.Clause{Expires: now.Add(time.Hour).Unix() + 1}
		}, true},
		"past the clause": {plain, func(now time.Time) restriction.Clause {
			return restriction.Clause{Expires: now.Add(time.Hour).Unix() - 1}
		}, false},
		"no lifetime": {answer(func(a map[string]any) { delete(a, "expires_in") }),
			func(time.Time) restriction.Clause { return restriction.Clause{UsagesAT: usages(9)} }, false},
		"other scopes": {answer(func(a map[string]any) { a["scope"] = "compute" }),
			func(time.Time) restriction.Clause {
				return restriction.Clause{Scopes: []string{"compute", "storage.read"}}
			}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCache(t, untilTheEnd, mytokentest.Options{Provider: c.provider})
			token := login(t, s.Service, mytoken.Properties{Restrictions: restriction.List{c.clause(s.Clock.Now())}})
			first := s.ask(token.Token)
			again := s.ask(token.Token)
			require.Equal(t, c.again, first.Token.Equal(again.Token))
			if c.again {
				require.Equal(t, first.Scopes, again.Scopes)
			}
		})
	}
}

// An access token that is broader than the clause is neither handed out nor kept.
//
// proves P1
func TestAccessTokenCacheBroaderAnswer(t *testing.T) {
	s := newCache(t, untilTheEnd, mytokentest.Options{Provider: optest.Options{Faults: func(p optest.FaultPoint) optest.Fault {
		if p.Endpoint != optest.EndpointRefresh {
			return optest.Fault{}
		}
		return optest.Fault{Edit: func(answer map[string]any) { answer["scope"] = "compute storage.write" }}
	}}})
	token := login(t, s.Service, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute"}, UsagesAT: usages(2)}}})
	for range 2 {
		_, err := accessToken(t, s.Service, token.Token)
		errAs[*issuer.UpstreamError](t, err)
		require.NoError(t, s.Issuer.AwaitErrands(t.Context()))
	}
	require.Zero(t, s.kept())
	require.Equal(t, []int64{0}, s.used(token.ID))
}

// An access token serves only the clause that it was obtained for. A use that is charged
// to another clause is called off, so that counters and history tell the truth.
//
// proves P1, P3
func TestAccessTokenCacheOfAnotherClause(t *testing.T) {
	for _, named := range []bool{false, true} {
		s := newCache(t, untilTheEnd, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
		token := login(t, s.Service, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(2)}, {UsagesAT: usages(9)}}})
		var got []string
		for range 4 {
			got = append(got, s.ask(token.Token, func(r *issuer.AccessTokenRequest) {
				if named {
					r.ID = issuer.NewUseID()
				}
			}).Token.Reveal())
		}
		require.Equal(t, got[0], got[1])
		require.NotEqual(t, got[1], got[2], "the first clause is exhausted")
		require.Equal(t, got[2], got[3])
		require.Equal(t, 2, s.asked())
		require.Equal(t, []int64{2, 2}, s.used(token.ID))
		require.Equal(t, []string{freshEvent, cachedEvent, freshEvent, cachedEvent}, events(t, s.Service, token.ID)[1:])
	}

	// Clauses that are admitted at different places share nothing.
	s := newCache(t, untilTheEnd, mytokentest.Options{})
	elsewhere := client
	elsewhere.Address = netip.MustParseAddr("198.51.100.1")
	token := login(t, s.Service, mytoken.Properties{Restrictions: restriction.List{
		{Hosts: []string{client.Address.String()}}, {Hosts: []string{elsewhere.Address.String()}},
	}})
	there := func(r *issuer.AccessTokenRequest) { r.Client = elsewhere }
	first, other := s.ask(token.Token), s.ask(token.Token, there)
	require.False(t, first.Token.Equal(other.Token))
	require.True(t, first.Token.Equal(s.ask(token.Token).Token))
	require.True(t, other.Token.Equal(s.ask(token.Token, there).Token))
	require.Equal(t, []int64{2, 2}, s.used(token.ID))
}

// A kept access token spends the budget like any other, at once and on several nodes.
//
// proves P3
func TestAccessTokenCacheIsCharged(t *testing.T) {
	const limit, calls = 20, 32
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: limit, config: func(c *issuer.Config) { c.Providers[0].AccessTokenCache = untilTheEnd }})
	nodes := nodesOf(t, w, 2)
	var granted, refused atomic.Int64
	ids := make([]issuer.UseID, calls)
	for k := range ids {
		if k%2 == 0 {
			ids[k] = issuer.NewUseID()
		}
	}
	paralleltest.Do(calls, func(k int) {
		_, err := nodes[k%2].AccessToken(t.Context(), issuer.AccessTokenRequest{Token: w.token, ID: ids[k], Client: mytokentest.Client})
		switch {
		case err == nil:
			granted.Add(1)
		case assert.True(t, is[*issuer.RefusedError](err), "%v", err):
			refused.Add(1)
		}
	})
	require.EqualValues(t, limit, granted.Load())
	require.EqualValues(t, calls-limit, refused.Load())
	w.requireCharged(t, limit)
	for _, node := range nodes {
		require.NoError(t, node.AwaitErrands(t.Context()))
	}
	records, _, err := w.inner.Events(t.Context(), []mytoken.TokenID{w.id}, store.Page{Limit: 100})
	require.NoError(t, err)
	count := make(map[string]int)
	for _, r := range records {
		count[r.Comment]++
	}
	require.Equal(t, limit, count[freshEvent[len("AT_created: "):]]+count[cachedEvent[len("AT_created: "):]])
}

// One ID gets one access token and counts once. Two IDs may get the same one, and both
// count. The ID keeps its access token even when another one has taken its place.
//
// proves P3, P8
func TestAccessTokenCacheWithID(t *testing.T) {
	s := newCache(t, issuer.AccessTokenCache{MaxAge: time.Minute}, mytokentest.Options{})
	token := login(t, s.Service, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(9)}}})
	named := func(id issuer.UseID) func(*issuer.AccessTokenRequest) {
		return func(r *issuer.AccessTokenRequest) { r.ID = id }
	}
	one, two, three := issuer.NewUseID(), issuer.NewUseID(), issuer.NewUseID()
	first := s.ask(token.Token, named(one))
	require.True(t, first.Token.Equal(s.ask(token.Token, named(two)).Token))
	require.True(t, first.Token.Equal(s.ask(token.Token, named(two)).Token))
	require.Equal(t, []int64{2}, s.used(token.ID))
	require.Equal(t, 1, s.asked())
	s.Clock.Advance(2 * time.Minute)
	require.True(t, first.Token.Equal(s.ask(token.Token, named(two)).Token), "a repetition")
	require.Equal(t, 1, s.asked())
	later := s.ask(token.Token, named(three))
	require.False(t, first.Token.Equal(later.Token))
	for _, id := range []issuer.UseID{one, two} {
		require.True(t, first.Token.Equal(s.ask(token.Token, named(id)).Token), "a repetition")
	}
	require.Equal(t, []int64{3}, s.used(token.ID))
	require.Equal(t, []string{freshEvent, cachedEvent, freshEvent}, events(t, s.Service, token.ID)[1:])
}

// The step that makes the charge final, or its answer, gets lost. The repetition gets the
// same access token, and counts once.
//
// proves P3, P8
func TestAccessTokenCacheLostAnswers(t *testing.T) {
	for _, method := range []string{"Spend", "ChangeTickets"} {
		for _, before := range []bool{true, false} {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) { c.Providers[0].AccessTokenCache = untilTheEnd }})
			first, err := w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err)
			require.NoError(t, w.issuer.AwaitErrands(t.Context()))
			w.store.Reset(failFirst(method, 3, before))
			id := issuer.NewUseID()
			for {
				at, err := w.request(t.Context(), w.issuer, id)
				if err == nil {
					require.True(t, first.Token.Equal(at.Token), "%s %v", method, before)
					break
				}
				errAs[*issuer.StoreError](t, err)
			}
			w.requireCharged(t, 2)
			require.Len(t, w.events(optest.Refreshed), 1)
		}
	}
}

// The successor of a mytoken gets the access token of its predecessor, and each request
// rotates as always.
//
// proves P3
func TestAccessTokenCacheAcrossRotation(t *testing.T) {
	s := newCache(t, untilTheEnd, mytokentest.Options{})
	token := login(t, s.Service, mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true}, Restrictions: restriction.List{{UsagesAT: usages(9)}}})
	current := token.Token
	first := s.ask(current)
	for n := range 3 {
		at := s.ask(current)
		require.True(t, first.Token.Equal(at.Token))
		require.NotNil(t, at.Update, "request %d", n)
		current = at.Update.Token
	}
	require.Equal(t, 1, s.asked())
	require.Equal(t, []int64{4}, s.used(token.ID))
	requireDead(t, s.Service, token.Token, issuer.TokenOutdated)
}
