package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
)

// tabTo moves to an element with the tabulator key. The focus must be visible at each
// stop.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	const steps = 200
	for range steps {
		b.do(chromedp.KeyEvent(kb.Tab))
		if eval[bool](b, `document.activeElement.tabIndex >= 0`) {
			seen := eval[bool](b, `(({outlineStyle, outlineWidth}) => outlineStyle !== "none" && parseFloat(outlineWidth) >= 2)(getComputedStyle(document.activeElement))`)
			require.True(b.t, seen, "the focus is not seen on %s", eval[string](b, `document.activeElement.outerHTML.slice(0, 100)`))
		}
		if eval[bool](b, `document.activeElement.matches("`+selector+`")`) {
			return
		}
	}
	require.FailNow(b.t, "the keyboard does not lead there", selector)
}

func (b *tab) key(keys string) chromedp.Action[chromedp.Void] { return chromedp.KeyEvent(keys) }

// TestConsentByKeyboard goes through a login with nothing but the keyboard.
func TestConsentByKeyboard(t *testing.T) {
	s := start(t)
	address, polling := s.askFor(asked)
	page := pathOf(t, address)
	b := open(t, desktop, address)

	b.tabTo("input[value=create_mytoken]")
	b.do(b.key(" "))
	b.tabTo("#restrictions-editor > summary")
	b.do(b.key(kb.Enter))
	b.tabTo("input[name$='-usages_AT']")
	b.do(b.key("\b\b3"))
	require.Equal(t, "3", eval[string](b, `document.activeElement.value`))
	// Enter in a field shows what it means, and agrees to nothing.
	b.leave(b.key(kb.Enter), page, "#restrictions")
	require.Contains(t, b.text(), "3 access tokens")
	status, _ := s.fetch(polling)
	require.Equal(t, 428, status)

	b.tabTo("#approve")
	b.leave(b.key(kb.Enter), "/native", "main h1")
	answer := s.token(polling)
	require.Equal(t, []any{"AT", "tokeninfo"}, answer["capabilities"])
	require.EqualValues(t, 3, answer["restrictions"].([]any)[0].(m)["usages_AT"])
}

// TestRevokeByKeyboard revokes a token with nothing but the keyboard.
func TestRevokeByKeyboard(t *testing.T) {
	s := start(t)
	token := s.give(mytoken.Properties{Name: "job 4711", Capabilities: capability.Set{capability.AT}})
	b := open(t, desktop, s.URL+"/home")
	for _, step := range []struct{ key, path, element string }{
		{"#manage", "/manage", "#login"}, {"#provider-0", "/manage", "form.search"}, {"a.token-name", "/manage/token", "#history"},
		{"#revoke", "/manage/revoke", "#revoke-form"}, {"#confirm", "/manage", "[role=status]"},
	} {
		b.tabTo(step.key)
		b.leave(b.key(kb.Enter), step.path, step.element)
	}
	status, _ := s.access(token)
	require.Equal(t, 401, status)

	// A user who has seen the navigation can skip it.
	b.do(b.key(kb.Tab))
	require.Equal(t, "Skip to the content", eval[string](b, `document.activeElement.innerText`))
	require.True(t, eval[bool](b, `(({top, left, width}) => top >= 0 && left >= 0 && width > 24)(document.activeElement.getBoundingClientRect())`))
	b.do(b.key(kb.Enter), b.key(kb.Tab))
	require.True(t, eval[bool](b, `document.activeElement.closest("main") !== null`))
}
