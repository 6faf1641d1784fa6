// Package npm installs the packages of the tests that are written in JavaScript.
package npm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mytoken-go/sdk/internal/dbtest"
)

// Tool returns the path of a program. If it is missing, the test is skipped, or fails if
// services are required.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		dbtest.Missing(t, name, "PATH", err)
	}
	return path
}

// done has a func() (string, error) for each source.
var done sync.Map

// Install returns a directory with a copy of the files of source and with the packages
// that the lock file among them lists. The directory stays in the user's cache, under a
// name that tells its content. If npm is missing or cannot install the packages, the test
// is skipped, or fails if services are required.
func Install(t testing.TB, source string, files ...string) (dir string) {
	t.Helper()
	npm := Tool(t, "npm")
	once, _ := done.LoadOrStore(source, sync.OnceValues(func() (string, error) { return install(npm, source, files) }))
	dir, err := once.(func() (string, error))()
	if err != nil {
		dbtest.Missing(t, filepath.Base(source), "PATH", fmt.Errorf("npm cannot install it: %w", err))
	}
	return dir
}

func install(npm, source string, files []string) (string, error) {
	from := os.DirFS(source)
	files = append([]string{"package.json", "package-lock.json"}, files...)
	sum := sha256.New()
	for _, name := range files {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "mytoken-go-tests")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	dir := filepath.Join(cache, filepath.Base(source)+"-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if isDir(dir) {
		return dir, nil
	}
	fresh, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	for _, name := range files {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(fresh, name), text, 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(err.Error() + ": " + string(out))
	}
	// Another process may have been faster.
	if err := os.Rename(fresh, dir); err != nil && !isDir(dir) {
		return "", err
	}
	return dir, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
