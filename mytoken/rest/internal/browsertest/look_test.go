package browsertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

//go:embed testdata/audit.js
var audit string

// narrow is the width of the smallest phone, in CSS pixels.
const narrow = 360

// look examines a page in light and dark colours.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.colours(scheme)
		require.Empty(b.t, eval[[]string](b, audit), "%s, %s", name, scheme)
	}
	b.resize(narrow)
	require.Empty(b.t, eval[[]string](b, audit), "%s, %d wide", name, narrow)
	b.resize(b.view.width)
	b.names(name)
}

// names checks that assistive software can name every control.
func (b *tab) names(page string) {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(b.t, err)
	found := 0
	for _, n := range tree.Nodes {
		if n.Ignored || !is(n, "focusable") || axText(n.Role) == "RootWebArea" {
			continue
		}
		found++
		require.NotEmpty(b.t, strings.TrimSpace(axText(n.Name)), "%s: a %s has no name", page, axText(n.Role))
	}
	if eval[int](b, `document.querySelectorAll("main a, main button, main input").length`) > 0 {
		require.Positive(b.t, found, page)
	}
}

func is(n *accessibility.Node, property string) bool {
	for _, p := range n.Properties {
		if p.Name.String() == property {
			return axText(p.Value) == "true"
		}
	}
	return false
}

func axText(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

// picture writes a picture of the whole page into the directory that the environment
// names. It does nothing if there is none.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("MYTOKEN_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	image, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, b.view.name+"-"+name+".png"), image, 0o644))
}

// resize changes the width of the window.
func (b *tab) resize(width int64) {
	b.t.Helper()
	if b.view.phone {
		b.do(chromedp.EmulateViewport(width, b.view.height, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
		return
	}
	b.do(chromedp.EmulateViewport(width, b.view.height))
}

// clean checks that the browser complains about nothing but the expected.
func (b *tab) clean(expected ...string) {
	b.t.Helper()
	_ = b.text() // what happened before has arrived
	b.mu.Lock()
	problems := b.problems
	b.problems = nil
	b.mu.Unlock()
	seen := make(map[string]bool)
	for _, p := range problems {
		known := false
		for _, e := range expected {
			if strings.Contains(p, e) {
				known, seen[e] = true, true
			}
		}
		require.True(b.t, known, "the browser complains: %q", problems)
	}
	require.Len(b.t, seen, len(expected), "the browser does not complain: %q", problems)
}

// issue describes a problem that the browser found in a page.
func issue(i *audits.InspectorIssue) string {
	text, err := json.Marshal(i)
	if err != nil {
		return i.Code.String()
	}
	return string(text)
}
