package oidcupstream

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

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

const (
	// maxListed bounds the scopes and the audiences of an answer. Callers compare them
	// with lists of their own. It is the greatest length of a list in a restriction too.
	maxListed = 1024
	// maxListedBytes bounds the JSON of such a list.
	maxListedBytes = 64 << 10
)

var (
	errListTooLong = fmt.Errorf("it has more than %d entries or %d bytes", maxListed, maxListedBytes)
	errListType    = errors.New("it is neither a string nor a list of strings")
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
	claims, err := parseFields(payload)
	if err != nil || !jsontext.Value(payload).IsValid() {
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
	known := set(t.Scopes)
	for _, name := range claimedScopes {
		words := t.readScopes(name, claims[name])
		if name == "scp" {
			words = slices.DeleteFunc(unique.Strings(words), func(word string) bool { return t.qualified(word, known) })
		}
		t.claim(words)
	}
}

// claim adds words to Claimed that are not in Scopes.
func (t *Tokens) claim(words []string) {
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
	if text, err := decodeSegment(header); err != nil {
		return nil, false
	} else if _, err := parseFields(text); err != nil {
		return nil, false
	}
	payload, err := decodeSegment(body)
	if err != nil {
		return nil, true
	}
	return payload, true
}

// decodeSegment decodes base64 of either alphabet, with or without padding.
func decodeSegment(text string) ([]byte, error) {
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
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

// wordList decodes scopes: a string with spaces between them, or from some providers an
// array of such strings. It returns nil and no error for a member that is missing or
// null.
func wordList(raw json.RawMessage) ([]string, error) {
	list, err := stringList(raw)
	if err != nil {
		return nil, err
	}
	var words []string
	for _, entry := range list {
		words = append(words, strings.Fields(entry)...)
	}
	if len(words) > maxListed {
		return nil, errListTooLong
	}
	return words, nil
}

// stringList decodes a claim that is a string or an array of strings. It returns nil and
// no error for a claim that is missing, null or empty.
func stringList(raw json.RawMessage) ([]string, error) {
	if len(raw) > maxListedBytes {
		return nil, errListTooLong
	}
	if len(raw) == 0 {
		return nil, nil
	}
	var text *string
	if json.Unmarshal(raw, &text) == nil {
		if text == nil || *text == "" {
			return nil, nil
		}
		return []string{*text}, nil
	}
	var entries []*string
	if json.Unmarshal(raw, &entries) != nil {
		return nil, errListType
	}
	if len(entries) > maxListed {
		return nil, errListTooLong
	}
	list := make([]string, 0, len(entries))
	for _, entry := range entries {
		if entry == nil { // null
			return nil, errListType
		}
		list = append(list, *entry)
	}
	return list, nil
}

// emptyList reports whether a member is missing, null or an empty array.
func emptyList(raw json.RawMessage) bool {
	if len(raw) == 0 {
		return true
	}
	if len(raw) > maxListedBytes {
		return false
	}
	var list []json.RawMessage
	return json.Unmarshal(raw, &list) == nil && len(list) == 0
}

func set(list []string) map[string]bool {
	s := make(map[string]bool, len(list))
	for _, entry := range list {
		s[entry] = true
	}
	return s
}
