// Package browsertest goes through the pages with Chromium, as users do: in windows of a
// phone and of a desktop, in light and dark, by finger, mouse and keyboard. With
// MYTOKEN_TEST_SCREENSHOTS it leaves pictures in that directory.
package browsertest

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mytoken-go/sdk/internal/dbtest"
)

// patience is how long anything may take on a busy machine.
const patience = 2 * time.Minute

// browser is the process that all tests share. Each test has cookies of its own.
var browser struct {
	once sync.Once
	ctx  context.Context
	stop context.CancelFunc
	err  error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if browser.stop != nil {
		browser.stop()
	}
	os.Exit(status)
}

// theBrowser starts the browser on its first call.
func theBrowser(t *testing.T) context.Context {
	t.Helper()
	if raceEnabled {
		t.Skip("SKIPPED: the race detector finds nothing in how pages look, and package rest serves them under it")
	}
	path := dbtest.Chromium(t)
	browser.once.Do(func() {
		options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
			chromedp.ExecPath(path), chromedp.WSURLReadTimeout(patience), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		})
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		browser.ctx, _ = chromedp.NewContext(allocator)
		browser.stop = stop
		browser.err = chromedp.Do(browser.ctx)
	})
	if browser.err != nil {
		dbtest.Missing(t, "Chromium", "PATH", browser.err)
	}
	return browser.ctx
}
