package optest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Endpoint names an endpoint of the server.
type Endpoint string

// The endpoints. The token endpoint counts as two, one for each grant type.
const (
	EndpointDiscovery Endpoint = "discovery"
	EndpointKeys      Endpoint = "keys"
	EndpointAuthorize Endpoint = "authorize"
	EndpointExchange  Endpoint = "exchange" // token endpoint, grant_type=authorization_code
	EndpointRefresh   Endpoint = "refresh"  // token endpoint, grant_type=refresh_token
	EndpointUserInfo  Endpoint = "userinfo"
	EndpointRevoke    Endpoint = "revoke"
)

// FaultPoint describes a request before the provider acts on it. The endpoints exchange,
// refresh and revoke have authenticated the client by then.
type FaultPoint struct {
	Endpoint Endpoint
	// Call counts the requests to this endpoint, from 1.
	Call int
	// ClientID, Subject, Grant and Generation are set if the server knows them; see
	// [Event].
	ClientID   string
	Subject    string
	Grant      int
	Generation int
	// Scopes and Audiences are those of the request, or those of the grant if the request
	// names none.
	Scopes    []string
	Audiences []string
}

// Fault says what goes wrong with one request. The zero value is no fault. If several
// fields are set, they apply in the order in which they are declared.
type Fault struct {
	// Wait is called before the provider acts. Its context ends when the client goes away
	// or the server is closed. Then the provider does not act.
	Wait func(context.Context)
	// LoseRequest closes the connection. The provider does not act.
	LoseRequest bool
	// RedirectTo answers with status 307 and this address. The provider does not act.
	RedirectTo string
	// FailBefore answers with this status and an HTML page. The provider does not act.
	FailBefore int
	// Throttle answers with status 429 and an HTML page, and asks to wait so long, in
	// whole seconds. The provider does not act.
	Throttle time.Duration
	// Refuse answers with status 400 and this OAuth error code, for example
	// invalid_grant. The provider does not act.
	Refuse string
	// RefuseText is the error_description of Refuse.
	RefuseText string
	// RefuseMore are more members of the answer, such as suberror and error_codes.
	RefuseMore map[string]any

	// With the fields below, the provider acts: it uses up the code, or rotates the
	// refresh token.

	// Scopes replace those of the access token and the answer. Nil changes nothing.
	Scopes []string
	// Audiences replace those of the access token. Nil changes nothing.
	Audiences []string
	// Rotate replaces the refresh token even if the rotation policy does not.
	Rotate bool
	// SameRefreshToken answers with the presented refresh token and does not rotate it.
	SameRefreshToken bool
	// IDToken may change the header and claims of the ID token before it is signed. If it
	// sets alg to none, the ID token has no signature.
	IDToken func(header, claims map[string]any)
	// NoRefreshToken leaves the refresh token out of the answer.
	NoRefreshToken bool
	// EmptyAccessToken makes access_token empty in the answer.
	EmptyAccessToken bool
	// NoScope leaves scope out of the answer.
	NoScope bool
	// Edit may change the JSON object of the answer.
	Edit func(answer map[string]any)

	// WaitAfter is called after the provider has acted and before it answers, with the
	// context of the request.
	WaitAfter func(context.Context)
	// LoseAnswer closes the connection instead of answering.
	LoseAnswer bool
	// FailAfter answers with this status and an HTML page.
	FailAfter int
	// Pad adds this many bytes to the answer, after Edit.
	Pad int
}

// html is the page of a proxy in front of a failing provider.
const html = "<!DOCTYPE html><title>Error</title><p>The server is not available.\n"

// before applies the faults that come before the provider acts. It reports whether the
// request is over.
func (f *Fault) before(w http.ResponseWriter, r *http.Request) (over bool) {
	if f.Wait != nil {
		f.Wait(r.Context())
	}
	switch {
	case f.LoseRequest || f.Wait != nil && r.Context().Err() != nil:
		hangUp(w)
	case f.RedirectTo != "":
		http.Redirect(w, r, f.RedirectTo, http.StatusTemporaryRedirect)
	case f.FailBefore != 0:
		writeHTML(w, f.FailBefore)
	case f.Throttle != 0:
		w.Header().Set("Retry-After", strconv.FormatInt(int64(f.Throttle/time.Second), 10))
		writeHTML(w, http.StatusTooManyRequests)
	case f.Refuse != "":
		refused := oauthError{http.StatusBadRequest, f.Refuse, f.RefuseText}
		answer := refused.object()
		maps.Copy(answer, f.RefuseMore)
		writeJSON(w, refused.status, answer)
	default:
		return false
	}
	return true
}

// after applies the faults that come between acting and answering. It reports whether the
// request is over.
func (f *Fault) after(w http.ResponseWriter, r *http.Request) (over bool) {
	if f.WaitAfter != nil {
		f.WaitAfter(r.Context())
	}
	switch {
	case f.LoseAnswer:
		hangUp(w)
	case f.FailAfter != 0:
		writeHTML(w, f.FailAfter)
	default:
		return false
	}
	return true
}

// spoils reports whether the fault keeps the answer from arriving.
func (f *Fault) spoils() bool { return f.LoseAnswer || f.FailAfter != 0 }

// edit applies the faults that change an answer.
func (f *Fault) edit(answer map[string]any) {
	if f.NoRefreshToken {
		delete(answer, "refresh_token")
	}
	if f.EmptyAccessToken {
		answer["access_token"] = ""
	}
	if f.NoScope {
		delete(answer, "scope")
	}
	if f.Edit != nil {
		f.Edit(answer)
	}
	if f.Pad > 0 {
		answer["padding"] = strings.Repeat("x", f.Pad)
	}
}

func writeHTML(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, html)
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
		return
	}
	panic(http.ErrAbortHandler) // HTTP/2: net/http resets the stream
}
