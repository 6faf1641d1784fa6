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

// Tokens is the answer to an exchange or a refresh. It prints without its secrets, in every format.
type Tokens struct {
	// AccessToken is never empty.
	AccessToken string
	// TokenType is Bearer where the provider says so in any case, or says nothing; otherwise what it says.
	TokenType string
	// ExpiresIn is the access token's lifetime as answered; 0 means that the provider did not say.
	ExpiresIn time.Duration
	// Expiry is ExpiresIn after the moment before the request was sent; zero if the provider did not say.
	Expiry time.Time
	// RefreshToken is the one in the answer; empty if there was none. It may equal the one that was sent.
	RefreshToken string
	// Scopes are the scopes of the access token: those of the answer, or if it named none those of the request
	// (RFC 6749 5.1: omitted means identical), and any in the scope claim of an access token that is a JWT. Nil if neither
	// answer nor request nor token said anything.
	Scopes []string
	// ScopeReturned: the answer had a scope member. If it was empty, Scopes may be empty: that means no scope, not any.
	ScopeReturned bool
	// Audiences is the aud claim if the access token is a JWT that has one, which is then AudienceKnown. The token's
	// signature was not checked: it came from the provider, and is for somebody else to verify. If not AudienceKnown, the
	// token may be good for any audience.
	Audiences     []string
	AudienceKnown bool
	// Subject is the user at the provider, from the verified ID token. Only set by Exchange.
	Subject string
	// AuthTime is when the user logged in at the provider, from the ID token; zero if it does not say. Only set by Exchange.
	AuthTime time.Time
	// IDTokenClaims is the payload of the verified ID token, a JSON object. Only set by Exchange.
	IDTokenClaims json.RawMessage

	idToken string
}

// maxLifetime bounds expires_in, so that no answer overflows a time.
const maxLifetime = 10 * 365 * 24 * time.Hour

// parseTokens decodes a successful answer (RFC 6749 5.1). A refresh token in an answer that is otherwise unusable travels in
// the error.
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
		return nil, salvage(unusable("no access token"), t)
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
		for _, scope := range claimed {
			if !slices.Contains(t.Scopes, scope) {
				t.Scopes = append(t.Scopes, scope)
			}
		}
	}
	return t, nil
}

// salvage puts the answer's refresh token into the error that replaces the answer.
func salvage(e *Error, t *Tokens) *Error {
	if t.RefreshToken != "" {
		refreshToken := t.RefreshToken
		e.refreshToken = func() string { return refreshToken }
	}
	return e
}

// lifetime reads expires_in: a number of seconds, by some providers as a string.
func lifetime(raw json.RawMessage) time.Duration {
	text := strings.Trim(string(raw), `"`)
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0) {
		return 0
	}
	return time.Duration(min(seconds, maxLifetime.Seconds())) * time.Second
}

// scopeList reads a scope member: a space separated string, by some providers an array.
func scopeList(raw json.RawMessage) (scopes []string, ok bool) {
	var text *string
	if json.Unmarshal(raw, &text) == nil {
		if text == nil { // absent would not get here; null is as good as absent
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

// stringList reads a claim that is a string or an array of strings; nil for anything else.
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

// peek decodes the payload of a compact JWS without trusting it.
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
