package mytoken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/restriction"
)

// MiddlewareOptions configures [RequireMytoken]. Use is required. For every other field
// zero means the default that its comment names.
type MiddlewareOptions struct {
	// Use is what every request needs. The middleware sets its Address.
	Use Use
	// Refine changes the use for one request, for example to require another capability
	// for a request that writes. nil: all requests have the same use.
	Refine func(*http.Request, *Use)
	// ClientAddress returns where a request comes from. An invalid address satisfies no
	// clause that depends on the address. nil: [http.Request.RemoteAddr], or invalid if
	// the request has a header X-Forwarded-For or Forwarded: then the peer is a proxy. The
	// peer of a Unix socket has no address. Behind a proxy set this field. Read the
	// address from a header only if nobody but your proxy can set it, and return an
	// invalid address if the header is missing.
	ClientAddress func(*http.Request) netip.Addr
	// Token returns the presented token, or "" if there is none. nil: the token in the
	// Authorization header (RFC 6750 section 2.1). No other place is read.
	Token func(*http.Request) string
	// Realm is the realm in the WWW-Authenticate header. "": "mytoken".
	Realm string
	// Logger gets one line, without the token, for each refused request. nil:
	// slog.Default().
	Logger *slog.Logger
}

// RequireMytoken returns net/http middleware. A request passes if it presents a mytoken
// that the verifier accepts for the use. The handler gets the token from
// [TokenFromContext].
//
// The middleware refuses a request as RFC 6750 section 3 says, with a WWW-Authenticate
// header and the JSON body of protocol section 5.0.5:
//
//	401  no token                               invalid_token
//	400  more than one Authorization header     invalid_request
//	401  token not accepted                     invalid_token
//	403  capability missing                     insufficient_capabilities
//	403  restrictions do not admit the use      usage_restricted
//	503  keys of the issuer not available       temporarily_unavailable
//
// The header of both 403 answers says "insufficient_scope", because RFC 6750 has no other
// code. The body names the keys of the clauses that objected, not their values.
//
// A verifier cannot count uses. A clause that limits them refuses with usages_AT or
// usages_other unless [VerifierConfig.AssumeUsagesLeft] is set. Nor does a verifier know
// whether the token was revoked; see [Verifier].
//
// Errors: [ErrVerifierConfig] without a verifier or with a malformed realm, [ErrUse] for
// an incomplete use.
func RequireMytoken(v *Verifier, o MiddlewareOptions) (func(http.Handler) http.Handler, error) {
	if !v.usable() {
		return nil, ErrVerifierConfig
	}
	if err := o.Use.complete(); err != nil {
		return nil, err
	}
	if strings.ContainsFunc(o.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return nil, fmt.Errorf("%w: Realm %.64q has characters that a header cannot hold", ErrVerifierConfig, o.Realm)
	}
	if o.Realm == "" {
		o.Realm = "mytoken"
	}
	if o.ClientAddress == nil {
		o.ClientAddress = remoteAddress
	}
	if o.Token == nil {
		o.Token = bearerToken
	}
	m := &middleware{verifier: v, options: o}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ctx := m.admit(w, r); ctx != nil {
				next.ServeHTTP(w, r.WithContext(ctx))
			}
		})
	}, nil
}

type middleware struct {
	verifier *Verifier
	options  MiddlewareOptions
}

type tokenContextKey struct{}

// TokenFromContext returns the token of a request that passed [RequireMytoken].
func TokenFromContext(ctx context.Context) (*Token, bool) {
	t, ok := ctx.Value(tokenContextKey{}).(*Token)
	return t, ok
}

// admit returns the context for the next handler. If it refuses the request, it answers
// and returns nil.
func (m *middleware) admit(w http.ResponseWriter, r *http.Request) context.Context {
	if len(r.Header.Values("Authorization")) > 1 {
		m.refuse(w, r, refusal{status: http.StatusBadRequest, code: "invalid_request", challenge: "invalid_request",
			text: "more than one Authorization header"}, nil)
		return nil
	}
	compact := m.options.Token(r)
	if compact == "" {
		m.refuse(w, r, refusal{status: http.StatusUnauthorized, code: "invalid_token", text: "no mytoken found in request"}, nil)
		return nil
	}
	t, err := m.verifier.Verify(r.Context(), compact)
	if err == nil {
		use := m.options.Use
		use.Address = m.options.ClientAddress(r)
		if m.options.Refine != nil {
			m.options.Refine(r, &use)
		}
		err = m.verifier.Check(r.Context(), t, use)
	}
	if err != nil {
		m.refuse(w, r, refusalOf(err), err)
		return nil
	}
	return context.WithValue(r.Context(), tokenContextKey{}, t)
}

// refusal is what the client sees of an error.
type refusal struct {
	status    int
	code      string // in the body
	challenge string // "error" of the WWW-Authenticate header; "" for none
	text      string
	retry     int // seconds, 0: not said
}

// refusalOf maps an error to an answer that shows no internals.
func refusalOf(err error) refusal {
	var (
		invalid    *InvalidTokenError
		capability *CapabilityError
		restricted *restriction.RefusedError
	)
	switch {
	case errors.Is(err, ErrTokenExpired):
		return refusal{status: http.StatusUnauthorized, code: "invalid_token", challenge: "invalid_token", text: "token has expired"}
	case errors.Is(err, ErrTokenNotYetValid):
		return refusal{status: http.StatusUnauthorized, code: "invalid_token", challenge: "invalid_token", text: "token is not valid yet"}
	case errors.As(err, &invalid):
		return refusal{status: http.StatusUnauthorized, code: "invalid_token", challenge: "invalid_token", text: "token not valid"}
	case errors.As(err, &capability):
		return refusal{status: http.StatusForbidden, code: "insufficient_capabilities", challenge: "insufficient_scope",
			text: "The provided token does not have the required capability for this operation: " + string(capability.Needed)}
	case errors.As(err, &restricted):
		text := "The restrictions of this token does not allow this usage"
		if restricted.Explanation != nil {
			text += ": " + strings.Join(restricted.Explanation.Keys(), ", ")
		}
		return refusal{status: http.StatusForbidden, code: "usage_restricted", challenge: "insufficient_scope", text: text}
	case errors.Is(err, ErrKeysUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refusal{status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
			text: "the token cannot be checked now", retry: int(fetchPause.Seconds())}
	}
	return refusal{status: http.StatusInternalServerError, code: "internal_server_error", text: "the token could not be checked"}
}

func (m *middleware) refuse(w http.ResponseWriter, r *http.Request, a refusal, err error) {
	logger := m.options.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(r.Context(), slog.LevelInfo, "mytoken refused",
		slog.Int("status", a.status), slog.String("code", a.code), slog.String("reason", reasonText(a, err)),
		slog.String("method", r.Method), slog.String("path", r.URL.Path))

	body, merr := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{a.code, a.text})
	if merr != nil { // cannot occur: every key of a clause is UTF-8
		body = []byte(`{"error":"` + a.code + `"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if a.status != http.StatusServiceUnavailable && a.status != http.StatusInternalServerError {
		h.Set("WWW-Authenticate", m.challenge(a))
	}
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(a.retry))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(append(body, '\n'))
}

func reasonText(a refusal, err error) string {
	if err == nil {
		return a.text
	}
	return errtext.ForLog(err)
}

// challenge returns the WWW-Authenticate header (RFC 6750 section 3). It has no error
// code if the request had no token, and nothing in it comes from a token.
func (m *middleware) challenge(a refusal) string {
	text := `Bearer realm="` + m.options.Realm + `"`
	if a.challenge != "" {
		text += `, error="` + a.challenge + `"`
	}
	return text
}

// bearerToken reads the Authorization header (RFC 6750 section 2.1). It returns "" for
// another scheme.
func bearerToken(r *http.Request) string {
	const scheme = "bearer "
	value := r.Header.Get("Authorization")
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return ""
	}
	return strings.Trim(value[len(scheme):], " ")
}

// remoteAddress returns the address of the connection's peer. A peer that says that it is
// a proxy is not the client.
func remoteAddress(r *http.Request) netip.Addr {
	if len(r.Header.Values("X-Forwarded-For"))+len(r.Header.Values("Forwarded")) > 0 {
		return netip.Addr{}
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return peer.Addr()
	}
	return netip.Addr{}
}
