package rest_test

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/oldtext"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
)

var markStack = regexp.MustCompile(`\p{M}{9}`)

// TestAttackNamesOnPages: no text from elsewhere changes how the rest of a page reads:
// names of programs, tokens, providers and users, values of restrictions, and what was
// typed into a field.
func TestAttackNamesOnPages(t *testing.T) {
	const turned = "\u202e\u2066\u200b\ufeff\u00ad"
	stack := "e" + strings.Repeat("\u0301", 40)
	evil := "evil" + turned + stack + strings.Repeat("x", 300)
	s := start(t, func(o *setup) {
		o.Upstream = func(c *oidcupstream.Config) { c.Name = "University" + turned + stack }
		o.Config = func(c *issuer.Config) {
			c.Store = oldtext.Store{Store: c.Store, Ring: c.Seal}
			c.Restrictions.Conditions = map[string]restriction.Factory{"badge": func(value []byte) (restriction.Condition, error) {
				var b badge
				err := json.Unmarshal(value, &b.want)
				return b, err
			}}
		}
	})
	pages := make(map[string]*reply)
	b := s.browser()
	f, page, _ := b.asked(m{"application_name": evil, "restrictions": []m{{"badge": evil, "usages_AT": 4}, {"scope": strings.Repeat("y", 300)}}})
	pages["consent"] = page
	require.Contains(t, page.text, `<bdi>evil`)
	fields := []string{"name", "clause-1-scope", "clause-1-audience", "clause-1-hosts", "clause-1-exp", "rotation-lifetime"}
	for _, field := range fields {
		f.set(t, field, evil)
	}
	for _, button := range [][2]string{{"edit", "check"}, {"edit", "add"}, {"decision", "approve"}} {
		pages["consent, "+button[1]] = b.send(f, button[0], button[1])
	}
	asJSON, page, _ := b.asked(m{"restrictions": longRestrictions()})
	pages["JSON"] = page
	if asJSON.values.Has("restrictions") {
		pages["JSON, again"] = b.send(asJSON.set(t, "restrictions", "[\n\t{\"badge\": \""+evil+"\", \"x\"}]").set(t, "rotation", evil), "decision", "approve")
		require.Contains(t, pages["JSON, again"].text, "[\n\t{", "line breaks of a JSON text stay")
	}
	hosted := mytoken.Properties{Name: "laptop", Capabilities: everything, Restrictions: restriction.List{{
		Extra: []restriction.Extra{{Key: "badge", Value: []byte(`"` + evil + `"`)}},
	}}}
	token := s.issued("alice", hosted)
	parent := s.token(mytoken.Properties{Capabilities: everything})
	pages["on demand"] = s.post("/c", m{
		"grant_type": "mytoken", "mytoken": parent, "oidc_issuer": s.Provider.Issuer(), "application_name": evil, "restrictions": []m{{"badge": evil}},
	}, "Accept", "text/html")
	require.Equal(t, http.StatusOK, pages["on demand"].StatusCode, pages["on demand"].text)
	manager := s.manager("alice")
	pages["token"] = manager.page("/manage/token" + queryID(token.ID))
	f = formOf(t, manager.page("/manage/create"), "create-form")
	pages["created"] = manager.create(func(*form) {}, "al"+turned+"ice")
	for _, field := range fields {
		f.set(t, field, evil)
	}
	for _, button := range [][2]string{{"edit", "check"}, {"edit", "add"}, {"decision", "create"}} {
		pages["create, "+button[1]] = manager.send(f, button[0], button[1])
	}
	for name, page := range pages {
		requireLegible(t, page.text, "<h1>")
		require.False(t, markStack.MatchString(html.UnescapeString(page.text)), "%s: a stack of marks", name)
	}
}
