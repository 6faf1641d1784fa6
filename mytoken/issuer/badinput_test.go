package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// isTyped reports whether callers can branch on an error.
func isTyped(err error) bool {
	for _, sentinel := range []error{
		issuer.ErrUnknownProvider, issuer.ErrWrongProvider, issuer.ErrNotOwned, issuer.ErrUnknownTag, issuer.ErrState, issuer.ErrClosed, issuer.ErrRepeatedID,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return is[*issuer.TokenError](err) || is[*issuer.CodeError](err) || is[*mytoken.CapabilityError](err) ||
		is[*issuer.RefusedError](err) || is[*issuer.RequestError](err) || is[*issuer.PolicyError](err) ||
		is[*issuer.LoginError](err) || is[*issuer.UpstreamError](err) || is[*issuer.ReconnectError](err)
}

var (
	megabyte = strings.Repeat("a", 1<<20)
	badTexts = []string{"", "\x00", "a\x00b", "\xff\xfe", "\u202e", "x", "a.b.c", strings.Repeat(".", 100), strings.Repeat("x", 31), strings.Repeat("x", 32), megabyte, megabyte[:1<<19] + ".x." + megabyte[:1<<19]}
)

// badValues returns values of a type that a request should not or hardly ever have.
func badValues(typ reflect.Type, valid string) (bad []any) {
	switch typ {
	case reflect.TypeFor[mytoken.Secret]():
		for _, text := range append(slices.Clone(badTexts), valid[:len(valid)-1], valid+"x", valid[:len(valid)/2]+"\x00"+valid[len(valid)/2:], strings.ToUpper(valid)) {
			bad = append(bad, mytoken.NewSecret(text))
		}
		return append(bad, mytoken.Secret{})
	case reflect.TypeFor[restriction.List]():
		return []any{
			restriction.List{}, restriction.List{{}}, restriction.List{{Expires: -1}}, restriction.List{{Expires: math.MaxInt64, NotBefore: math.MinInt64}},
			restriction.List{{Scopes: []string{}}}, restriction.List{{Scopes: []string{"\x00"}}}, restriction.List{{Audiences: []string{"\xff"}}},
			restriction.List{{Hosts: []string{megabyte}}}, restriction.List{{UsagesAT: usages(math.MinInt64)}},
			restriction.List{{Extra: []restriction.Extra{{}}}}, restriction.List{{Extra: []restriction.Extra{{Key: "exp", Value: []byte("1")}}}},
			restriction.List{{Extra: []restriction.Extra{{Key: "unknown_key", Value: []byte("{")}}}},
			manyClauses(10_000), manyClauses(1024),
			restriction.List{{Audiences: slices.Repeat([]string{strings.Repeat("a", 500)}, 1000)}},
		}
	case reflect.TypeFor[capability.Set]():
		return []any{
			capability.Set{}, capability.Set{""}, capability.Set{"\x00"}, capability.Set{"\xff"}, capability.Set{"a b"},
			capability.Set{capability.Capability(megabyte)}, slices.Repeat(capability.Set{capability.AT}, 10_000),
		}
	case reflect.TypeFor[time.Time]():
		return []any{time.Time{}, time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), time.Unix(-1, 0)}
	}
	switch typ.Kind() {
	case reflect.String:
		for _, text := range badTexts {
			bad = append(bad, reflect.ValueOf(text).Convert(typ).Interface())
		}
	case reflect.Int, reflect.Int64, reflect.Int32:
		for _, n := range []int64{-1, math.MinInt32, math.MaxInt32} {
			bad = append(bad, reflect.ValueOf(n).Convert(typ).Interface())
		}
	case reflect.Uint64, reflect.Uint8:
		bad = append(bad, reflect.ValueOf(uint64(math.MaxUint64)).Convert(typ).Interface())
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.String {
			for _, list := range [][]string{nil, {}, {""}, {"\x00", "\xff"}, {megabyte}, slices.Repeat([]string{"x"}, 10_000)} {
				bad = append(bad, reflect.ValueOf(list).Convert(typ).Interface())
			}
		}
	}
	return bad
}

func manyClauses(n int) (l restriction.List) {
	for k := range n {
		l = append(l, restriction.Clause{Expires: int64(k + 1), Audiences: []string{strings.Repeat("a", 300)}})
	}
	return l
}

// places calls visit with each field of v that has bad values, on every level.
func places(path string, v reflect.Value, visit func(path string, field reflect.Value)) {
	typ := v.Type()
	if typ != reflect.TypeFor[mytoken.Secret]() && typ != reflect.TypeFor[time.Time]() && typ.Kind() == reflect.Struct {
		for k := range v.NumField() {
			if v.Field(k).CanSet() {
				places(path+"."+typ.Field(k).Name, v.Field(k), visit)
			}
		}
		return
	}
	if typ == reflect.TypeFor[*mytoken.Rotation]() {
		v.Set(reflect.ValueOf(&mytoken.Rotation{OnAT: true}))
		places(path, v.Elem(), visit)
		return
	}
	visit(path, v)
}

// badRequests returns requests of a type with every bad value in every place: once with
// valid values elsewhere, and once with none.
func badRequests(s *mytokentest.Service, typ reflect.Type, token mytoken.Secret) (requests []reflect.Value, names []string) {
	base := func(valid bool) reflect.Value {
		request := reflect.New(typ).Elem()
		if !valid {
			return request
		}
		fill(request, token, 0)
		if p := request.FieldByName("Provider"); p.IsValid() {
			p.SetString(s.Provider.Issuer())
		}
		if c := request.FieldByName("Client"); c.IsValid() {
			c.Set(reflect.ValueOf(client))
		}
		return request
	}
	requests, names = append(requests, base(false)), append(names, "zero")
	for _, valid := range []bool{true, false} {
		places("", base(valid), func(path string, field reflect.Value) {
			for n, bad := range badValues(field.Type(), token.Reveal()) {
				request := base(valid)
				places("", request, func(p string, f reflect.Value) {
					if p == path {
						f.Set(reflect.ValueOf(bad))
					}
				})
				requests, names = append(requests, request), append(names, fmt.Sprintf("%s #%d, rest valid: %t", path, n, valid))
			}
		})
	}
	return requests, names
}

// Every method that takes a request gets every bad one. None panics, each error has a
// documented type, and a failed request leaves nothing behind.
func TestBadRequests(t *testing.T) {
	methods := reflect.TypeFor[*issuer.Issuer]()
	tried := 0
	for k := range methods.NumMethod() {
		m := methods.Method(k)
		takes := m.Type.NumIn() == 3 && m.Type.In(1) == reflect.TypeFor[context.Context]() && m.Type.In(2).Kind() == reflect.Struct
		if !takes || m.Type.NumOut() != 2 || m.Name == "Authorize" { // whose arguments are an edge's own
			continue
		}
		tried++
		t.Run(m.Name, func(t *testing.T) {
			call := func(s *mytokentest.Service, request reflect.Value) error {
				out := m.Func.Call([]reflect.Value{reflect.ValueOf(s.Issuer), reflect.ValueOf(t.Context()), request})
				err, _ := out[1].Interface().(error)
				return err
			}
			prepare := func() (*mytokentest.Service, []reflect.Value, []string) {
				s := start(t, mytokentest.Options{})
				token := login(t, s, mytoken.Properties{Capabilities: allCapabilities}).Token
				requests, names := badRequests(s, m.Type.In(2), token)
				return s, requests, names
			}
			// Find out which of the requests are good after all.
			fails := make(map[int]bool)
			s, requests, names := prepare()
			for n, request := range requests {
				if err := call(s, request); err != nil {
					fails[n] = true
					require.True(t, isTyped(err), "%s: %T: %.200v", names[n], err, err)
					require.Less(t, len(err.Error()), 2000, "%s: an error is no copy of what was sent", names[n])
				}
			}
			require.NotEmpty(t, fails)
			s, requests, _ = prepare()
			before := stateOf(t, s)
			for n, request := range requests {
				if fails[n] {
					require.Error(t, call(s, request), names[n])
				}
			}
			switch after := stateOf(t, s); m.Name {
			case "Adopt": // what was stored first has a tombstone
				for _, info := range after.Tokens[len(before.Tokens):] {
					require.False(t, info.Live)
				}
			case "AccessToken": // that a use was given back is remembered
				require.Equal(t, before.Events, after.Events)
				for n := range before.Tokens {
					before.Tokens[n].LastUsed = after.Tokens[n].LastUsed
				}
				requireSameTokens(t, s, before)
			default:
				requireUnchanged(t, s, before)
			}
		})
	}
	require.Greater(t, tried, 12)
}

// The same for arguments that are no struct, such as consent codes and queries.
func TestBadArguments(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	n := native(t, s, issuer.LoginRequest{})
	waiting, err := s.Issuer.StartLogin(ctx, issuer.LoginRequest{Provider: s.Provider.Issuer()})
	require.NoError(t, err)
	before := stateOf(t, s)
	for _, text := range badTexts {
		code := mytoken.NewSecret(text)
		_, err := s.Issuer.Consent(ctx, code)
		requireCodeError(t, err, issuer.CodeUnknown)
		_, err = s.Issuer.Approve(ctx, code, mytoken.Properties{})
		requireCodeError(t, err, issuer.CodeUnknown)
		_, err = s.Issuer.Decline(ctx, code)
		requireCodeError(t, err, issuer.CodeUnknown)
		for _, query := range []url.Values{nil, {}, {"state": {text}}, {"state": {text, waiting.State.Reveal()}, "code": {"x"}}, {"error": {text}, "state": {text}}, {text: {text}}} {
			_, err = s.Issuer.FinishLogin(ctx, issuer.FinishRequest{Path: "/redirect", Query: query})
			require.ErrorIs(t, err, issuer.ErrState)
		}
		_, err = s.Issuer.Owner(text, "alice")
		require.ErrorIs(t, err, issuer.ErrUnknownProvider)
		if o, err := s.Issuer.Owner(s.Provider.Issuer(), text); err == nil {
			require.ErrorIs(t, o.Revoke(ctx, mytoken.TokenID{}, true, issuer.Client{}), issuer.ErrNotOwned)
			require.NoError(t, o.RevokeAll(ctx, issuer.Client{}))
			require.NoError(t, o.Delete(ctx))
		}
		_, err = s.Issuer.TokenSource(ctx, code, issuer.TokenSourceOptions{}).Token()
		errAs[*issuer.TokenError](t, err)
	}
	for _, batch := range []int{0, -1, math.MinInt} {
		_, err := s.Issuer.Sweep(ctx, batch)
		require.Error(t, err)
		_, err = s.Issuer.Rewrap(ctx, batch)
		require.Error(t, err)
	}
	for _, v := range badValues(reflect.TypeFor[restriction.List](), "") {
		_, err := s.Issuer.Approve(ctx, n.ConsentCode, mytoken.Properties{Capabilities: capability.Default(), Restrictions: v.(restriction.List)})
		requireRequestError(t, err, "restrictions")
	}
	requireUnchanged(t, s, before)

	// A bad code uses its state up: the provider may have seen the code.
	for _, code := range []string{"\x00", "\xff", megabyte} {
		login, err := s.Issuer.StartLogin(ctx, issuer.LoginRequest{Provider: s.Provider.Issuer()})
		require.NoError(t, err)
		_, err = s.Issuer.FinishLogin(ctx, issuer.FinishRequest{Path: "/redirect", Query: url.Values{"state": {login.State.Reveal()}, "code": {code}}})
		errAs[*issuer.LoginError](t, err)
	}
	require.Empty(t, stateOf(t, s).Tokens)
}

// Bad restrictions never make a token without restrictions, on the whole way from JSON.
//
// proves P1, P2
func TestBadRestrictionsAreNoFreedom(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	before := stateOf(t, s)
	for _, text := range []string{
		`[{"unknown_key":1}]`, `[null]`, `[[]]`, `{}`, `[{}]`, `null`, `""`, `0`, `[""]`, `["x"]`, `[{"exp":null}]`, `[{"exp":0}]`,
		`[{"scope":""}]`, `[{"hosts":[]}]`, `[{"hosts":[""]}]`, `[{"usages_AT":null}]`, `[{"usages_AT":-1}]`, `[{"geoip_allow":["DE"]}]`,
		`[{"Exp":1}]`, `[{"exp":1,"exp":99999999999}]`, `[{"audience":[]}]`, `[{"include":"x"}]`, `[{"ip":[]}]`, `[{"hosts":["*.example.org"]}]`,
	} {
		read := map[string]func() (restriction.List, error){
			"parse": func() (restriction.List, error) { return restriction.Parse([]byte(text)) },
			"request": func() (restriction.List, error) {
				return restriction.ParseRequest([]byte(text), restriction.RequestOptions{Now: s.Clock.Now()})
			},
			"decode": func() (l restriction.List, err error) { return l, l.UnmarshalJSON([]byte(text)) },
		}
		for _, parse := range read {
			list, err := parse()
			if err != nil {
				continue
			}
			props := mytoken.Properties{Restrictions: list}
			_, err = s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: props})
			requireRequestError(t, err, "restrictions")
			_, err = deriveAdjusted(t, s, root.Token, props)
			requireRequestError(t, err, "restrictions")

		}
	}
	requireUnchanged(t, s, before)
}

// Limits are checked before work that grows faster than the input. Comparing each of
// 100,000 clauses with each other one would take minutes.
func TestLimitsComeFirst(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	clauses := make(restriction.List, 100_000)
	for k := range clauses {
		clauses[k].Expires = int64(k + 1)
	}
	names := make(capability.Set, 300_000)
	for k := range names {
		names[k] = capability.Capability(fmt.Sprint("x", k))
	}
	for field, props := range map[string]mytoken.Properties{
		"restrictions": {Restrictions: clauses},
		"capabilities": {Capabilities: names},
	} {
		_, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: props})
		requireRequestError(t, err, field)
		_, err = deriveAdjusted(t, s, root.Token, props)
		requireRequestError(t, err, field)
		n := native(t, s, issuer.LoginRequest{})
		if props.Capabilities == nil {
			props.Capabilities = capability.Default()
		}
		_, err = s.Issuer.Approve(t.Context(), n.ConsentCode, props)
		requireRequestError(t, err, field)
	}
}

// A token with the largest accepted restrictions can be read.
func TestLargestRestrictions(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Providers[0].MaxLifetime = time.Hour
		c.Limits.Clauses, c.Limits.RestrictionBytes = restriction.MaxClauses, 140<<10
	}})
	build := func(length int) (l restriction.List) {
		for k := range 1000 {
			l = append(l, restriction.Clause{UsagesAT: usages(int64(k)), Audiences: []string{strings.Repeat("a", length)}})
		}
		return l
	}
	a := adoption(s, portalRefreshToken(t, s, "alice"))
	a.Properties.Name = strings.Repeat("𝄞", mytoken.MaxNameLength)
	a.Properties.Restrictions = build(140*1024/1000 - len(`{"audience":[""],"usages_AT":999},`))
	issued, err := s.Issuer.Adopt(t.Context(), a)
	require.NoError(t, err)
	require.Len(t, issued.Restrictions, 1000)
	require.Less(t, len(issued.Token.Reveal()), mytoken.MaxTokenBytes)
	a.Properties.Restrictions = build(200)
	a.ID = issuer.NewUseID()
	_, err = s.Issuer.Adopt(t.Context(), a)
	requireRequestError(t, err, "restrictions")
}

// fill puts the secret into every field that can hold one, and reports whether there is
// such a field.
func fill(v reflect.Value, secret mytoken.Secret, depth int) (found bool) {
	for k := range v.NumField() {
		f := v.Field(k)
		switch {
		case !f.CanSet():
		case f.Type() == reflect.TypeFor[mytoken.Secret]():
			f.Set(reflect.ValueOf(secret))
			found = true
		case f.Kind() == reflect.Struct:
			found = fill(f, secret, depth) || found
		case f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct && depth > 0:
			inner := reflect.New(f.Type().Elem())
			if fill(inner.Elem(), secret, depth-1) {
				f.Set(inner)
				found = true
			}
		}
	}
	return found
}
