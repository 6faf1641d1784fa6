package rest_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// tagsOf returns the tags of alice's tokens, by the names of the tokens.
func (s *service) tagsOf() map[string]string {
	s.t.Helper()
	o, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
	require.NoError(s.t, err)
	records, err := o.List(s.t.Context())
	require.NoError(s.t, err)
	out := make(map[string]string)
	var walk func([]*mytoken.Record)
	walk = func(records []*mytoken.Record) {
		for _, r := range records {
			var names []string
			for _, tag := range r.Tags {
				if tag.Children {
					tag.Name += "*"
				}
				names = append(names, tag.Name)
			}
			if names != nil {
				out[r.Name] = strings.Join(names, " ")
			}
			walk(r.Children)
		}
	}
	walk(records.Roots)
	return out
}

// TestTagsOnEveryPath: each request that creates a token takes tags. No other one accepts
// them.
func TestTagsOnEveryPath(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.RedirectURIs = []string{`https://app\.example/.*`}
		o.rest.Templates = fstest.MapFS{"profiles/sorted.json": {Data: []byte(`{"tags":[{"tag":"profile","include_children":true}]}`)}}
	})
	consent, polling := s.startNative(m{"name": "native", "include": "sorted", "tags": []m{{"tag": "own"}}})
	b := s.browser()
	b.login(b.approve(consent, nil), "alice")
	token := s.object(s.poll(polling), 200)["mytoken"].(string)

	web := s.post("/api/v0/token/my", m{
		"grant_type": "oidc_flow", "client_type": "web", "redirect_uri": "https://app.example/", "oidc_issuer": s.Provider.Issuer(),
		"name": "web", "tags": []m{{"tag": "own"}}, "capabilities": []string{"AT", "create_mytoken"},
	})
	consent = s.object(web, 200)["consent_uri"].(string)
	b = s.browser()
	b.login(b.approve(consent, m{"oidc_issuer": s.Provider.Issuer(), "tags": []m{{"tag": "changed"}}}), "alice")

	root := s.issued("alice", mytoken.Properties{Name: "root"}).Token.Reveal()
	s.object(s.derive(root, m{"name": "child", "include": []string{"sorted"}, "tags": []any{"own"}}), 200)
	exchange := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {root}, "name": {"exchanged"}, "tags": {`[{"tag":"own"}]`},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"},
	}
	s.object(s.form("/oauth/token", exchange), 200)
	s.object(s.form("/api/v0/token/my", url.Values{"grant_type": {"mytoken"}, "mytoken": {root}, "name": {"form"}, "tags": {"two words"}}), 200)
	require.Equal(t, map[string]string{
		"native": "own profile*", "web": "changed", "child": "own profile*", "exchanged": "own", "form": "two words",
	}, s.tagsOf())
	page := s.post("/c", m{"grant_type": "mytoken", "mytoken": root, "oidc_issuer": s.Provider.Issuer(), "tags": []m{{"tag": "asked for"}}})
	require.Contains(t, page.text, `value="asked for" checked`)

	code := s.object(s.post("/api/v0/token/transfer", m{"mytoken": token}), 200)["transfer_code"]
	tags := []m{{"tag": "a"}}
	refused := "tags: this request creates no mytoken that could have them; leave them out"
	s.fails(s.post("/api/v0/token/my", m{"grant_type": "transfer_code", "transfer_code": code, "tags": tags}), 400, "invalid_request", refused)
	s.fails(s.post("/api/v0/token/my", m{"grant_type": "polling_code", "polling_code": polling, "tags": tags}), 400, "invalid_request", refused)
	exchange.Set("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
	s.fails(s.form("/oauth/token", exchange), 400, "invalid_request", refused)
	s.fails(s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {root}, "tags": {"a"}}), 400, "invalid_request", refused)
	s.object(s.post("/api/v0/token/my", m{"grant_type": "transfer_code", "transfer_code": code, "tags": []m{}}), 200) // no tags at all

	// proves P9
	for _, name := range []string{"two words", "asked for", "changed"} {
		assert.NotContains(t, s.Log.String(), name)
	}
}

// A profile with tags that make no sense keeps the service from starting.
func TestTagsOfProfiles(t *testing.T) {
	s := start(t)
	for tags, good := range map[string]bool{`[{"tag":"a"}]`: true, `[{"tag":"a","color":"red"}]`: false, `[{"tag":1}]`: false, `1`: false} {
		files := fstest.MapFS{"profiles/x.json": {Data: []byte(`{"tags":` + tags + `}`)}}
		_, err := rest.NewHandler(s.Issuer, rest.Options{Templates: files})
		require.Equal(t, good, err == nil, "%s: %v", tags, err)
	}
}

// TestTagsRotate: a rotated token gets its update with 200 in place of 204, and in the
// cookie if it came from there.
func TestTagsRotate(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{Capabilities: everything, Rotation: &mytoken.Rotation{OnOther: true}})
	for _, row := range [][3]string{
		{"POST", "/api/v0/settings/tags/a", "{}"}, {"PUT", "/api/v0/settings/tags/a", `{"color":"000000"}`}, {"GET", "/api/v0/settings/tags", ""},
		{"POST", "/api/v0/token/my/tags", `{"tag":"a"}`}, {"DELETE", "/api/v0/token/my/tags", `{"tag":"a"}`}, {"DELETE", "/api/v0/settings/tags/a", "null"},
	} {
		update := s.object(s.do(row[0], row[1], row[2], "Authorization", "Bearer "+token), 200)["token_update"].(m)
		require.NotEqual(t, token, update["mytoken"])
		token = update["mytoken"].(string)
	}
	s.object(s.introspect(token), 200)
}

// TestTagsRepeated: a key makes a request count once, and belongs to one request.
//
// proves P3, P8
func TestTagsRepeated(t *testing.T) {
	s := start(t)
	issued := s.issued("alice", mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{{UsagesOther: restriction.Usages(10)}}})
	send := func(method, path, body string, status int) {
		t.Helper()
		r := s.do(method, "/api/v0/"+path, body, "Authorization", "Bearer "+issued.Token.Reveal(), "Idempotency-Key", `"one key for all"`)
		require.Equal(t, status, r.StatusCode, r.text)
	}
	for range 3 {
		send("POST", "settings/tags/a", `{}`, 204)
	}
	for range 3 {
		send("PUT", "settings/tags/a", `{"tag":"b"}`, 204)
	}
	for range 3 {
		send("POST", "token/my/tags", `{"tag":"b"}`, 204)
		send("GET", "settings/tags", "", 200)
		send("DELETE", "token/my/tags", `{"tag":"b"}`, 204)
		send("DELETE", "settings/tags/b", "", 204)
	}
	send("PUT", "settings/tags/a", `{"tag":"c"}`, 404)
	info, err := s.Store.Token(t.Context(), issued.ID)
	require.NoError(t, err)
	require.Equal(t, int64(6), info.Counters[0].OtherUsed)
}

// TestConsentTags: the consent page shows tags, and the user can drop them. A page that
// does not show them drops none.
func TestConsentTags(t *testing.T) {
	s := start(t)
	for name, row := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"kept":         {func(url.Values) {}, "a* b"},
		"one dropped":  {func(v url.Values) { v["tags"] = []string{"b"} }, "b"},
		"all dropped":  {func(v url.Values) { v.Del("tags") }, ""},
		"others":       {func(v url.Values) { v["tags"] = []string{"b", "c"} }, "b"},
		"another page": {func(v url.Values) { v.Del("tags"); v.Del("tags-shown") }, "a* b"},
	} {
		consent, _ := s.startNative(m{"name": name, "capabilities": []string{"AT"}, "tags": []m{{"tag": "a", "include_children": true}, {"tag": "b"}}})
		b := s.browser()
		page := b.open(consent)
		accessible(t, page)
		f := formOf(t, page, "consent")
		require.Equal(t, []string{"a", "b"}, f.values["tags"])
		row.change(f.values)
		b.login(continues(t, b.send(f, "decision", "approve")), "alice")
		require.Equal(t, row.want, s.tagsOf()[name], name)
	}
}

// TestManageTags: a user sorts tokens by tags without a script: adds and removes tags,
// lists the tokens of one, and revokes them all.
//
// proves P6
func TestManageTags(t *testing.T) {
	s := start(t)
	old := s.issued("alice", mytoken.Properties{Name: "old laptop"})
	child := s.child(old, mytoken.Properties{Name: "job", Capabilities: capability.Set{capability.AT}})
	other := s.issued("alice", mytoken.Properties{Name: "new laptop"})
	bob := s.issued("bob", mytoken.Properties{Name: "bob's", Tags: []mytoken.Tag{{Name: "lost"}}})
	b := s.manager("alice")

	f := formOf(t, b.page("/manage/token"+queryID(old.ID)), "tag-form")
	f.values.Set("tag", " lost ")
	r := b.send(f, "", "")
	require.Equal(t, http.StatusSeeOther, r.StatusCode, r.text)
	require.Equal(t, map[string]string{"old laptop": "lost"}, s.tagsOf())
	page := b.page("/manage/token" + queryID(old.ID))
	accessible(t, page)
	color := regexp.MustCompile(`fill="#([0-9A-F]{6})"`).FindStringSubmatch(page.text)
	require.NotNil(t, color, page.text)

	list := b.page("/manage")
	accessible(t, list)
	require.Equal(t, 2, strings.Count(list.text, "/manage?tag=lost"), "at the token, and to choose from")
	found := b.page("/manage?tag=lost")
	accessible(t, found)
	require.Contains(t, found.text, "<bdi>old laptop</bdi>")
	require.NotContains(t, found.text, "<bdi>new laptop</bdi>")
	require.Contains(t, b.page("/manage?tag=lost&search=new").text, "No token has a name like that and the tag")
	require.NotContains(t, list.text, "bob")

	f.values.Set("tag", "a/b")
	wrong := b.send(f, "", "")
	require.Equal(t, http.StatusBadRequest, wrong.StatusCode)
	accessible(t, wrong)
	require.Contains(t, wrong.text, `value="a/b"`, "the user can correct it")
	f.values.Set("id", bob.ID.String())
	f.values.Set("tag", "mine")
	require.Equal(t, http.StatusNotFound, b.send(f, "", "").StatusCode)

	// Other sites can do none of this.
	for _, path := range []string{"/manage/tag", "/manage/revoke-tagged"} {
		values := url.Values{"id": {other.ID.String()}, "tag": {"lost"}}
		r := b.with(b.client, http.MethodPost, path, values.Encode(), append(browserHeader, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")...)
		require.Equal(t, http.StatusForbidden, r.StatusCode, path)
	}
	require.True(t, s.live(old) && s.live(other))

	ask := b.page("/manage/revoke-tagged?tag=lost")
	accessible(t, ask)
	require.Contains(t, ask.text, "One token has this tag")
	require.Contains(t, ask.text, "1 more token without the tag")
	done := b.send(formOf(t, ask, "revoke-form"), "", "")
	require.Equal(t, http.StatusSeeOther, done.StatusCode, done.text)
	require.Contains(t, b.page("/manage?done=tagged").text, "The tokens with the tag were revoked")
	require.False(t, s.live(old) || s.live(child))
	require.True(t, s.live(other) && s.live(bob))
}

// TestManageCreateTags: the form for a new token has tags, and keeps what the user entered.
func TestManageCreateTags(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Policy = func(_ context.Context, i *issuer.Issuance) error {
				i.Properties.Tags = slices.DeleteFunc(i.Properties.Tags, func(tag mytoken.Tag) bool { return tag.Name == "not here" })
				return nil
			}
		}
	})
	b := s.manager("alice")
	f := formOf(t, b.page("/manage/create"), "create-form")
	f.values.Set("name", "sorted")
	f.values.Set("tags", "a\r\n b ")
	f.values.Set("tags-below", "c\r\n\r\nnot here")
	checked := b.send(f, "edit", "check")
	accessible(t, checked)
	f = formOf(t, checked, "create-form")
	require.Equal(t, "a\nb", f.values.Get("tags"))
	require.Equal(t, "c\nnot here", f.values.Get("tags-below"))
	require.Contains(t, checked.text, `It leaves out the tags <bdi class="item">not here</bdi>`)
	f.values.Set("tags", "a/b")
	wrong := b.send(f, "decision", "create")
	require.Equal(t, http.StatusBadRequest, wrong.StatusCode)
	accessible(t, wrong)
	require.Contains(t, wrong.text, `<a href="#tags">`)
	f.values.Set("tags", "a")
	b.login(continues(t, b.send(f, "decision", "create")), "alice")
	require.Equal(t, "a c*", s.tagsOf()["sorted"])
}
