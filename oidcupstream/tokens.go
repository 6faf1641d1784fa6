package oidcupstream

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tokens is the result of an exchange or a refresh. It prints without its secrets.
type Tokens struct {
	// AccessToken is the access token. It is never empty.
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
	// JWT, they also include its scope claim. Nil means that none of these named a scope.
	Scopes []string
	// ScopeReturned says that the response named the scopes. If Scopes is empty then, the
	// token has no scope.
	ScopeReturned bool
	// Audiences is the aud claim of the access token, if that is a JWT. Nobody has
	// checked its signature here: it came from the provider, and the resource service
	// verifies it.
	Audiences []string
	// AudienceKnown says that Audiences holds the claim. Otherwise the token may be valid
	// for any audience.
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
	f, err := parseFields(r.body)
	if err != nil {
		return nil, unusable("%w", err)
	}
	t := new(Tokens)
	t.RefreshToken, _ = f.text("refresh_token")
	t.AccessToken, _ = f.text("access_token")
	t.TokenType, _ = f.text("token_type")
	t.idToken, _ = f.text("id_token")
	if t.AccessToken == "" {
		return nil, salvage(unusable("it has no access token"), t)
	}
	if t.TokenType == "" || strings.EqualFold(t.TokenType, "bearer") {
		t.TokenType = "Bearer"
	}
	if t.ExpiresIn = lifetime(f["expires_in"]); t.ExpiresIn > 0 {
		t.Expiry = sent.Add(t.ExpiresIn)
	}
	scopes, returned := scopeList(f["scope"])
	if t.ScopeReturned = returned; returned {
		t.Scopes = scopes
	} else {
		t.Scopes = slices.Clone(requested)
	}
	if claims, ok := peek(t.AccessToken); ok {
		t.Audiences = stringList(claims["aud"])
		t.AudienceKnown = len(t.Audiences) > 0
		claimed, _ := scopeList(claims["scope"])
		known := make(map[string]bool, len(t.Scopes))
		for _, scope := range t.Scopes {
			known[scope] = true
		}
		for _, scope := range claimed {
			if !known[scope] {
				known[scope] = true
				t.Scopes = append(t.Scopes, scope)
			}
		}
	}
	return t, nil
}

// salvage puts the refresh token of an unusable response into the error about it.
func salvage(e *Error, t *Tokens) *Error {
	if t.RefreshToken != "" {
		refreshToken := t.RefreshToken
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

// scopeList decodes scopes: a string with spaces between them, or from some providers an
// array.
func scopeList(raw json.RawMessage) (scopes []string, ok bool) {
	var text *string
	if json.Unmarshal(raw, &text) == nil {
		if text == nil { // null counts as absent
			return nil, false
		}
		return strings.Fields(*text), true
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil, false
	}
	for _, entry := range list {
		scopes = append(scopes, strings.Fields(entry)...)
	}
	return scopes, true
}

// stringList decodes a claim that is a string or an array of strings. It returns nil for
// anything else.
func stringList(raw json.RawMessage) []string {
	var text *string
	if json.Unmarshal(raw, &text) == nil {
		if text == nil || *text == "" {
			return nil
		}
		return []string{*text}
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil
	}
	return list
}

// peek decodes the payload of a compact JWS and checks nothing.
func peek(token string) (fields, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, false
	}
	claims, err := parseFields(payload)
	return claims, err == nil
}
