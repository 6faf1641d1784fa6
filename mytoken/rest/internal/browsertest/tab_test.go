package browsertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// view is a kind of window.
type view struct {
	name          string
	width, height int64
	phone         bool
}

var (
	phone   = view{"phone", 390, 844, true}
	desktop = view{"desktop", 1280, 900, false}
)

// eachView runs a test in windows of both kinds.
func eachView(t *testing.T, test func(*testing.T, view)) {
	t.Helper()
	theBrowser(t)
	for _, v := range []view{phone, desktop} {
		t.Run(v.name, func(t *testing.T) { test(t, v) })
	}
}

// tab is a tab of the browser, with cookies of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	view view

	mu       sync.Mutex
	problems []string
}

// open opens an address in a new tab. The test fails if the browser complains before it
// ends.
func open(t *testing.T, v view, address string) *tab {
	t.Helper()
	b := &tab{t: t, view: v}
	ctx, cancel := chromedp.NewContext(theBrowser(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(b.see))
	t.Cleanup(cancel)
	b.ctx = ctx
	require.NoError(t, chromedp.Do(ctx)) // the tab lives as long as this context
	_, err := chromedp.Call(ctx, audits.Enable, cdp.Empty{})
	require.NoError(t, err)
	b.resize(v.width)
	t.Cleanup(func() {
		if !t.Failed() {
			b.clean()
		}
	})
	b.do(chromedp.Navigate(address))
	return b
}

// see records problems: messages on the console, exceptions, failed requests, and what
// the browser calls issues, such as violations of the content security policy.
func (b *tab) see(ev any) {
	var problem string
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		problem = "console: " + ev.Type.String()
		for _, arg := range ev.Args {
			problem += " " + string(arg.Value)
		}
	case *runtime.EventExceptionThrown:
		problem = "exception: " + ev.ExceptionDetails.Text
		if ev.ExceptionDetails.Exception != nil {
			problem += " " + ev.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		problem = fmt.Sprintf("log: %s %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL)
	case *network.EventLoadingFailed:
		if ev.Canceled {
			return
		}
		problem = fmt.Sprintf("network: %s %s %s", ev.Type, ev.ErrorText, ev.BlockedReason)
	case *network.EventResponseReceived:
		if ev.Response.Status < 400 {
			return
		}
		problem = fmt.Sprintf("status: %d", ev.Response.Status)
	case *audits.EventIssueAdded:
		problem = "issue: " + issue(ev.Issue)
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, problem)
}

// do performs actions, within the patience.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, steps...)
	if err != nil {
		b.t.Log(b.text())
	}
	require.NoError(b.t, err)
}

// eval returns the value of an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err)
	return value
}

// text returns the text of the page.
func (b *tab) text() string {
	b.t.Helper()
	return eval[string](b, `location.href + "\n" + (document.body ? document.body.innerText : "")`)
}

// press presses a button or a link, with the mouse or a finger. It waits for the next
// page: its path, and an element in it.
func (b *tab) press(selector, path, element string) {
	b.t.Helper()
	b.leave(b.click(selector), path, element)
}

// pressInto is press for a page whose path differs from login to login.
func (b *tab) pressInto(selector, element string) {
	b.t.Helper()
	eval[any](b, `void (document.documentElement.dataset.left = "yes")`)
	b.do(b.click(selector), chromedp.WaitVisible(chromedp.JSPath(arrived("true", element))))
}

// arrived is an expression for an element of the next page, as soon as that is loaded.
func arrived(where, element string) string {
	return fmt.Sprintf(`document.documentElement.dataset.left || !(%s) || document.readyState !== "complete" ? null : document.querySelector(%q)`, where, element)
}

// leave does something that leads to another page, and waits for that.
func (b *tab) leave(action chromedp.Action[chromedp.Void], path, element string) {
	b.t.Helper()
	eval[any](b, `void (document.documentElement.dataset.left = "yes")`)
	b.do(action, chromedp.WaitVisible(chromedp.JSPath(arrived(fmt.Sprintf("location.pathname === %q", path), element))))
}

func (b *tab) click(selector string) chromedp.Action[chromedp.Void] {
	if b.view.phone {
		return chromedp.Tap(chromedp.CSS(selector))
	}
	return chromedp.Click(chromedp.CSS(selector))
}

// fill replaces the text of a field with what a user types.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do(chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}
