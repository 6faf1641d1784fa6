package rest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/enginetest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// used returns how many uses of the first clause are gone.
func (s *service) used(token *mytoken.Issued) (at, other int64) {
	s.t.Helper()
	info, err := s.Store.Token(s.t.Context(), token.ID)
	require.NoError(s.t, err)
	return info.Counters[0].ATUsed, info.Counters[0].OtherUsed
}

// limited logs alice in and returns a token with limits.
func (s *service) limited(at, other int64) *mytoken.Issued {
	s.t.Helper()
	token, err := s.Login(s.t.Context(), "alice", mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{
		{UsagesAT: restriction.Usages(at), UsagesOther: restriction.Usages(other)},
	}})
	require.NoError(s.t, err)
	return token
}

// A request that is sent again with the same key counts as one use, at each endpoint that
// counts. The same key at another endpoint, or for something else, is another request.
//
// proves P3, P8
func TestIdempotencyKey(t *testing.T) {
	s := start(t)
	token := s.limited(9, 9)
	victim, err := s.Login(t.Context(), "alice", mytoken.Properties{Capabilities: everything})
	require.NoError(t, err)
	text := token.Token.Reveal()
	form := func(more ...string) func(...string) *reply {
		values := url.Values{"grant_type": {wire.GrantTokenExchange}, "subject_token": {text}, "subject_token_type": {wire.TokenTypeJWT}}
		for n := 0; n < len(more); n += 2 {
			values.Set(more[n], more[n+1])
		}
		return func(header ...string) *reply { return s.form("/oauth/token", values, header...) }
	}
	post := func(path string, body m) func(...string) *reply {
		body["mytoken"] = text
		return func(header ...string) *reply { return s.post(path, body, header...) }
	}
	for _, c := range []struct {
		name      string
		send      func(header ...string) *reply
		at, other int64
		same      string // member that is the same in each answer
	}{
		{"access", post("/api/v0/token/access", m{"grant_type": "mytoken"}), 1, 0, "access_token"},
		{"exchange", form(), 0, 0, "access_token"}, // the same request, as the key of "access" says
		{"derive", post("/api/v0/token/my", m{"grant_type": "mytoken"}), 0, 1, "mytoken"},
		{"history", post("/api/v0/tokeninfo", m{"action": "event_history"}), 0, 1, ""},
		{"history of another", post("/api/v0/tokeninfo", m{"action": "event_history", "mom_ids": []string{victim.ID.String()}}), 0, 1, ""},
		{"subtokens", post("/api/v0/tokeninfo", m{"action": "subtokens"}), 0, 1, ""},
		{"list", post("/api/v0/tokeninfo", m{"action": "list_mytokens"}), 0, 1, ""},
		{"revoke", func(header ...string) *reply {
			return s.post("/api/v0/token/revoke", m{"token": text, "mom_id": victim.ID.String()}, header...)
		}, 0, 1, ""},
	} {
		at, other := s.used(token)
		answers := map[string]bool{}
		for range 3 {
			r := c.send("Idempotency-Key", `"one key for all"`)
			require.Less(t, r.StatusCode, 300, "%s: %s", c.name, r.text)
			if c.same != "" {
				answers[s.object(r, http.StatusOK)[c.same].(string)] = true
			}
		}
		if c.same != "" {
			require.Equal(t, 1, len(answers), "%s: different answers", c.name)
		}
		nowAT, nowOther := s.used(token)
		require.Equal(t, []int64{c.at, c.other}, []int64{nowAT - at, nowOther - other}, c.name)
	}
	r := form("requested_token_type", wire.TokenTypeJWT)("Idempotency-Key", `"child"`)
	again := form("requested_token_type", wire.TokenTypeJWT)("Idempotency-Key", `"child"`)
	require.Equal(t, s.object(r, 200)["access_token"], s.object(again, 200)["access_token"])
}

// Without a key each request counts. With the key of another token, too.
//
// proves P3
func TestIdempotencyKeyOfAnotherToken(t *testing.T) {
	s := start(t)
	one, two := s.limited(9, 9), s.limited(1, 9)
	access := func(token *mytoken.Issued, header ...string) *reply {
		return s.post("/api/v0/token/access", m{"grant_type": "mytoken", "mytoken": token.Token.Reveal()}, header...)
	}
	first := s.object(access(one, "Idempotency-Key", `"k"`), 200)
	other := s.object(access(two, "Idempotency-Key", `"k"`), 200)
	require.NotEqual(t, first["access_token"], other["access_token"])
	at, _ := s.used(two)
	require.EqualValues(t, 1, at)
	s.fails(access(two), 403, "usage_restricted", refusedText+": usages_AT")
	for range 2 {
		s.object(access(one), 200)
	}
	at, _ = s.used(one)
	require.EqualValues(t, 3, at)
}

// A malformed key is refused before anything counts, and the answer does not repeat it.
func TestIdempotencyKeyMalformed(t *testing.T) {
	s := start(t)
	token := s.limited(1, 1)
	text := token.Token.Reveal()
	body := m{"grant_type": "mytoken", "mytoken": text}
	for _, header := range [][]string{
		{"bare"}, {`"`}, {`""`}, {`"a`}, {`a"`}, {`"a"b"`}, {`"a\"`}, {`"a\b"`}, {`"é"`}, {`"a";p=1`}, {`"a", "b"`}, {`"a"`, `"a"`}, {`"a"`, `"b"`},
		{`"` + strings.Repeat("k", 256) + `"`}, {":YQ==:"}, {"7"}, {"\"a\tb\""},
	} {
		var lines []string
		for _, value := range header {
			lines = append(lines, "Idempotency-Key", value)
		}
		for _, path := range []string{"/api/v0/token/access", "/api/v0/token/my"} {
			got := s.object(s.post(path, body, lines...), 400)
			require.Equal(t, "invalid_request", got["error"], header)
			require.Contains(t, got["error_description"], "Idempotency-Key: ", header)
			require.NotContains(t, got["error_description"], "kkk")
		}
		got := s.object(s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}}, lines...), 400)
		require.Contains(t, got["error_description"], "Idempotency-Key: ", header)
		got = s.object(s.post("/api/v0/tokeninfo", m{"mytoken": text, "action": "event_history"}, lines...), 400)
		require.Contains(t, got["error_description"], "Idempotency-Key: ", header)
	}
	at, other := s.used(token)
	require.Zero(t, at+other)
	for n, good := range []string{`"` + strings.Repeat("k", 255) + `"`, `"a \"quoted\" \\ key"`, ` "spaces around" `} {
		token := s.limited(1, 1)
		body := m{"grant_type": "mytoken", "mytoken": token.Token.Reveal()}
		for range 2 {
			s.object(s.post("/api/v0/token/access", body, "Idempotency-Key", good), 200)
		}
		at, _ := s.used(token)
		require.EqualValues(t, 1, at, n)
	}
}

// Both discovery documents say that a key is honoured, and scripts may send it.
func TestIdempotencyKeyIsAdvertised(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/.well-known/mytoken-configuration", "/.well-known/oauth-authorization-server"} {
		require.Equal(t, true, s.object(s.do("GET", path, ""), 200)["idempotency_key_supported"], path)
	}
	allowed := s.do("OPTIONS", "/api/v0/token/access", "").Header.Get("Access-Control-Allow-Headers")
	require.Contains(t, strings.Split(allowed, ", "), "Idempotency-Key")
}

// A key that cannot be used again is told apart from other mistakes: the access token that
// it stands for has expired.
func TestIdempotencyKeyIsOver(t *testing.T) {
	s := start(t)
	token := s.limited(9, 9)
	body := m{"grant_type": "mytoken", "mytoken": token.Token.Reveal()}
	life := s.object(s.post("/api/v0/token/access", body, "Idempotency-Key", `"k"`), 200)["expires_in"].(float64)
	s.Clock.Advance(time.Duration(life+1) * time.Second)
	got := s.post("/api/v0/token/access", body, "Idempotency-Key", `"k"`)
	s.fails(got, 422, "invalid_request", "Idempotency-Key: this key cannot be used again, use a new one")
	require.NotContains(t, s.Log.String(), token.Token.Reveal())
}

// Many requests with one key at once, on each kind of store, are one use and get
// one access token. The clients ask again when they are told to.
//
// proves P3, P8
func TestIdempotencyKeyAtOnce(t *testing.T) {
	for _, e := range enginetest.All {
		t.Run(e.Name, func(t *testing.T) {
			s := start(t, func(o *setup) { o.Store = open(t, e) })
			token := s.limited(1, 1)
			body := m{"grant_type": "mytoken", "mytoken": token.Token.Reveal()}
			for _, member := range []string{"mytoken", "access_token"} {
				path := map[string]string{"mytoken": "/api/v0/token/my", "access_token": "/api/v0/token/access"}[member]
				answers := make(chan string, 12)
				var all sync.WaitGroup
				for range cap(answers) {
					all.Go(func() {
						for {
							r := s.post(path, body, "Idempotency-Key", `"k"`)
							if r.StatusCode == http.StatusServiceUnavailable {
								continue
							}
							var got map[string]any
							if assert.Equal(t, 200, r.StatusCode, r.text) && assert.NoError(t, json.Unmarshal([]byte(r.text), &got)) {
								answers <- got[member].(string)
							}
							return
						}
					})
				}
				all.Wait()
				close(answers)
				different := map[string]bool{}
				for a := range answers {
					different[a] = true
				}
				require.Equal(t, 1, len(different), "different answers of %s", path)
			}
			at, other := s.used(token)
			require.Equal(t, []int64{1, 1}, []int64{at, other})
		})
	}
}

// A repetition in the last second of the access token says that it expires. An answer
// without expires_in would say that it never does.
//
// proves P8
func TestIdempotencyKeyInTheLastSecond(t *testing.T) {
	s := start(t)
	token := s.limited(9, 9)
	access := func() map[string]any {
		r := s.post("/api/v0/token/access", m{"grant_type": "mytoken", "mytoken": token.Token.Reveal()}, "Idempotency-Key", `"k"`)
		return s.object(r, http.StatusOK)
	}
	s.Clock.Advance(700 * time.Millisecond)
	first := access()
	s.Clock.Advance(time.Hour - 500*time.Millisecond)
	again := access()
	require.Equal(t, first["access_token"], again["access_token"])
	require.EqualValues(t, 1, again["expires_in"])
}
