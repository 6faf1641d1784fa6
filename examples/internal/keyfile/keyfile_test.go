package keyfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store/seal"
)

// TestOneKey: whoever asks, at the same time or later, gets the same key; and
// nothing but its file is left behind.
func TestOneKey(t *testing.T) {
	dir := t.TempDir()
	server, signing := filepath.Join(dir, "server.key"), filepath.Join(dir, "signing.pem")
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[string]bool{}
	)
	ask := func() {
		a, err := Server(server)
		b, err2 := Signing(signing)
		if err := errors.Join(err, err2); err != nil {
			t.Error(err)
			return
		}
		pem, err := b.RevealPEM()
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[a.Reveal()+string(pem)] = true
	}
	for range 8 {
		wg.Go(ask)
	}
	wg.Wait()
	ask()
	if len(seen) != 1 {
		t.Errorf("%d different keys", len(seen))
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// TestBadFiles: a key file that is damaged, or that others can read, is refused,
// kept as it is, and not shown.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "key")
	const damaged = "mytoken-seal-key-1-damaged"
	if err := os.WriteFile(name, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Server(name)
	if !errors.Is(err, seal.ErrFormat) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), damaged) {
		t.Errorf("%v", err)
	}
	if _, err := Signing(name); !errors.Is(err, mytoken.ErrKey) || strings.Contains(err.Error(), damaged) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != damaged {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := Server(filepath.Join(dir, "none", "key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	open := filepath.Join(dir, "open")
	if _, err := Server(open); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Server(open); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
}
