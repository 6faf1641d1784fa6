package pages

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDataIsDocumented: the comment of package rest lists the fields of every page, and
// no others.
func TestDataIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../doc.go")
	require.NoError(t, err)
	_, lists, found := strings.Cut(string(text), "// # Replacing pages")
	require.True(t, found)
	lists = strings.ReplaceAll(lists, "Embedded,\n// Managing", "Embedded, Managing")
	lists = regexp.MustCompile(`\n//\t {14}`).ReplaceAllString(lists, " ") // a long list goes on in the next line
	documented := func(name string) []string {
		line := regexp.MustCompile(`(?m)^//\t` + regexp.QuoteMeta(name) + `\s+(.*)$`).FindStringSubmatch(lists)
		require.NotNil(t, line, "no list for %s", name)
		own, _, _ := strings.Cut(line[1], ";")
		return strings.Fields(own)
	}
	pages := map[string]any{
		"message.html": messagePage{}, "given.html": givenPage{}, "home.html": homePage{}, "consent.html": consentPage{}, "login.html": loginPage{},
		"tokens.html": tokensPage{}, "token.html": tokenPage{}, "revoke.html": revokePage{}, "revoketagged.html": revokeTaggedPage{}, "create.html": createPage{},
		"created.html": createdPage{},
	}
	require.Len(t, pages, len(names))
	for name, data := range pages {
		require.Contains(t, names, name)
		assert.Equal(t, fieldsOf(data), documented(name), name)
	}
	for name, data := range map[string]any{
		"Providers": provider{}, "User": user{}, "Roots, Token, Tokens, Parent, Children": tokenView{}, "Tags, Tag": tagView{}, "Events": event{},
		"Capabilities": choice{}, "Clauses": clauseText{}, "Problems": problem{}, "Summary": fact{}, "Scopes": scopeView{}, "Lines": line{}, "Items": item{},
	} {
		assert.Equal(t, fieldsOf(data), documented(name), name)
	}
	node := strings.Join(slices.DeleteFunc(fieldsOf(capabilityNode{}), func(name string) bool { return slices.Contains(fieldsOf(choice{}), name) }), " ")
	assert.Contains(t, lists, "in create.html also "+node+"\n")
	assert.Equal(t, []string{"Base", "Home", "Service", "Embedded", "Managing", "Here"}, fieldsOf(frame{}))
	assert.Contains(t, lists, "besides Base, Home, Service, Embedded, Managing and Here")
}

// fieldsOf lists the fields that a template can use, except those of the frame.
func fieldsOf(data any) []string {
	var out []string
	typ := reflect.TypeOf(data)
	for _, f := range reflect.VisibleFields(typ) {
		if f.IsExported() && !f.Anonymous && (typ == reflect.TypeFor[frame]() || typ.Field(f.Index[0]).Type != reflect.TypeFor[frame]()) {
			out = append(out, f.Name)
		}
	}
	return out
}

// TestCreatedPageIsRedacted: nothing that prints or logs the page shows the token. //
// proves P9
func TestCreatedPageIsRedacted(t *testing.T) {
	page := createdPage{Token: "planted-secret", Code: "planted-secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		assert.NotContains(t, fmt.Sprintf(verb, page), "planted-secret", verb)
	}
}
