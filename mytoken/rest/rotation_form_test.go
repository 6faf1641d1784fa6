package rest_test

import (
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRotationOnlyWhereChosen: a form adds no rotation that the user did not choose. The
// lifetime and the revocation of old tokens count only together with one.
func TestRotationOnlyWhereChosen(t *testing.T) {
	s := start(t)
	const replaced = "The token is replaced by a new one"
	rotationOf := func(created *reply) any {
		t.Helper()
		shown := shownToken.FindStringSubmatch(created.text)
		if shown == nil {
			t.Fatal(created.text)
		}
		return s.object(s.introspect(html.UnescapeString(shown[1])), 200)["token"].(m)["rotation"]
	}
	b := s.manager("alice")
	for name, c := range map[string]struct {
		fields map[string]string
		want   any
	}{
		"nothing":     {nil, nil},
		"a lifetime":  {map[string]string{"rotation-lifetime": "60"}, nil},
		"auto_revoke": {map[string]string{"rotation-auto_revoke": "1"}, nil},
		"both":        {map[string]string{"rotation-lifetime": "60", "rotation-auto_revoke": "1"}, nil},
		"all":         {map[string]string{"rotation-lifetime": "60", "rotation-auto_revoke": "1", "rotation-on_other": "1"}, m{"lifetime": 60.0, "auto_revoke": true, "on_other": true}},
	} {
		fill := func(f *form) {
			t.Helper()
			for field, value := range c.fields {
				f.set(t, field, value)
			}
		}
		f := formOf(t, b.page("/manage/create"), "create-form")
		fill(f)
		checked := b.send(f, "edit", "check")
		assert.Equal(t, c.want != nil, strings.Contains(checked.text, replaced), name)
		assert.Equal(t, c.want != nil, strings.Contains(checked.text, "Each one lasts 1 minute."), name)
		for field, value := range c.fields {
			assert.Equal(t, value, formOf(t, checked, "create-form").values.Get(field), "%s: the form lost %s", name, field)
		}
		created := b.create(func(f *form) { fill(f.set(t, "capabilities", "AT", "tokeninfo:introspect")) }, "alice")
		assert.Equal(t, c.want, rotationOf(created), name)

		user := s.browser()
		asked, _, polling := user.asked(nil)
		fill(asked)
		assert.Equal(t, c.want, user.agree(asked, polling)["rotation"], name)
	}
	// A program that asks for a token of a fixed lifetime gets that.
	user := s.browser()
	asked, page, polling := user.asked(m{"rotation": m{"lifetime": 5400}})
	assert.NotContains(t, page.text, replaced)
	assert.Contains(t, page.text, "(1 hour 30 minutes)")
	assert.Equal(t, m{"lifetime": 5400.0}, user.agree(asked, polling)["rotation"])
	// The user can still do without it, and then the token rotates no more.
	user = s.browser()
	asked, _, polling = user.asked(m{"rotation": m{"lifetime": 5400, "on_AT": true}})
	assert.Nil(t, user.agree(asked.set(t, "rotation-on_AT"), polling)["rotation"])
}
