package issuer_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
	"github.com/mytoken-go/sdk/store/storetest"
)

// life is a service in which everything happened that makes or moves a secret. It keeps
// the secrets that were handed out.
type life struct {
	*mytokentest.Service
	ring    *seal.Ring
	log     *bytes.Buffer
	tokens  []string // compact tokens that are live
	secrets []string // all that was handed out, and all that the provider knows
	notices knob[[]issuer.Notice]
	results []any // whatever the issuer returned, errors included
}

func live(t *testing.T) *life {
	t.Helper()
	l := &life{log: new(bytes.Buffer)}
	var fault knob[optest.Fault]
	l.Service = start(t, mytokentest.Options{
		Provider: optest.Options{Rotation: optest.RotateStrict, Faults: func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint == optest.EndpointRefresh {
				return fault.get()
			}
			return optest.Fault{}
		}},
		Config: func(c *issuer.Config) {
			c.Logger = slog.New(slog.NewJSONHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c.Observer = func(_ context.Context, n issuer.Notice) {
				l.notices.mu.Lock()
				defer l.notices.mu.Unlock()
				l.notices.v = append(l.notices.v, n)
			}
			l.ring = c.Seal
		},
	})
	s, ctx := l.Service, t.Context()
	keep := func(result any, err error) {
		require.NoError(t, err)
		l.results = append(l.results, result)
	}
	handedOut := func(secrets ...mytoken.Secret) {
		for _, secret := range secrets {
			if !secret.IsEmpty() {
				l.secrets = append(l.secrets, secret.Reveal())
			}
		}
	}
	hold := func(i *mytoken.Issued) *mytoken.Issued {
		handedOut(i.Token, i.TransferCode)
		if i.Type == mytoken.ResponseToken {
			l.tokens = append(l.tokens, i.Token.Reveal())
		}
		return i
	}
	follow := func(start *issuer.Login) *issuer.LoginResult {
		handedOut(start.State)
		l.results = append(l.results, start)
		back := browse(t, start, "alice")
		l.secrets = append(l.secrets, back.Query.Get("code"))
		l.results = append(l.results, back)
		result, err := s.Issuer.FinishLogin(ctx, back)
		keep(result, err)
		return result
	}

	// A login, a subtoken, access tokens and rotation.
	begun, err := s.Issuer.StartLogin(ctx, issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: rotating, Client: client})
	require.NoError(t, err)
	root := hold(follow(begun).Issued)
	at, err := accessToken(t, s, root.Token)
	keep(at, err)
	root = hold(at.Update)
	child, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: root.Token, ID: issuer.NewUseID(), Client: client})
	keep(child, err)
	hold(child)
	root = hold(child.Update)

	// Short tokens and transfer codes, redeemed and not.
	short, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: child.Token, Response: mytoken.Response{Type: mytoken.ResponseShortToken}, Client: client})
	keep(short, err)
	hold(short)
	created, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: child.Token, Response: mytoken.Response{Type: mytoken.ResponseTransferCode}, Client: client})
	keep(created, err)
	hold(created)
	for _, token := range []mytoken.Secret{child.Token, short.Token} {
		code, err := s.Issuer.Transfer(ctx, issuer.TransferRequest{Token: token, Client: client})
		keep(code, err)
		handedOut(code.Code)
	}
	redeemed, err := redeem(t, s, created.TransferCode)
	keep(redeemed, err)
	hold(redeemed)

	// Native logins: finished, approved, waiting, declined, failed.
	for _, until := range []string{"poll", "finish", "approve", "start", "decline"} {
		n := native(t, s, issuer.LoginRequest{Response: mytoken.Response{Type: mytoken.ResponseShortToken}})
		l.results = append(l.results, n)
		handedOut(n.ConsentCode, n.PollingCode)
		switch until {
		case "decline":
			declined, err := s.Issuer.Decline(ctx, n.ConsentCode)
			keep(declined, err)
		case "start":
		default:
			approved, err := s.Issuer.Approve(ctx, n.ConsentCode, mytoken.Properties{Capabilities: capability.Default()})
			require.NoError(t, err)
			handedOut(approved.State)
			if until == "approve" {
				continue
			}
			follow(approved)
			if until == "poll" {
				polled, err := poll(t, s, n)
				keep(polled, err)
				hold(polled)
			}
		}
	}

	// A reconnected login, and an adopted one.
	again, err := s.Issuer.StartReconnect(ctx, issuer.ReconnectRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	follow(again)
	pending, err := s.Issuer.StartReconnect(ctx, issuer.ReconnectRequest{Token: root.Token, Client: client})
	keep(pending, err)
	handedOut(pending.State)
	adopted, err := s.Issuer.Adopt(ctx, adoption(s, portalRefreshToken(t, s, "alice")))
	keep(adopted, err)
	hold(adopted)

	// Operations that only read.
	introspection, err := s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: child.Token, Client: client})
	keep(introspection, err)
	history, err := s.Issuer.History(ctx, issuer.HistoryRequest{Token: child.Token, Of: []string{"this", "children"}, Client: client})
	keep(history, err)
	list, err := s.Issuer.List(ctx, issuer.InfoRequest{Token: child.Token, Client: client})
	keep(list, err)
	keep(s.Issuer.Explain(ctx, issuer.ExplainRequest{Token: child.Token, Client: client}))

	// Operations that fail.
	fail := func(err error) {
		require.Error(t, err)
		l.results = append(l.results, err)
	}
	for _, f := range []optest.Fault{
		{LoseAnswer: true}, {FailAfter: 500}, {Refuse: "invalid_scope", RefuseText: "not this one"}, {EmptyAccessToken: true},
		{Edit: func(answer map[string]any) { answer["scope"] = "more than asked" }},
		{Edit: func(answer map[string]any) { delete(answer, "access_token") }},
	} {
		fault.set(f)
		_, err := s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: adopted.Token, Scopes: []string{"profile"}, Client: client})
		if err != nil {
			l.results = append(l.results, err)
		}
	}
	fault.set(optest.Fault{})
	_, err = accessToken(t, s, mytoken.NewSecret(child.Token.Reveal()+"x"))
	fail(err)
	_, err = redeem(t, s, created.TransferCode)
	fail(err)
	_, err = poll(t, s, &issuer.NativeLogin{PollingCode: created.TransferCode})
	fail(err)
	_, err = s.Issuer.FinishLogin(ctx, issuer.FinishRequest{Path: "/redirect", Query: url.Values{"state": {pending.State.Reveal()}, "code": {"authorization-code-of-nobody"}, "iss": {s.Provider.Issuer()}}})
	fail(err)
	s.Clock.Advance(time.Minute)
	_, err = s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: mytoken.NewSecret(l.tokens[0]), Client: client})
	fail(err) // a reuse: the tree is revoked
	_, err = s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: redeemed.Token, Client: client})
	fail(err)

	l.secrets = append(l.secrets, s.Provider.Secrets()...)
	l.secrets = slices.DeleteFunc(l.secrets, func(s string) bool { return len(s) < 12 })
	require.Greater(t, len(l.secrets), 60)
	return l
}

// The database alone is worthless: a dump holds no refresh token, access token, mytoken,
// short token or code, in any encoding.
//
// proves P7
func TestDumpHoldsNoSecret(t *testing.T) {
	l := live(t)
	dump, err := l.Store.(*memstore.Store).Dump(t.Context())
	require.NoError(t, err)
	for _, leak := range storetest.FindSecrets(dump, l.secrets...) {
		assert.Fail(t, "a secret leaks", "%s: %.4s…", leak, l.secrets[leak.Secret])
	}
	// The search finds what is there.
	require.NotEmpty(t, storetest.FindSecrets(dump, "tokeninfo_introspect"))
}

// The database together with the server keys opens no refresh token without a token of
// its tree. It opens no token at all once its codes are used up.
//
// proves P7
func TestServerKeysOpenNoRefreshToken(t *testing.T) {
	l := live(t)
	ctx := t.Context()
	_, err := l.Issuer.Sweep(ctx, 100)
	require.NoError(t, err)
	dump, err := l.Store.(*memstore.Store).Dump(ctx)
	require.NoError(t, err)
	items, _, err := l.Store.Sealed(ctx, store.Page{Limit: 10000})
	require.NoError(t, err)

	// With the store and the keys, a thief can try as a secret whatever opens with the
	// keys, the parts of it, and every text of the dump.
	guesses := strings.Split(string(dump), "\n")
	opened := 0
	for _, item := range items {
		plain, err := l.ring.Open(item.Place, item.Sealed)
		if err != nil {
			continue
		}
		require.Equal(t, store.PlaceAbout, item.Place.Kind)
		opened++
		guesses = append(guesses, string(plain))
		var about map[string]any
		require.NoError(t, json.Unmarshal(plain, &about))
		for _, v := range about {
			guesses = append(guesses, fmt.Sprint(v))
		}
	}
	require.NotZero(t, opened)
	guesses = append(guesses, "", strings.Repeat("\x00", 32))
	purposes := []seal.Purpose{seal.PurposeTokenKey, seal.PurposeSuccessor, seal.PurposeTicketKey, seal.PurposeTicketPayload, "reply v1", "access token v1"}
	kinds := make(map[store.PlaceKind]int)
	for _, item := range items {
		kinds[item.Place.Kind]++
		for _, guess := range guesses {
			if len(guess) == 32 {
				if key, err := seal.ParseDataKey([]byte(guess)); err == nil {
					_, err := l.ring.OpenWith(item.Place, key, item.Sealed)
					require.Error(t, err)
				}
			}
			if len(guess) > 20 && len(guess) < 300 && item.Place.Kind != store.PlaceAbout {
				for _, purpose := range purposes {
					_, err := l.ring.OpenWith(item.Place, seal.FromSecret(purpose, guess), item.Sealed)
					require.Error(t, err)
				}
			}
		}
	}
	for _, kind := range []store.PlaceKind{store.PlaceRefreshToken, store.PlaceTokenKey, store.PlaceTicketKey, store.PlaceTicketPayload} {
		require.NotZero(t, kinds[kind], "%s", kind)
	}

	// With a token it takes two steps, and opens only the tree of that token.
	refreshTokens := make(map[string]int)
	for _, item := range items {
		if item.Place.Kind != store.PlaceTokenKey {
			continue
		}
		for _, token := range l.tokens {
			plain, err := l.ring.OpenWith(item.Place, seal.FromSecret(seal.PurposeTokenKey, token), item.Sealed)
			if err != nil {
				continue
			}
			key, err := seal.ParseDataKey(plain)
			require.NoError(t, err)
			for _, rt := range items {
				if plain, err := l.ring.OpenWith(rt.Place, key, rt.Sealed); err == nil && rt.Place.Kind == store.PlaceRefreshToken {
					require.Contains(t, l.Provider.Secrets(), string(plain))
					refreshTokens[token]++
				}
			}
		}
	}
	require.NotEmpty(t, refreshTokens)
	for _, n := range refreshTokens {
		require.Equal(t, 1, n)
	}
}

// The database, the server keys, and tokens that are revoked, outdated or expired open no
// refresh token.
//
// proves P7
func TestDeadTokensOpenNothing(t *testing.T) {
	var ring *seal.Ring
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { ring = c.Seal }})
	ctx := t.Context()
	live := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnOther: true}})
	dead := []mytoken.Secret{live.Token}
	// next presents the current generation, and rotates it.
	next := func() {
		t.Helper()
		child, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: live.Token, Client: client})
		require.NoError(t, err)
		require.NotNil(t, child.Update)
		live.Token = child.Update.Token
		dead = append(dead, child.Token)
		revoke(t, s, child.Token, true)
	}
	opened := func(tokens ...mytoken.Secret) (n int) {
		t.Helper()
		items, _, err := s.Store.Sealed(ctx, store.Page{Limit: 10000})
		require.NoError(t, err)
		known := make(map[string]bool)
		for _, token := range tokens {
			known[token.Reveal()] = true
		}
		var keys []seal.DataKey
		for found := true; found; { // a successor opens more
			found, keys = false, nil
			for _, item := range items {
				for token := range known {
					if plain, err := ring.OpenWith(item.Place, seal.FromSecret(seal.PurposeTokenKey, token), item.Sealed); err == nil {
						key, err := seal.ParseDataKey(plain)
						require.NoError(t, err)
						keys = append(keys, key)
					}
					if plain, err := ring.OpenWith(item.Place, seal.FromSecret(seal.PurposeSuccessor, token), item.Sealed); err == nil {
						for _, text := range strings.Split(string(plain), `"`) {
							if strings.Count(text, ".") == 2 && !known[text] {
								known[text], found = true, true
							}
						}
					}
				}
			}
		}
		for _, item := range items {
			for _, key := range keys {
				if _, err := ring.OpenWith(item.Place, key, item.Sealed); err == nil {
					n++
				}
			}
		}
		return n
	}
	require.NotZero(t, opened(live.Token))

	// The grace lasts: whoever lost the response needs the successor.
	next()
	require.NotZero(t, opened(dead[0]))
	// The successor is presented, and rotates. Then the grace of the last one ends.
	dead = append(dead, live.Token)
	next()
	require.Zero(t, opened(dead[0], dead[1]), "revoked, and outdated")
	require.NotZero(t, opened(dead[2]))
	s.Clock.Advance(time.Minute)
	_, err := s.Issuer.Sweep(ctx, 1)
	require.NoError(t, err)
	require.Zero(t, opened(dead...), "after the grace")
	require.NotZero(t, opened(live.Token))

	// A token expires.
	short := derive(t, s, live.Token, mytoken.Properties{Restrictions: restriction.List{{Expires: s.Clock.Now().Unix() + 60}}})
	live.Token = short.Update.Token
	require.NotZero(t, opened(short.Token))
	s.Clock.Advance(2 * time.Minute)
	_, err = s.Issuer.Sweep(ctx, 1)
	require.NoError(t, err)
	require.Zero(t, opened(short.Token), "expired")

	// The last token is revoked, and the provider confirms it.
	for range 2 {
		require.True(t, revoke(t, s, live.Token, true).Revoked == live.ID)
	}
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))
	require.Zero(t, opened(append(dead, live.Token, short.Token)...), "all revoked")
}

// The database with its use ids, the server keys and a token that is revoked or outdated
// open no child either, not even while the reply to the derivation is kept.
//
// proves P7
func TestDeadTokensOpenNoReply(t *testing.T) {
	var ring *seal.Ring
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { ring = c.Seal }})
	for _, rotation := range []*mytoken.Rotation{nil, {OnOther: true}} {
		parent := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: rotation})
		req := issuer.DeriveRequest{Token: parent.Token, ID: issuer.NewUseID(), Client: client}
		child, err := s.Issuer.Derive(t.Context(), req)
		require.NoError(t, err)
		again, err := s.Issuer.Derive(t.Context(), req)
		require.NoError(t, err)
		require.True(t, child.Token.Equal(again.Token))
		if rotation == nil {
			revoke(t, s, parent.Token, false)
		} else {
			requireUsable(t, s, child.Update.Token)
		}
		code := hex.EncodeToString(req.ID[:]) + parent.Token.Reveal()
		replies := 0
		for _, item := range stateOf(t, s).Sealed {
			_, err := ring.OpenWith(item.Place, seal.FromSecret("reply v1", code), item.Sealed)
			require.Error(t, err, "the reply")
			_, err = ring.OpenWith(item.Place, seal.FromSecret(seal.PurposeTokenKey, parent.Token.Reveal()), item.Sealed)
			require.Error(t, err, "the key that opens the reply")
			if item.Place.Kind == store.PlaceTicketPayload {
				replies++
			}
		}
		require.NotZero(t, replies)
		requireUsable(t, s, child.Token)
	}
}

// The provider does not answer, or the process dies before it asks. The holder can repeat
// the revocation until Sweep erases the key.
//
// proves P7, P8
func TestKeyOfTheLastToken(t *testing.T) {
	var fault knob[optest.Fault]
	s := start(t, mytokentest.Options{Provider: optest.Options{Faults: func(p optest.FaultPoint) optest.Fault {
		if p.Endpoint == optest.EndpointRevoke {
			return fault.get()
		}
		return optest.Fault{}
	}}})
	fault.set(optest.Fault{FailBefore: 503})
	for _, sweep := range []bool{false, true} {
		token := login(t, s, mytoken.Properties{}).Token
		fault.set(optest.Fault{FailBefore: 503})
		require.Error(t, revoke(t, s, token, true).ProviderErr)
		fault.set(optest.Fault{})
		if sweep {
			s.Clock.Advance(11 * time.Minute)
			_, err := s.Issuer.Sweep(t.Context(), 10)
			require.NoError(t, err)
		}
		require.Equal(t, !sweep, revoke(t, s, token, true).AtProvider)
		require.False(t, revoke(t, s, token, true).AtProvider, "the key is erased")
		for _, item := range stateOf(t, s).Sealed {
			require.NotEqual(t, store.PlaceTokenKey, item.Place.Kind)
		}
	}
}

// Everything sealed for codes is gone when they have expired.
//
// proves P7
func TestExpiredCodesAreErased(t *testing.T) {
	l := live(t)
	before := ticketsLeft(t, l.Service)
	l.Clock.Advance(time.Hour)
	_, err := l.Issuer.Sweep(t.Context(), 2)
	require.NoError(t, err)
	left := ticketsLeft(t, l.Service)
	require.Less(t, left, before)
	items, _, err := l.Store.Sealed(t.Context(), store.Page{Limit: 10000})
	require.NoError(t, err)
	for _, item := range items {
		if item.Place.Kind == store.PlaceTicketPayload || item.Place.Kind == store.PlaceTicketKey {
			require.Equal(t, byte(store.TicketShort), item.Place.ID[0], "only short tokens live as long as their tokens")
		}
	}
}

// A process dies between the authorization response and the token. The state opens
// nothing, finishes nothing, and is erased when it expires.
//
// proves P7
func TestDyingWhileALoginIsFinished(t *testing.T) {
	mem := memstore.New()
	s := start(t, mytokentest.Options{Store: storetest.NewFaulty(mem, storetest.FailFrom(storetest.Before("CreateRoot", 1), storetest.ErrFault))})
	begun, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: mytoken.Properties{Name: "remarkable"}})
	require.NoError(t, err)
	back := browse(t, begun, "alice")
	_, err = s.Issuer.FinishLogin(t.Context(), back)
	require.Error(t, err)

	next := *s
	next.Config.Store, next.Store = mem, mem
	next.Issuer, err = issuer.New(next.Config)
	require.NoError(t, err)
	_, err = next.Issuer.FinishLogin(t.Context(), back)
	require.ErrorIs(t, err, issuer.ErrState)
	require.Equal(t, 1, s.Provider.Count(optest.Exchanged))
	require.Zero(t, s.Provider.Reuses())
	for _, item := range stateOf(t, &next).Sealed {
		if item.Place.Kind != store.PlaceTicketKey {
			continue
		}
		plain, err := s.Config.Seal.OpenWith(item.Place, seal.FromSecret(seal.PurposeTicketKey, begun.State.Reveal()), item.Sealed)
		require.NoError(t, err)
		key, err := seal.ParseDataKey(plain)
		require.NoError(t, err)
		payload := item.Place
		payload.Kind = store.PlaceTicketPayload
		for _, other := range stateOf(t, &next).Sealed {
			if other.Place == payload {
				plain, err := s.Config.Seal.OpenWith(payload, key, other.Sealed)
				require.NoError(t, err)
				require.NotContains(t, string(plain), "remarkable")
			}
		}
	}
	require.Equal(t, 2, ticketsLeft(t, &next))
	next.Clock.Advance(time.Hour)
	_, err = next.Issuer.Sweep(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, ticketsLeft(t, &next))
}
