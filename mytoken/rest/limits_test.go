package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// TestLimitsOnTheWire: a client learns which limit a request exceeds.
func TestLimitsOnTheWire(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Limits = issuer.Limits{Clauses: 2, TokensPerUser: 2} }
	})
	root := s.issued("alice", mytoken.Properties{Capabilities: capability.Set{capability.CreateMytoken}})
	derive := m{"grant_type": "mytoken", "mytoken": root.Token.Reveal(), "restrictions": []m{{"usages_AT": 1}, {"usages_AT": 2}, {"usages_AT": 3}}}
	s.fails(s.post("/api/v0/token/my", derive), 400, "invalid_request", "restrictions: 3 clauses, at most 2 are allowed")
	delete(derive, "restrictions")
	s.object(s.post("/api/v0/token/my", derive), 200)
	s.fails(s.post("/api/v0/token/my", derive), 403, "access_denied",
		"mytoken: the user has 2 tokens, and no more are stored; expired and revoked tokens count until they are deleted")
}

// TestManageBulkyTokens: the list names every token and leaves out descriptions that take
// too much room. The page of a token always has its own.
func TestManageBulkyTokens(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Limits.ListBytes = 1 << 20 }
	})
	var audiences []string
	for n := range 8 {
		audiences = append(audiences, strings.Repeat(string(rune('a'+n)), 8000))
	}
	root := s.issued("alice", mytoken.Properties{Name: "root"})
	var last *mytoken.Issued
	for range 12 {
		last = s.child(root, mytoken.Properties{Name: "bulky", Restrictions: restriction.List{{Audiences: audiences}}})
	}
	b := s.manager("alice")
	list := b.page("/manage")
	accessible(t, list)
	if named, brief := strings.Count(list.text, "<bdi>bulky</bdi>"), strings.Count(list.text, "See the page of the token."); named != 12 || brief < 4 || brief > 8 {
		t.Errorf("%d named, %d without a description", named, brief)
	}
	page := b.page("/manage/token" + queryID(last.ID))
	if page.StatusCode != http.StatusOK || strings.Contains(page.text, "There are no restrictions.") || !strings.Contains(page.text, strings.Repeat("h", 50)) {
		t.Errorf("%d", page.StatusCode)
	}
}
