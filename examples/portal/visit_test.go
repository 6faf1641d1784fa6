package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
)

// patience is how long a page may take on a busy machine.
const patience = 2 * time.Minute

// TestFirstVisit follows the start message as a newcomer does: with a browser, on a phone
// and on a desktop, in light and dark. The provider asks who it is; the newcomer cancels
// once, mistypes once, and gets a token.
func TestFirstVisit(t *testing.T) {
	for name, size := range map[string][2]int64{"phone": {390, 844}, "desktop": {1280, 900}} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil)
			b := visit(t, name, size, p.URL)
			b.press("#manage", "#login")
			b.press("#provider-0", "#log-in")
			b.look("portal-provider")
			assert.True(t, strings.HasPrefix(b.text("location.href"), p.provider))
			for _, said := range []string{"This is a provider for tests.", "Anybody can log in", "see who you are", "offline_access", p.URL, "Bob Example"} {
				assert.Contains(t, b.text("document.body.innerText"), said)
			}
			assert.Equal(t, "alice", b.text(`document.activeElement.value`), "the field has the focus, and a user")
			b.write("#user", " ")
			b.press("#log-in", "#problem")
			b.look("portal-provider-problem")
			b.press("#user-1", "form.search")
			assert.Contains(t, b.text("document.body.innerText"), "You are bob at a provider for tests")

			b.press(`a[href$="/manage/create"]`, "#create")
			b.press("#create", "#log-in")
			b.press("#cancel", "main h1")
			b.look("portal-cancelled")
			assert.True(t, strings.HasPrefix(b.text("location.href"), p.URL), "back at the portal")
			assert.Empty(t, b.text(`document.querySelector("#token") ? "a token" : ""`))

			b.do(chromedp.Navigate(p.URL + "/manage/create"))
			b.press("#create", "#log-in")
			b.press("#user-1", "#token")
			b.look("portal-created")
			p.access(b.text(`document.querySelector("#token").value`))
			b.clean()
			p.stop()
		})
	}
}

// guest is a person with a browser.
type guest struct {
	t        *testing.T
	ctx      context.Context
	name     string
	mu       sync.Mutex
	problems []string // what the browser complains about
}

// visit opens an address in a window of a size.
func visit(t *testing.T, name string, size [2]int64, address string) *guest {
	t.Helper()
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(dbtest.Chromium(t)), chromedp.WSURLReadTimeout(patience), chromedp.NoSandbox, chromedp.DisableGPU,
	})
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	g := &guest{t: t, name: name}
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(func(ev any) {
		if entry, ok := ev.(*log.EventEntryAdded); ok {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.problems = append(g.problems, fmt.Sprintf("%s %s", entry.Entry.Text, entry.Entry.URL))
		}
	}))
	t.Cleanup(cancel)
	g.ctx = ctx
	require.NoError(t, chromedp.Do(ctx)) // the browser lives as long as this context
	g.do(chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(address))
	return g
}

// do performs actions, within the patience.
func (g *guest) do(steps ...chromedp.Action[chromedp.Void]) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		g.t.Fatalf("%v\n%s", err, g.text(`location.href + "\n" + document.body.innerText`))
	}
}

// press presses a button or a link, and waits for an element of the next page.
func (g *guest) press(selector, next string) {
	g.t.Helper()
	g.text(`document.documentElement.dataset.left = "yes"`)
	arrived := fmt.Sprintf(`document.documentElement.dataset.left || document.readyState !== "complete" ? null : document.querySelector(%q)`, next)
	g.do(chromedp.Click(chromedp.CSS(selector)), chromedp.WaitVisible(chromedp.JSPath(arrived)))
}

func (g *guest) write(selector, text string) {
	g.t.Helper()
	g.do(chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// text returns the text that an expression in the page is.
func (g *guest) text(expression string) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	require.NoError(g.t, err)
	return value
}

// clean checks that the browser complains about nothing but the pages that say what is
// wrong. Their status is that of an error.
func (g *guest) clean() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, problem := range g.problems {
		assert.Contains(g.t, problem, "the server responded with a status of", "the browser complains")
	}
}

// look examines a page in light and dark colours, as the tests of the pages do.
func (g *guest) look(name string) {
	g.t.Helper()
	audit, err := os.ReadFile("../../mytoken/rest/internal/browsertest/testdata/audit.js")
	require.NoError(g.t, err)
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(g.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		require.NoError(g.t, err)
		problems, err := chromedp.Run(g.ctx, chromedp.Evaluate[[]string](string(audit)))
		require.NoError(g.t, err)
		assert.Empty(g.t, problems, "%s, %s", name, scheme)
		if dir := os.Getenv("MYTOKEN_TEST_SCREENSHOTS"); dir != "" {
			image, err := chromedp.Run(g.ctx, chromedp.FullScreenshot(100))
			require.NoError(g.t, err)
			require.NoError(g.t, os.MkdirAll(dir, 0o755))
			require.NoError(g.t, os.WriteFile(filepath.Join(dir, g.name+"-"+name+"-"+scheme+".png"), image, 0o644))
		}
	}
}
