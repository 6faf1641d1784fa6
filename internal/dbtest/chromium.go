package dbtest

import (
	"os/exec"
	"testing"
)

// Chromium returns the path of a browser. It calls [Missing] if there is none.
func Chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "Chromium", "PATH", exec.ErrNotFound)
	return ""
}
