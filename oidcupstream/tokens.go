package oidcupstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tokens is the result of an exchange or a refresh. It prints without its secrets.
type Tokens struct {
	// AccessToken is the access token. It is never empty, and has no white space inside.
	AccessToken string
	// TokenType is the type of the access token. It is Bearer if the response says so, in
	// upper or lower case, or has no token_type. Otherwise it is the token_type of the
	// response.
	TokenType string
	// ExpiresIn is the lifetime of the access token, at most ten years. 0 means that the
	// provider named none.
	ExpiresIn time.Duration
	// Expiry is when the access token expires, counted from the sending of the request.
	// It is zero if the provider named no lifetime.
	Expiry time.Time
	// RefreshToken is the refresh token of the response. It is empty if there was none,
	// and may equal the one that was sent.
	RefreshToken string
	// Scopes are the scopes of the access token: those of the response, or those of the
	// request if the response names none (RFC 6749 section 5.1). If the access token is a
	// JWT, they also include its scope claim. They include what the provider has added;
	// see Config.AlwaysGranted. Nil means that none of these named a scope.
	Scopes []string
	// Claimed are words that are not in Scopes, and that an access token in the form of a
	// JWT has in the claims scp, scopes, permissions or roles, or the response in members
	// with these names. The access token reaches as far as Scopes and Claimed together. A
	// word of the claim scp counts as in Scopes if a scope there is the audience, a slash
	// and that word, as at Microsoft Entra.
	Claimed []string
	// ScopesUnread and AudiencesUnread name the parts of the response and of the access
	// token that say how far it reaches, and that cannot be read: those that have another
	// type than a string or an array of strings, more than 1,024 entries or 64 KiB, or
	// that occur twice, and authorization_details (RFC 9396) or the permissions of UMA 2.0
	// in the claim authorization. If one of the lists has an entry, the access token may
	// reach further than its scopes or audiences say.
	ScopesUnread    []string
	AudiencesUnread []string
	// ScopeReturned says that the response named the scopes. If Scopes is empty then, the
	// token has no scope.
	ScopeReturned bool
	// Audiences are the claims aud, resource and audience of the access token, if that is
	// a JWT. Nobody has checked its signature here: it came from the provider, and the
	// resource service verifies it.
	Audiences []string
	// AudienceKnown says that the access token has the claim aud, and that Audiences
	// holds all of these claims. Otherwise the token may be valid for any audience.
	AudienceKnown bool
	// Subject is the user in the verified ID token. Only Exchange sets it.
	Subject string
	// AuthTime is when the user logged in at the provider, by the ID token. It is zero if
	// the ID token does not say. Only Exchange sets it.
	AuthTime time.Time
	// IDTokenClaims is the payload of the verified ID token, a JSON object. Only Exchange
	// sets it.
	IDTokenClaims json.RawMessage

	idToken string
}

// maxLifetime bounds expires_in, so that no answer can overflow a time.
const maxLifetime = 10 * 365 * 24 * time.Hour

// parseTokens decodes a successful response (RFC 6749 section 5.1). If the response is
// unusable but has a refresh token, the error carries it.
func parseTokens(op string, r reply, sent time.Time, requested []string) (*Tokens, error) {
	unusable := func(format string, args ...any) *Error {
		return &Error{Op: op, Outcome: Unknown, Status: r.status, err: fmt.Errorf("%w: "+format, append([]any{ErrAnswer}, args...)...)}
	}
	if r.malformed != nil {
		return nil, salvage(unusable("%w", r.malformed), r.refreshToken)
	}
	f, t := r.fields, &Tokens{RefreshToken: r.refreshToken}
	t.AccessToken, _ = f.text("access_token")
	t.TokenType, _ = f.text("token_type")
	t.idToken, _ = f.text("id_token")
	switch len(strings.Fields(t.AccessToken)) {
	case 0:
		return nil, salvage(unusable("it has no access token"), t.RefreshToken)
	case 1:
	default: // Casdoor wrote error texts there
		return nil, salvage(unusable("its access token has white space in it"), t.RefreshToken)
	}
	if t.TokenType == "" || strings.EqualFold(t.TokenType, "bearer") {
		t.TokenType = "Bearer"
	}
	if t.ExpiresIn = lifetime(f["expires_in"]); t.ExpiresIn > 0 {
		t.Expiry = sent.Add(t.ExpiresIn)
	}
	scopes, err := wordList(f["scope"])
	switch {
	case errors.Is(err, errListTooLong):
		return nil, salvage(unusable("its scope: %w", err), t.RefreshToken)
	case err != nil:
		t.ScopesUnread = append(t.ScopesUnread, "scope of the answer")
	case string(f["scope"]) != "null":
		_, t.ScopeReturned = f["scope"]
	}
	if !emptyList(f[claimDetails]) {
		t.ScopesUnread = append(t.ScopesUnread, claimDetails+" of the answer")
	}
	if r.twice {
		t.ScopesUnread = append(t.ScopesUnread, "the answer")
	}
	if t.ScopeReturned {
		t.Scopes = append([]string{}, scopes...)
	} else {
		t.Scopes = slices.Clone(requested)
	}
	t.readAccessToken()
	for _, name := range claimedScopes {
		t.claim(t.readScopes(name+" of the answer", f[name]))
	}
	return t, nil
}

// salvage puts the refresh token of an unusable response into the error about it.
func salvage(e *Error, refreshToken string) *Error {
	if refreshToken != "" {
		e.refreshToken = func() string { return refreshToken }
	}
	return e
}

// lifetime decodes expires_in, a number of seconds. Some providers send it as a string.
func lifetime(raw json.RawMessage) time.Duration {
	text := strings.Trim(string(raw), `"`)
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0) {
		return 0
	}
	return time.Duration(min(seconds, maxLifetime.Seconds())) * time.Second
}
