package oidcupstream

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/internal/unique"
)

// Claims of an access token, and members of some answers, that say how far the access
// token reaches. Keycloak also lists roles in realm_access and resource_access. These do
// not count: they are no scopes, and every access token of a user has them.
var (
	claimedScopes    = []string{"scp", "scopes", "permissions", "roles"} // besides scope
	claimedAudiences = []string{"resource", "audience"}                  // besides aud
)

// Members that grant more than the scopes say.
const (
	claimDetails     = "authorization_details" // of answers and access tokens (RFC 9396)
	claimPermissions = "authorization"         // of access tokens of Keycloak (UMA 2.0)
)

// readAccessToken completes t with what the access token says about itself, if that is a
// signed JWT.
func (t *Tokens) readAccessToken() {
	payload, jwt := jwtPayload(t.AccessToken)
	if !jwt {
		return
	}
	// A member that occurs twice may mean one thing here and another to a resource
	// service, so the JSON is read strictly.
	claims, once := strictFields(payload)
	if !once {
		t.ScopesUnread = append(t.ScopesUnread, "the payload")
		t.AudiencesUnread = append(t.AudiencesUnread, "the payload")
		return
	}
	for n, name := range append([]string{"aud"}, claimedAudiences...) {
		list, err := stringList(claims[name])
		if err != nil {
			t.AudiencesUnread = append(t.AudiencesUnread, name)
		}
		if n == 0 {
			t.AudienceKnown = len(list) > 0
		}
		if len(list) > 0 {
			t.Audiences = unique.Strings(t.Audiences, list)
		}
	}
	if len(t.AudiencesUnread) > 0 {
		t.AudienceKnown = false
	}
	if list := t.readScopes("scope", claims["scope"]); len(list) > 0 {
		t.Scopes = unique.Strings(t.Scopes, list)
	}
	if !emptyList(claims[claimDetails]) {
		t.ScopesUnread = append(t.ScopesUnread, claimDetails)
	}
	if permissions, err := parseFields(claims[claimPermissions]); err == nil && !emptyList(permissions["permissions"]) {
		t.ScopesUnread = append(t.ScopesUnread, claimPermissions)
	}
	for _, name := range claimedScopes {
		words := t.readScopes(name, claims[name])
		if name == "scp" && len(words) > 0 {
			known := set(t.Scopes)
			words = slices.DeleteFunc(unique.Strings(words), func(word string) bool { return t.qualified(word, known) })
		}
		t.claim(words)
	}
}

// claim adds words to Claimed that are not in Scopes.
func (t *Tokens) claim(words []string) {
	if len(words) == 0 {
		return
	}
	known := set(t.Scopes)
	words = slices.DeleteFunc(words, func(word string) bool { return known[word] })
	if len(words) > 0 {
		t.Claimed = unique.Strings(t.Claimed, words)
	}
}

// readScopes reads a claim about scopes. It notes one that cannot be read.
func (t *Tokens) readScopes(name string, raw json.RawMessage) []string {
	words, err := wordList(raw)
	if err != nil {
		t.ScopesUnread = append(t.ScopesUnread, name)
	}
	return words
}

// qualified reports whether a word of the claim scp is the short form of scopes that are
// known. Microsoft Entra leaves the audience out of it: the scope api://a/read becomes
// the word read in an access token whose audience is api://a or a.
func (t *Tokens) qualified(word string, known map[string]bool) bool {
	for _, audience := range t.Audiences {
		full := strings.TrimSuffix(audience, "/") + "/" + word
		if !known[full] && !known["api://"+full] {
			return false
		}
	}
	return t.AudienceKnown
}

// jwtPayload returns the payload of a compact JWS, and whether the token is one. It
// checks nothing. The payload is nil if it cannot be decoded.
func jwtPayload(token string) (payload []byte, jwt bool) {
	if strings.Count(token, ".") != 2 {
		return nil, false
	}
	header, rest, _ := strings.Cut(strings.TrimSpace(token), ".")
	body, _, _ := strings.Cut(rest, ".")
	if text, err := decodeSegment(header); err != nil || !isObject(text) {
		return nil, false
	}
	payload, err := decodeSegment(body)
	if err != nil {
		return nil, true
	}
	return payload, true
}

// otherAlphabet turns base64 of the standard alphabet into that for URLs.
var otherAlphabet = strings.NewReplacer("+", "-", "/", "_")

// decodeSegment decodes base64 of either alphabet, with or without padding.
func decodeSegment(text string) ([]byte, error) {
	if data, err := base64.RawURLEncoding.DecodeString(text); err == nil {
		return data, nil
	}
	text = otherAlphabet.Replace(strings.TrimRight(text, "="))
	return base64.RawURLEncoding.DecodeString(text)
}

// peek decodes the payload of a compact JWS and checks nothing.
func peek(token string) (fields, bool) {
	payload, jwt := jwtPayload(token)
	if !jwt {
		return nil, false
	}
	claims, err := parseFields(payload)
	return claims, err == nil
}

func set(list []string) map[string]bool {
	s := make(map[string]bool, len(list))
	for _, entry := range list {
		s[entry] = true
	}
	return s
}
