package rest_test

import (
	"context"
	"errors"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// strict is a service that issues tokens for a week, without the capability to make
// others, and for no admin.
func strict(t *testing.T) *service {
	return start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Providers[0].MaxLifetime = 7 * 24 * time.Hour
			c.Policy = func(_ context.Context, i *issuer.Issuance) error {
				if scopes, _ := i.Properties.Restrictions.ScopeUnion(); slices.Contains(scopes, "admin") {
					return errors.New("nobody may have the right \u202eadmin")
				}
				i.Properties.Capabilities = slices.DeleteFunc(i.Properties.Capabilities, func(c capability.Capability) bool { return c == capability.CreateMytoken })
				return nil
			}
		}
	})
}

var space = regexp.MustCompile(`\s+`)

// shows checks that a page has texts, whatever the white space between words is.
func shows(t *testing.T, page *reply, texts ...string) {
	t.Helper()
	flat := space.ReplaceAllString(page.text, " ")
	for _, text := range texts {
		require.Contains(t, flat, text)
	}
}

// TestConsentShowsWhatIsIssued: the page shows the token as the service issues it, after
// policy and maximum lifetime, and marks what they change. The token then ends when the
// page said, however long the user took.
func TestConsentShowsWhatIsIssued(t *testing.T) {
	s := strict(t)
	now := s.Clock.Now()
	end := now.Add(7 * 24 * time.Hour)
	until := `Until <time datetime="` + end.UTC().Format("2006-01-02T15:04:05Z")
	b := s.browser()
	f, page, polling := b.asked(m{
		"capabilities": []string{"AT", "create_mytoken"}, "restrictions": []m{{"exp": now.Add(30 * 24 * time.Hour).Unix(), "scope": "compute"}},
	})
	accessible(t, page)
	shows(t, page, "It shortens the life of the token to 7 days.", `It leaves out the capability <bdi class="item">create_mytoken</bdi>.`,
		"<dd><p>"+until, "<li>"+until, "(7 days)", "It cannot make any",
		`id="clause-1-exp-note">The service shortens this to 7 days.<`, `aria-describedby="clause-1-exp-note"`, "The service does not give this.")
	require.NotContains(t, page.text, "It changes when, where")
	s.Clock.Advance(4 * time.Minute)
	got := b.agree(f, polling)
	assert.Equal(t, `["AT"]`, encode(t, got["capabilities"]))
	assert.EqualValues(t, end.Unix(), got["restrictions"].([]any)[0].(m)["exp"])

	// A request without restrictions gets an end too.
	_, page, _ = b.asked(m{"capabilities": []string{"AT"}})
	shows(t, page, "It shortens the life of the token to 7 days.", "(7 days)")
	require.NotContains(t, page.text, "There are no restrictions")

	// The page says so as well while the user edits, and says nothing if nothing changes.
	f, page, _ = b.asked(m{"capabilities": []string{"AT"}, "restrictions": []m{{"exp": now.Add(24 * time.Hour).Unix()}, {"usages_AT": 3}}})
	shows(t, page, `id="clause-2-exp-note">The service shortens this to 7 days.<`)
	page = b.send(f.set(t, "clause-2-exp", now.Add(48*time.Hour).UTC().Format("2006-01-02T15:04")), "edit", "check")
	accessible(t, page)
	for _, text := range []string{"The service", "This service does not give all"} {
		require.NotContains(t, page.text, text)
	}
}

// TestRefusalIsCorrectable: what the policy refuses is a problem on the page. The page
// keeps all input, and the code can still be used. Scripts get the same as JSON.
// proves P10
func TestRefusalIsCorrectable(t *testing.T) {
	s := strict(t)
	const refusal = `This service does not issue such a token: nobody may have the right \u202eadmin`
	request := m{"capabilities": []string{"AT"}, "restrictions": []m{{"scope": "compute admin", "usages_AT": 3}}}
	b := s.browser()
	f, page, polling := b.asked(request)
	accessible(t, page)
	require.Equal(t, http.StatusOK, page.StatusCode)
	shows(t, page, `role="alert"`, refusal)
	f.set(t, "name", "mine").set(t, "clause-1-usages_AT", "2")
	for _, button := range [][2]string{{"decision", "approve"}, {"edit", "check"}} {
		page = b.send(f, button[0], button[1])
		accessible(t, page)
		require.Equal(t, http.StatusForbidden, page.StatusCode)
		require.Empty(t, page.Cookies())
		shows(t, page, `role="alert"`, refusal)
		kept := formOf(t, page, "consent").values
		require.Equal(t, []string{"mine", "2", "compute admin"}, []string{kept.Get("name"), kept.Get("clause-1-usages_AT"), kept.Get("clause-1-scope")})
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	got := b.agree(formOf(t, page, "consent").set(t, "clause-1-scope", "compute"), polling)
	require.Equal(t, `[{"scope":"compute","usages_AT":2}]`, strings.NewReplacer(`"exp":`, "").Replace(encode(t, withoutExp(got["restrictions"]))))

	consent, polling := s.startNative(request)
	r := s.do(http.MethodPost, consent, `{"capabilities":["AT"]}`)
	s.fails(r, 403, "access_denied", `nobody may have the right \u202eadmin`)
	require.Empty(t, r.Cookies())
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	require.NotEmpty(t, s.browser().approve(consent, m{"restrictions": []m{{"scope": "compute", "usages_AT": 1}}}))
}

func withoutExp(list any) any {
	for _, clause := range list.([]any) {
		delete(clause.(m), "exp")
	}
	return list
}

// TestCreateShowsWhatIsIssued: the form for a new token does the same.
func TestCreateShowsWhatIsIssued(t *testing.T) {
	s := strict(t)
	b := s.manager("alice")
	page := b.page("/manage/create")
	accessible(t, page)
	end := s.Clock.Now().Add(7 * 24 * time.Hour)
	shows(t, page, "It shortens the life of the token to 7 days.", `id="clause-1-exp-note">The service shortens this to 7 days.<`, "(7 days)")
	f := formOf(t, page, "create-form").set(t, "clause-1-scope", "admin").set(t, "name", "mine").set(t, "capabilities", "AT", "create_mytoken", "tokeninfo")
	for _, button := range [][2]string{{"decision", "create"}, {"edit", "check"}} {
		refused := b.send(f, button[0], button[1])
		accessible(t, refused)
		require.Equal(t, http.StatusForbidden, refused.StatusCode)
		require.Empty(t, refused.Cookies())
		shows(t, refused, `role="alert"`, "This service does not issue such a token: nobody may have the right")
		require.Equal(t, "mine", formOf(t, refused, "create-form").values.Get("name"))
	}
	checked := b.send(f.set(t, "clause-1-scope", "compute"), "edit", "check")
	accessible(t, checked)
	shows(t, checked, `It leaves out the capability <bdi class="item">create_mytoken</bdi>.`, "The service does not give this.")
	s.Clock.Advance(10 * time.Minute)
	created := b.login(continues(t, b.send(formOf(t, checked, "create-form"), "decision", "create")), "alice")
	shown := shownToken.FindStringSubmatch(created.text)
	require.NotNil(t, shown, created.text)
	got := s.object(s.introspect(html.UnescapeString(shown[1])), 200)["token"].(m)
	require.EqualValues(t, end.Unix(), got["restrictions"].([]any)[0].(m)["exp"], "it ends when the page said")

	// So does a lifetime that the user chooses: it counts from the page.
	f = formOf(t, b.page("/manage/create"), "create-form").set(t, "capabilities", "AT", "tokeninfo").set(t, "lifetime", "3600")
	checked = b.send(f, "edit", "check")
	end = s.Clock.Now().Add(time.Hour)
	shows(t, checked, `Until <time datetime="`+end.UTC().Format("2006-01-02T15:04:05Z"))
	s.Clock.Advance(10 * time.Minute)
	created = b.login(continues(t, b.send(formOf(t, checked, "create-form"), "decision", "create")), "alice")
	shown = shownToken.FindStringSubmatch(created.text)
	require.NotNil(t, shown, created.text)
	got = s.object(s.introspect(html.UnescapeString(shown[1])), 200)["token"].(m)
	require.EqualValues(t, end.Unix(), got["restrictions"].([]any)[0].(m)["exp"])
}

// TestUnknownScopeWarns: a scope that the provider does not list is marked on the pages.
// It is no reason to refuse.
func TestUnknownScopeWarns(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Providers[0].Scopes = map[string]issuer.ScopeInfo{"compute": {Title: "Use the cluster", Description: "Day and night.", Sensitive: true}}
		}
	})
	const mark, warning = `<span class="badge careful">unknown to the provider</span>`, "The provider does not list every one of these rights."
	b := s.manager("alice") // a login fetches the metadata
	user := s.browser()
	f, page, polling := user.asked(m{"restrictions": []m{{"scope": "compute storage.reed storage.read"}}})
	accessible(t, page)
	shows(t, page, `<li><strong>Use the cluster</strong> <code><bdi>compute</bdi></code> <span class="badge careful">sensitive</span> <span class="hint">Day and night.</span></li>`,
		`<code><bdi>storage.reed</bdi></code> `+mark, warning)
	require.Equal(t, 1, strings.Count(page.text, mark))
	// The login works, and the provider leaves out what it does not know.
	require.Equal(t, "compute storage.read", user.agree(f, polling)["restrictions"].([]any)[0].(m)["scope"])

	check := b.send(formOf(t, b.page("/manage/create"), "create-form").set(t, "clause-1-scope", "storage.reed openid"), "edit", "check")
	accessible(t, check)
	require.Equal(t, http.StatusOK, check.StatusCode)
	shows(t, check, `<code><bdi>storage.reed</bdi></code> `+mark, warning)
	fine := b.send(formOf(t, check, "create-form").set(t, "clause-1-scope", "openid storage.read:/home"), "edit", "check")
	shows(t, fine, "Only below /home")
	require.NotContains(t, fine.text, mark)
}
