package issuer_test

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	_ "github.com/mytoken-go/sdk/internal/ownfile/ownfiletest" // sets the umask
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

var client = mytokentest.Client

// allCapabilities are those of a token that users keep for themselves.
var allCapabilities = capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo, capability.ManageMytokens}

// start starts a service that is closed at the end of the test.
func start(t *testing.T, opts mytokentest.Options) *mytokentest.Service {
	t.Helper()
	s, err := mytokentest.Start(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// login returns a first token of alice.
func login(t *testing.T, s *mytokentest.Service, props mytoken.Properties) *mytoken.Issued {
	t.Helper()
	issued, err := s.Login(t.Context(), "alice", props)
	require.NoError(t, err)
	return issued
}

// is reports whether an error of type E is in the chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// errAs checks that an error of type E is in the chain, and returns it.
func errAs[E error](t testing.TB, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	require.True(t, ok, "%T: %v", err, err)
	return e
}

func requireTokenError(t *testing.T, err error, reason issuer.TokenReason) {
	t.Helper()
	require.Equal(t, reason.String(), errAs[*issuer.TokenError](t, err).Reason.String())
}

func requireCodeError(t *testing.T, err error, reason issuer.CodeReason) *issuer.CodeError {
	t.Helper()
	e := errAs[*issuer.CodeError](t, err)
	require.Equal(t, reason, e.Reason, "%v", err)
	return e
}

func requireRequestError(t *testing.T, err error, field string) {
	t.Helper()
	require.Equal(t, field, errAs[*issuer.RequestError](t, err).Field, "%v", err)
}

// requireRefused checks that exactly these keys objected.
func requireRefused(t *testing.T, err error, keys ...string) *restriction.Explanation {
	t.Helper()
	e := errAs[*issuer.RefusedError](t, err).Explanation
	require.Equal(t, keys, e.Keys(), "%s", e)
	return e
}

func derive(t *testing.T, s *mytokentest.Service, parent mytoken.Secret, props mytoken.Properties) *mytoken.Issued {
	t.Helper()
	issued, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: parent, Properties: props, Client: client})
	require.NoError(t, err)
	return issued
}

func accessToken(t *testing.T, s *mytokentest.Service, token mytoken.Secret) (*issuer.AccessToken, error) {
	t.Helper()
	return s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token, Client: client})
}

// requireUsable obtains an access token.
func requireUsable(t *testing.T, s *mytokentest.Service, token mytoken.Secret) {
	t.Helper()
	_, err := accessToken(t, s, token)
	require.NoError(t, err)
}

func requireDead(t *testing.T, s *mytokentest.Service, token mytoken.Secret, reason issuer.TokenReason) {
	t.Helper()
	_, err := accessToken(t, s, token)
	requireTokenError(t, err, reason)
}

func revoke(t *testing.T, s *mytokentest.Service, token mytoken.Secret, recursive bool) *issuer.Revocation {
	t.Helper()
	r, err := s.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: token, Recursive: recursive, Client: client})
	require.NoError(t, err)
	return r
}

// browse acts as the browser of a user until it is redirected back to the issuer.
func browse(t *testing.T, login *issuer.Login, subject string) issuer.FinishRequest {
	t.Helper()
	redirect, err := optest.Login(t.Context(), login.URL, subject)
	require.NoError(t, err)
	u, err := url.Parse(redirect)
	require.NoError(t, err)
	return issuer.FinishRequest{Path: u.Path, Query: u.Query(), Client: client}
}

// storeState is the content of a store in a form that can be compared.
type storeState struct {
	Bytes  [256]int // of the dump, which comes in no particular order
	Sealed []store.SealedItem
	Tokens []store.TokenInfo
	Events []store.EventRecord
}

// stateOf reads the store of a service whose users are alice and bob.
func stateOf(t *testing.T, s *mytokentest.Service) (state storeState) {
	t.Helper()
	ctx := t.Context()
	mem, ok := s.Store.(*memstore.Store)
	require.True(t, ok)
	dump, err := mem.Dump(ctx)
	require.NoError(t, err)
	for _, b := range dump {
		state.Bytes[b]++
	}
	page := store.Page{Limit: 1 << 20}
	state.Sealed, _, err = s.Store.Sealed(ctx, page)
	require.NoError(t, err)
	var ids []mytoken.TokenID
	for _, subject := range []string{"alice", "bob"} {
		infos, _, err := s.Store.List(ctx, mytoken.Owner(s.Provider.Issuer(), subject), page)
		require.NoError(t, err)
		state.Tokens = append(state.Tokens, infos...)
		for _, info := range infos {
			ids = append(ids, info.ID)
		}
	}
	state.Events, _, err = s.Store.Events(ctx, ids, page)
	require.NoError(t, err)
	return state
}

// ticketsLeft counts the sealed values of codes that are not used up.
func ticketsLeft(t *testing.T, s *mytokentest.Service) (n int) {
	t.Helper()
	for _, item := range stateOf(t, s).Sealed {
		if item.Place.Kind == store.PlaceTicketKey || item.Place.Kind == store.PlaceTicketPayload {
			n++
		}
	}
	return n
}

// events returns the names and comments of the history of a token, oldest first.
func events(t *testing.T, s *mytokentest.Service, id mytoken.TokenID) []string {
	t.Helper()
	records, _, err := s.Store.Events(t.Context(), []mytoken.TokenID{id}, store.Page{Limit: 1000})
	require.NoError(t, err)
	out := make([]string, 0, len(records))
	for _, r := range slices.Backward(records) {
		text := r.Name
		if r.Comment != "" {
			text += ": " + r.Comment
		}
		out = append(out, text)
	}
	return out
}

// atOnce calls f n times in parallel and returns all results.
func atOnce[T any](n int, f func() (T, error)) (values []T, errs []error) {
	values, errs = make([]T, n), make([]error, n)
	paralleltest.Do(n, func(k int) { values[k], errs[k] = f() })
	return values, errs
}

// winners returns the values that came without an error.
func winners[T any](values []T, errs []error) (won []T) {
	for k, err := range errs {
		if err == nil {
			won = append(won, values[k])
		}
	}
	return won
}

func unix(s *mytokentest.Service, d time.Duration) int64 { return s.Clock.Now().Add(d).Unix() }

// lastEvent returns the last event of a kind that the provider recorded.
func lastEvent(t *testing.T, s *mytokentest.Service, kind optest.Kind) optest.Event {
	t.Helper()
	for _, e := range slices.Backward(s.Provider.Record()) {
		if e.Kind == kind {
			return e
		}
	}
	require.Fail(t, "not recorded", "%s", kind)
	return optest.Event{}
}

// requireUnchanged checks that the store has the same content as before.
func requireUnchanged(t *testing.T, s *mytokentest.Service, before storeState) {
	t.Helper()
	after := stateOf(t, s)
	if !reflect.DeepEqual(before, after) {
		require.Fail(t, "the store has changed", "sealed %d -> %d, tokens %d -> %d, events %d -> %d, bytes the same: %t",
			len(before.Sealed), len(after.Sealed), len(before.Tokens), len(after.Tokens),
			len(before.Events), len(after.Events), before.Bytes == after.Bytes)
	}
}

// requireSameTokens does what requireUnchanged does, for tokens and their counters alone.
func requireSameTokens(t *testing.T, s *mytokentest.Service, before storeState) {
	t.Helper()
	after := stateOf(t, s)
	if !reflect.DeepEqual(before.Tokens, after.Tokens) {
		require.Fail(t, "tokens have changed", "%d -> %d", len(before.Tokens), len(after.Tokens))
	}
}

// knob is a value that a test changes while a provider reads it.
type knob[T any] struct {
	mu sync.Mutex
	v  T
}

func (k *knob[T]) set(v T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.v = v
}

func (k *knob[T]) get() T {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.v
}
