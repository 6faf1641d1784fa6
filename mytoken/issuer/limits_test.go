package issuer_test

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// bulky returns one clause with about the given number of KiB of JSON.
func bulky(kib int) restriction.List {
	c := restriction.Clause{}
	for n := range kib / 7 {
		c.Audiences = append(c.Audiences, "https://"+strings.Repeat(string(rune('a'+n)), 7<<10-12))
	}
	return restriction.List{c}
}

// counted returns n different clauses.
func counted(n int) (l restriction.List) {
	for k := range n {
		l = append(l, restriction.Clause{UsagesAT: usages(int64(k + 1))})
	}
	return l
}

// held returns how many tokens a list has, and how many bytes of JSON their restrictions
// have.
func held(t *testing.T, records []*mytoken.Record) (tokens, size int) {
	t.Helper()
	for _, r := range records {
		if r.Brief {
			require.Empty(t, r.Restrictions)
			require.Empty(t, r.Counters)
		}
		if len(r.Restrictions) > 0 {
			text, err := r.Restrictions.AppendJSON(nil)
			require.NoError(t, err)
			size += len(text)
		}
		n, below := held(t, r.Children)
		tokens, size = tokens+1+n, size+below
	}
	return tokens, size
}

// However large the restrictions of tokens are, a list keeps no more of them than
// Limits.ListBytes, and still names every token.
func TestListsHoldLittle(t *testing.T) {
	const budget = 2 << 20
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Limits = issuer.Limits{RestrictionBytes: 140 << 10, ListBytes: budget}
	}})
	root := login(t, s, mytoken.Properties{Name: "root", Capabilities: allCapabilities})
	for range 60 {
		derive(t, s, root.Token, mytoken.Properties{Restrictions: bulky(136)})
	}
	small := derive(t, s, root.Token, mytoken.Properties{Name: "small"})
	owner, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
	require.NoError(t, err)
	info := issuer.InfoRequest{Token: root.Token, Client: client}
	for name, read := range map[string]func() (*mytoken.Records, error){
		"list":          func() (*mytoken.Records, error) { return s.Issuer.List(t.Context(), info) },
		"subtree":       func() (*mytoken.Records, error) { return s.Issuer.Subtree(t.Context(), info) },
		"owner list":    func() (*mytoken.Records, error) { return owner.List(t.Context()) },
		"owner subtree": func() (*mytoken.Records, error) { return owner.Subtree(t.Context(), root.ID) },
	} {
		r, err := read()
		require.NoError(t, err, name)
		tokens, size := held(t, r.Roots)
		require.Equal(t, 62, tokens, name)
		require.False(t, r.Truncated, name)
		require.Greater(t, size, budget/4, name)
		require.LessOrEqual(t, size, budget/2, name)
		last := r.Roots[0].Children[60]
		require.Equal(t, "small", last.Name, name)
		require.False(t, last.Brief, "%s: there is room for it", name)
	}
	info.Describe = func(r *mytoken.Record) bool { return r.ID == small.ID }
	r, err := s.Issuer.List(t.Context(), info)
	require.NoError(t, err)
	tokens, size := held(t, r.Roots)
	require.Equal(t, []int{62, 0}, []int{tokens, size})
	require.Equal(t, small.Capabilities, r.Roots[0].Children[60].Capabilities)
	require.Empty(t, r.Roots[0].Capabilities)
}

// crowd is a store that lists many tokens before those that it has.
type crowd struct {
	store.Store
	before []store.TokenInfo
}

func (c crowd) List(ctx context.Context, owner store.OwnerID, page store.Page) ([]store.TokenInfo, string, error) {
	const last = "last"
	if page.After == last {
		return c.Store.List(ctx, owner, store.Page{Limit: page.Limit})
	}
	from, _ := strconv.Atoi(page.After)
	to := min(from+page.Limit, len(c.before))
	next := strconv.Itoa(to)
	if to == len(c.before) {
		next = last
	}
	return c.before[from:to], next, nil
}

// Tokens that have ended take no place of tokens that work, however many they are.
//
// proves P6
func TestEndedTokensTakeNoPlaceInLists(t *testing.T) {
	c := &crowd{Store: memstore.New()}
	s := start(t, mytokentest.Options{Store: c})
	root := login(t, s, mytoken.Properties{Name: "root", Capabilities: allCapabilities})
	derive(t, s, root.Token, mytoken.Properties{Name: "child"})
	past := store.At(s.Clock.Now().Add(-time.Minute))
	ended := func(n int, ancestors ...store.TokenID) (all []store.TokenInfo) {
		for k := range n {
			info := store.TokenInfo{Ancestors: ancestors, Live: k%2 == 0, Expires: past, Created: past}
			binary.BigEndian.PutUint64(info.ID[:], uint64(k+1))
			all = append(all, info)
		}
		return all
	}
	live := func(info store.TokenInfo, id byte, ancestors ...store.TokenID) store.TokenInfo {
		info.ID, info.Ancestors, info.Live, info.Expires = store.TokenID{id}, ancestors, true, 0
		return info
	}
	read := func() (*mytoken.Records, int) {
		r, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Token: root.Token, Client: client})
		require.NoError(t, err)
		n, _ := held(t, r.Roots)
		return r, n
	}
	trees := func(r *mytoken.Records) string {
		last := r.Roots[len(r.Roots)-1]
		require.Len(t, last.Children, 1)
		return last.Name + "(" + last.Children[0].Name + ")"
	}

	c.before = ended(issuer.MaxRecords - 2)
	r, n := read()
	require.Equal(t, issuer.MaxRecords, n)
	require.False(t, r.Truncated, "all have a place")
	require.Equal(t, "root(child)", trees(r))

	c.before = ended(issuer.MaxRecords + 500)
	parent := c.before[100].ID
	c.before[200] = live(c.before[200], 9, parent)
	c.before[issuer.MaxRecords+400] = live(c.before[0], 8, c.before[300].ID, c.before[150].ID, parent)
	r, n = read()
	require.True(t, r.Truncated)
	require.Equal(t, 1+1+2+2, n, "the first one, a parent, its two descendants, and the tokens that work")
	require.Equal(t, "root(child)", trees(r))
	require.Len(t, r.Roots[1].Children, 2, "below the nearest ancestor that is listed")

	c.before = ended(issuer.MaxRecords)
	for n := range c.before {
		c.before[n].Live, c.before[n].Expires = true, 0
	}
	r, n = read()
	require.True(t, r.Truncated)
	require.Equal(t, issuer.MaxRecords, n)
}

// Tokens that have ended take no more than half of the room for descriptions.
func TestEndedTokensLeaveRoomForDescriptions(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Limits = issuer.Limits{RestrictionBytes: 140 << 10, ListBytes: 1 << 20}
	}})
	root := login(t, s, mytoken.Properties{Name: "root", Capabilities: allCapabilities})
	for range 10 {
		child := derive(t, s, root.Token, mytoken.Properties{Restrictions: bulky(100)})
		revoke(t, s, child.Token, true)
	}
	derive(t, s, root.Token, mytoken.Properties{Name: "live", Restrictions: bulky(100)})
	r, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	children := r.Roots[0].Children
	require.Len(t, children, 11)
	require.False(t, children[0].Brief)
	require.True(t, children[9].Brief)
	require.Equal(t, "live", children[10].Name)
	require.False(t, children[10].Brief)
}

// A process reads a few lists at once, and one of each user. Further ones wait, and a
// request that waited in vain does not count.
func TestFewListsAtOnce(t *testing.T) {
	const atOnce = 4
	inside, goOn := make(chan struct{}), make(chan struct{})
	f := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, mytokentest.Options{Store: f})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	owner := func(subject string) *issuer.OwnerAccess {
		o, err := s.Issuer.Owner(s.Provider.Issuer(), subject)
		require.NoError(t, err)
		return o
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f.Reset(func(c storetest.Call) error {
		if c.Method == "List" && c.Before {
			inside <- struct{}{}
			<-goOn
		}
		return nil
	})
	errs := make(chan error, atOnce)
	for n := range atOnce {
		subject := []string{"alice", "bob", "carol", "dave"}[n]
		go func() {
			_, err := owner(subject).List(context.Background())
			errs <- err
		}()
		<-inside
		_, err := owner(subject).List(ended) // there is room, and not for the same user
		errAs[*issuer.BusyError](t, err)
	}
	for _, subject := range []string{"alice", "erin"} {
		_, err := owner(subject).List(ended)
		errAs[*issuer.BusyError](t, err)
	}
	for _, read := range []func(context.Context, issuer.InfoRequest) (*mytoken.Records, error){s.Issuer.List, s.Issuer.Subtree} {
		_, err := read(ended, issuer.InfoRequest{Token: root.Token, Client: client})
		errAs[*issuer.BusyError](t, err)
	}
	_, err := s.Issuer.History(ended, issuer.HistoryRequest{Token: root.Token, Of: []string{"children"}, Client: client})
	errAs[*issuer.BusyError](t, err)
	require.Equal(t, atOnce, f.Calls("List"))
	require.Zero(t, f.Calls("Spend"))
	close(goOn)
	for range atOnce {
		require.NoError(t, <-errs)
	}
	f.Reset(nil)
	_, err = owner("erin").List(t.Context())
	require.NoError(t, err)
}

// A token reads one list, or history, at a time, and three more may wait. So its holder
// delays others of the same user by no more than four.
func TestListsOfOneToken(t *testing.T) {
	for method, read := range map[string]func(*issuer.Issuer, mytoken.Secret) error{
		"List": func(i *issuer.Issuer, token mytoken.Secret) error {
			_, err := i.List(context.Background(), issuer.InfoRequest{Token: token, Client: client})
			return err
		},
		"Events": func(i *issuer.Issuer, token mytoken.Secret) error {
			_, err := i.History(context.Background(), issuer.HistoryRequest{Token: token, Client: client})
			return err
		},
	} {
		inside, goOn := make(chan struct{}, 6), make(chan struct{})
		f := storetest.NewFaulty(memstore.New(), nil)
		s := start(t, mytokentest.Options{Store: f, Config: func(c *issuer.Config) { c.WaitLimit = time.Hour }})
		greedy := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
		other := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
		f.Reset(func(c storetest.Call) error {
			if c.Method == method && c.Before {
				inside <- struct{}{}
				<-goOn
			}
			return nil
		})
		refused, done := make(chan error, 6), make(chan error, 6)
		ask := func(token mytoken.Secret) {
			if err := read(s.Issuer, token); is[*issuer.BusyError](err) {
				refused <- err
			} else {
				done <- err
			}
		}
		for range 5 {
			go ask(greedy.Token)
		}
		<-inside
		require.ErrorContains(t, <-refused, "busy", method)
		go ask(other.Token)
		require.Equal(t, 1, f.Calls(method), method)
		close(goOn)
		for range 5 {
			require.NoError(t, <-done, method)
		}
	}
}

// New tokens have bounded restrictions, whoever asks for them.
func TestLimitsAtIssue(t *testing.T) {
	var wide restriction.List // of the policy
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Limits = issuer.Limits{Clauses: 5, RestrictionBytes: 20 << 10}
		c.Policy = func(_ context.Context, i *issuer.Issuance) error {
			if wide != nil {
				i.Properties.Restrictions = wide
			}
			return nil
		}
	}})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: counted(5)})
	for _, list := range []restriction.List{counted(6), bulky(28)} {
		props := mytoken.Properties{Capabilities: allCapabilities, Restrictions: list}
		request := issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: props, Client: client}
		_, err := s.Issuer.StartLogin(ctx, request)
		requireRequestError(t, err, "restrictions")
		require.Regexp(t, `6 clauses, at most 5 are allowed|at most 20480 are allowed`, err.Error())
		_, err = s.Issuer.StartConsent(ctx, request)
		requireRequestError(t, err, "restrictions")
		a := adoption(s, mytoken.NewSecret("never used"))
		a.Properties = props
		_, err = s.Issuer.Adopt(ctx, a)
		requireRequestError(t, err, "restrictions")
		d := issuer.DeriveRequest{Token: root.Token, Properties: props, Client: client}
		for _, d.Adjust = range []bool{false, true} {
			_, err = s.Issuer.Derive(ctx, d)
			requireRequestError(t, err, "restrictions")
			_, err = s.Issuer.Preview(ctx, d)
			requireRequestError(t, err, "restrictions")
		}
		request.Properties.Restrictions = nil
		n, err := s.Issuer.StartConsent(ctx, request)
		require.NoError(t, err)
		_, err = s.Issuer.Approve(ctx, n.ConsentCode, props)
		requireRequestError(t, err, "restrictions")

		wide = list
		_, err = s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: root.Token, Client: client})
		errAs[*issuer.PolicyError](t, err)
		_, err = s.Login(ctx, "alice", mytoken.Properties{})
		errAs[*issuer.PolicyError](t, err)
		wide = nil
	}
	require.Len(t, derive(t, s, root.Token, mytoken.Properties{}).Restrictions, 5)
}

// Tokens that exist stay usable when the limits become narrower, and their children may
// be like them.
func TestOlderTokensBeyondTheLimits(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Limits = issuer.Limits{Clauses: 300, RestrictionBytes: 140 << 10}
	}})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: counted(300)})
	config := s.Config
	config.Limits = issuer.Limits{}
	later, err := issuer.New(config)
	require.NoError(t, err)
	s.Issuer = later
	requireUsable(t, s, root.Token)
	require.Len(t, derive(t, s, root.Token, mytoken.Properties{}).Restrictions, 300)
	_, err = later.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Restrictions: counted(257)}, Client: client})
	requireRequestError(t, err, "restrictions")
}

// A token makes no more children than the user may have tokens. Its user can log in all
// the same.
func TestTokensPerUser(t *testing.T) {
	const most = 4
	f := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, mytokentest.Options{Store: f, Config: func(c *issuer.Config) {
		c.Limits.TokensPerUser, c.Retention = most, time.Hour
	}})
	other, err := issuer.New(s.Config) // another process
	require.NoError(t, err)
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	refused := func(i *issuer.Issuer) {
		t.Helper()
		request := issuer.DeriveRequest{Token: root.Token, Client: client}
		_, err := i.Derive(t.Context(), request)
		require.Equal(t, issuer.RequestTooManyTokens, errAs[*issuer.RequestError](t, err).Code)
		require.ErrorContains(t, err, "4 tokens")
		_, err = i.Preview(t.Context(), request)
		require.Equal(t, issuer.RequestTooManyTokens, errAs[*issuer.RequestError](t, err).Code)
	}
	for range most - 1 {
		derive(t, s, root.Token, mytoken.Properties{})
	}
	require.Equal(t, 1, f.Calls("Count"), "the process counts on")
	spent := f.Calls("CreateChild")
	refused(s.Issuer)
	refused(other)
	refused(s.Issuer)
	require.Equal(t, spent, f.Calls("CreateChild"))
	require.Equal(t, 2, f.Calls("Count"))

	login(t, s, mytoken.Properties{})
	bob, err := s.Login(t.Context(), "bob", mytoken.Properties{Capabilities: allCapabilities})
	require.NoError(t, err)
	derive(t, s, bob.Token, mytoken.Properties{})

	// Deleted tokens make room.
	revoke(t, s, derive(t, s, bob.Token, mytoken.Properties{}).Token, true)
	tree, err := s.Issuer.Subtree(t.Context(), issuer.InfoRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	owner, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
	require.NoError(t, err)
	for _, child := range tree.Roots[0].Children {
		require.NoError(t, owner.Revoke(t.Context(), child.ID, true, client))
	}
	refused(s.Issuer)
	s.Clock.Advance(2 * time.Hour)
	_, err = s.Issuer.Sweep(t.Context(), 100)
	require.NoError(t, err)
	derive(t, s, root.Token, mytoken.Properties{})

	config := s.Config
	config.Limits.TokensPerUser = -1
	s.Issuer, err = issuer.New(config)
	require.NoError(t, err)
	for range 2 * most {
		derive(t, s, root.Token, mytoken.Properties{})
	}
}

// A request names at most 256 scopes and audiences of at most 8 KiB each. More are
// refused before anything else, and cost nothing.
func TestManyRequestedScopes(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Scopes: []string{"compute"}}, {Scopes: []string{"storage.read"}}}})
	many := make([]string, 300_000)
	for n := range many {
		many[n] = strconv.Itoa(n)
	}
	for _, list := range [][]string{many, many[:257], {strings.Repeat("a", 8<<10), "b"}} {
		_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Scopes: list, Client: client})
		requireRequestError(t, err, "scope")
		_, err = s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Audiences: list, Client: client})
		requireRequestError(t, err, "audience")
		_, err = s.Issuer.Explain(t.Context(), issuer.ExplainRequest{Token: root.Token, Scopes: list, Client: client})
		requireRequestError(t, err, "scope")
	}
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Scopes: many[:256], Client: client})
	requireRefused(t, err, restriction.KeyScope)
	_, err = s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: root.Token, Of: many, Client: client})
	requireRequestError(t, err, "mom_ids")
	_, err = s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Scopes: []string{" compute", "", "compute "}, Client: client})
	require.NoError(t, err, "trimmed, and without empty ones")
}
