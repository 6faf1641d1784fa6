package optest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Endpoint names one of the server's endpoints.
type Endpoint string

// The endpoints. A token request is one of two, by its grant type.
const (
	EndpointDiscovery Endpoint = "discovery"
	EndpointKeys      Endpoint = "keys"
	EndpointAuthorize Endpoint = "authorize"
	EndpointExchange  Endpoint = "exchange" // token endpoint, grant_type=authorization_code
	EndpointRefresh   Endpoint = "refresh"  // token endpoint, grant_type=refresh_token
	EndpointUserInfo  Endpoint = "userinfo"
	EndpointRevoke    Endpoint = "revoke"
)

// FaultPoint is a request about to be worked on: the client is authenticated, nothing has changed yet.
type FaultPoint struct {
	Endpoint Endpoint
	// Call counts the requests to this endpoint, from 1.
	Call int
	// ClientID, Subject, Grant and Generation as far as they are known; see Event.
	ClientID   string
	Subject    string
	Grant      int
	Generation int
	// Scopes and Audiences as requested, or where the request names none, as granted.
	Scopes    []string
	Audiences []string
}

// Fault is what goes wrong with one request. The zero value is nothing. Several fields may be set; they apply in the order
// in which they are listed.
type Fault struct {
	// Wait is called before the provider acts. Its context is that of the request: it ends when the client goes away or the
	// server is closed, and then the provider does not act.
	Wait func(context.Context)
	// LoseRequest closes the connection without acting.
	LoseRequest bool
	// RedirectTo answers 307 with this address without acting.
	RedirectTo string
	// FailBefore answers with this HTTP status and a page of HTML without acting.
	FailBefore int
	// Refuse answers 400 with this OAuth error code (invalid_grant, temporarily_unavailable, …) without acting.
	Refuse string
	// RefuseText is the error_description to go with Refuse.
	RefuseText string

	// From here on the provider has acted: the code is used up, the refresh token is rotated.

	// Scopes, if not nil, are those of the access token and of the answer.
	Scopes []string
	// Audiences, if not nil, are those of the access token.
	Audiences []string
	// Rotate replaces the refresh token although the policy does not.
	Rotate bool
	// SameRefreshToken puts the refresh token that was presented into the answer and does not rotate.
	SameRefreshToken bool
	// IDToken may change the ID token's header and claims before it is signed. The alg none gives an unsigned one.
	IDToken func(header, claims map[string]any)
	// NoRefreshToken leaves the refresh token out of the answer.
	NoRefreshToken bool
	// EmptyAccessToken empties access_token in the answer.
	EmptyAccessToken bool
	// NoScope leaves scope out of the answer.
	NoScope bool
	// Edit may change the answer's JSON object.
	Edit func(answer map[string]any)

	// WaitAfter is called when the provider has acted and before it answers, with the request's context.
	WaitAfter func(context.Context)
	// LoseAnswer closes the connection instead of answering.
	LoseAnswer bool
	// FailAfter answers with this HTTP status and a page of HTML.
	FailAfter int
	// Pad adds this many bytes to the answer.
	Pad int
}

// html is what a proxy in front of a failing provider might say.
const html = "<!DOCTYPE html><title>Error</title><p>The server is not available.\n"

// before applies what comes before acting, and reports whether the request is over.
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
	case f.Refuse != "":
		oauthError{status: http.StatusBadRequest, code: f.Refuse, text: f.RefuseText}.write(w)
	default:
		return false
	}
	return true
}

// after applies what comes between acting and answering, and reports whether the request is over.
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

// spoils reports whether the answer does not arrive.
func (f *Fault) spoils() bool { return f.LoseAnswer || f.FailAfter != 0 }

// edit applies what changes an answer.
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
	panic(http.ErrAbortHandler) // not HTTP/1: net/http resets the stream
}
