package mytoken

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// protectedService is a service behind the middleware. It remembers the tokens that got
// through.
type protectedService struct {
	handler http.Handler
	log     bytes.Buffer
	served  []*Token
}

func newProtectedService(t *testing.T, v *Verifier, o MiddlewareOptions) *protectedService {
	t.Helper()
	s := &protectedService{}
	o.Logger = slog.New(slog.NewTextHandler(&s.log, nil))
	guard, err := RequireMytoken(v, o)
	require.NoError(t, err)
	s.handler = guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tok, ok := TokenFromContext(r.Context())
		require.True(t, ok)
		s.served = append(s.served, tok)
		w.WriteHeader(http.StatusNoContent)
	}))
	return s
}

func (s *protectedService) request(change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/data", nil)
	r.RemoteAddr = "192.0.2.7:40000"
	change(r)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// bearer presents a token in the Authorization header (RFC 6750 section 2.1).
func bearer(compact string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+compact) }
}

// uncounted is a use that no clause counts.
var uncounted = Use{Capability: capability.AT, Kind: restriction.Uncounted}

func TestMiddleware(t *testing.T) {
	key, evil := testKey(t, EdDSA), testKey(t, EdDSA)
	now := issueTime()
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key), Clock: func() time.Time { return now }})
	s := newProtectedService(t, v, MiddlewareOptions{Use: uncounted})
	compact := signClaims(t, key, exampleClaims())
	powerless := exampleClaims()
	powerless.Capabilities = capability.Set{capability.Settings}

	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		w := s.request(func(r *http.Request) { r.Header.Set("Authorization", scheme+compact) })
		require.Equal(t, http.StatusNoContent, w.Code)
	}
	require.Len(t, s.served, 3)
	require.Equal(t, "laptop:batch job", s.served[0].Name())

	const (
		challenge    = `Bearer realm="mytoken"`
		noToken      = "no mytoken found in request"
		notValid     = "token not valid"
		notCapable   = "The provided token does not have the required capability for this operation: AT"
		notFromHere  = "The restrictions of this token does not allow this usage: hosts"
		errorOf      = challenge + `, error="`
		badRequest   = errorOf + `invalid_request"`
		badToken     = errorOf + `invalid_token"`
		insufficient = errorOf + `insufficient_scope"`
	)
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { bearer(compact)(r); r.RemoteAddr = address }
	}
	for name, tt := range map[string]struct {
		request     func(*http.Request)
		status      int
		code        string
		challenge   string
		description string
	}{
		"no token":    {func(*http.Request) {}, 401, "invalid_token", challenge, noToken},
		"empty":       {bearer(""), 401, "invalid_token", challenge, noToken},
		"basic":       {func(r *http.Request) { r.SetBasicAuth("a", "b") }, 401, "invalid_token", challenge, noToken},
		"query":       {func(r *http.Request) { r.URL.RawQuery = "access_token=" + compact + "&mytoken=" + compact }, 401, "invalid_token", challenge, noToken},
		"cookie":      {func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "mytoken", Value: compact}) }, 401, "invalid_token", challenge, noToken},
		"two headers": {func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + compact, "Bearer " + compact} }, 400, "invalid_request", badRequest, "more than one Authorization header"},
		"nonsense":    {bearer("nonsense"), 401, "invalid_token", badToken, notValid},
		"forged":      {bearer(signClaims(t, evil, exampleClaims())), 401, "invalid_token", badToken, notValid},
		"capability":  {bearer(signClaims(t, key, powerless)), 403, "insufficient_capabilities", insufficient, notCapable},
		"address":     {from("198.51.100.1:1"), 403, "usage_restricted", insufficient, notFromHere},
		"no address":  {from("@"), 403, "usage_restricted", insufficient, notFromHere},
		"behind a proxy": {func(r *http.Request) {
			from("192.0.2.7:1")(r)
			r.Header.Set("X-Forwarded-For", "198.51.100.1")
		}, 403, "usage_restricted", insufficient, notFromHere},
		"behind another": {func(r *http.Request) {
			from("192.0.2.7:1")(r)
			r.Header.Set("Forwarded", "for=198.51.100.1")
		}, 403, "usage_restricted", insufficient, notFromHere},
		"proxy header": {func(r *http.Request) {
			from("198.51.100.1:1")(r)
			r.Header.Set("X-Forwarded-For", "192.0.2.7")
		}, 403, "usage_restricted", insufficient, notFromHere},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.request(tt.request)
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			var body map[string]string
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			require.Equal(t, map[string]string{"error": tt.code, "error_description": tt.description}, body)
		})
	}
	now = now.Add(time.Hour)
	w := s.request(bearer(compact))
	require.Equal(t, 401, w.Code)
	require.Contains(t, w.Body.String(), "token has expired")
	now = now.Add(-48 * time.Hour)
	w = s.request(bearer(compact))
	require.Equal(t, 401, w.Code)
	require.Contains(t, w.Body.String(), "token is not valid yet")
	require.Len(t, s.served, 3, "the service saw no refused request")
	// proves P9
	require.NotContains(t, s.log.String(), compact[len(compact)-40:])
	require.Contains(t, s.log.String(), "code=usage_restricted")
}

// Without the issuer's keys the answer is 503, and it says when to come back.
func TestMiddlewareUnavailable(t *testing.T) {
	key := testKey(t, EdDSA)
	j := newPublishedKeys(t, key)
	j.answering(answer500)
	s := newProtectedService(t, j.Verifier, MiddlewareOptions{Use: uncounted})
	w := s.request(bearer(endlessToken(t, key, 1)))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "10", w.Header().Get("Retry-After"))
	require.Empty(t, w.Header().Get("WWW-Authenticate"), "the token is not to blame")
	require.Contains(t, w.Body.String(), "temporarily_unavailable")
	require.Empty(t, s.served)
}

// The service reads token and address from headers of its own, and needs another
// capability for DELETE.
func TestMiddlewareOptions(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	compact := signClaims(t, key, exampleClaims())
	s := newProtectedService(t, v, MiddlewareOptions{
		Use:   uncounted,
		Realm: "data service",
		Token: func(r *http.Request) string { return r.Header.Get("X-Mytoken") },
		ClientAddress: func(r *http.Request) netip.Addr {
			addr, err := netip.ParseAddr(r.Header.Get("X-Real-Ip"))
			if err != nil {
				return netip.Addr{}
			}
			return addr
		},
		Refine: func(r *http.Request, use *Use) {
			if r.Method == http.MethodDelete {
				use.Capability = capability.Settings
			}
		},
	})
	good := func(r *http.Request) {
		r.RemoteAddr = "198.51.100.1:1"
		r.Header.Set("X-Mytoken", compact)
		r.Header.Set("X-Real-Ip", "192.0.2.8")
	}
	require.Equal(t, 204, s.request(good).Code)
	require.Equal(t, 403, s.request(func(r *http.Request) { good(r); r.Method = http.MethodDelete }).Code)
	require.Equal(t, 403, s.request(func(r *http.Request) { good(r); r.Header.Del("X-Real-Ip") }).Code)
	w := s.request(bearer(compact))
	require.Equal(t, 401, w.Code)
	require.Equal(t, `Bearer realm="data service"`, w.Header().Get("WWW-Authenticate"))
	require.Len(t, s.served, 1)
}

func TestMiddlewareRefusesBadInput(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Keys: &Keys{}})
	_, err := RequireMytoken(nil, MiddlewareOptions{Use: uncounted})
	require.ErrorIs(t, err, ErrVerifierConfig)
	_, err = RequireMytoken(&Verifier{}, MiddlewareOptions{Use: uncounted})
	require.ErrorIs(t, err, ErrVerifierConfig)
	_, err = RequireMytoken(v, MiddlewareOptions{})
	require.ErrorIs(t, err, ErrUse)
	for _, realm := range []string{"a\"b", "a\r\nX: y", "ä", `a\`} {
		_, err = RequireMytoken(v, MiddlewareOptions{Use: uncounted, Realm: realm})
		require.ErrorIs(t, err, ErrVerifierConfig)
	}
	tok, ok := TokenFromContext(t.Context())
	require.False(t, ok)
	require.Nil(t, tok)
}
