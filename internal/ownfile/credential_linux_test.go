package ownfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile"
	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
)

// A program reads what systemd and Kubernetes hand to it.
func TestCredential(t *testing.T) {
	dir := ownfiletest.Folder(t)
	volume, private := filepath.Join(dir, "volume"), filepath.Join(dir, "unit.service")
	require.NoError(t, os.Mkdir(volume, 0o700))
	require.NoError(t, os.Mkdir(private, 0o700))
	secret := ownfiletest.Kubernetes(t, volume, "token", "first", "01", 0o440)
	readable := func(path, want string) {
		t.Helper()
		ownfiletest.As(t, func() {
			text, err := ownfile.ReadCredential(path, 100)
			require.NoError(t, err)
			require.Equal(t, want, string(text))
			_, err = ownfile.Read(path, 100)
			require.Error(t, err, "it is no secret file of the user")
		})
	}
	readable(secret, "first")
	ownfiletest.Kubernetes(t, volume, "token", "second", "02", 0o640)
	readable(secret, "second")
	readable(filepath.Join(volume, "..data", "token"), "second") // a file mounted by subPath is one like this
	readable(ownfiletest.Systemd(t, private, "token", "third"), "third")
}

// Nobody but root has a hand in a credential.
func TestAttackCredential(t *testing.T) {
	dir := ownfiletest.Folder(t)
	volume, elsewhere := filepath.Join(dir, "volume"), filepath.Join(dir, "elsewhere")
	require.NoError(t, os.Mkdir(volume, 0o700))
	put(t, elsewhere, "elsewhere")
	require.NoError(t, os.Chown(elsewhere, 0, ownfiletest.Group))
	require.NoError(t, os.Chmod(elsewhere, 0o440))
	path := ownfiletest.Kubernetes(t, volume, "token", "secret", "01", 0o440)
	file, version := filepath.Join(volume, "..2026_01", "token"), filepath.Join(volume, "..2026_01")
	link := func(target string, owner int) func() error {
		return func() error {
			if err := os.Remove(path); err != nil {
				return err
			}
			if err := os.Symlink(target, path); err != nil {
				return err
			}
			return os.Lchown(path, owner, owner)
		}
	}
	chmod := func(path string, mode os.FileMode) func() error {
		return func() error { return os.Chmod(path, mode) }
	}
	chown := func(path string, owner int) func() error {
		return func() error { return os.Lchown(path, owner, ownfiletest.Group) }
	}
	undo := link("..data/token", 0)
	for _, c := range []struct {
		do, undo func() error
		want     string
	}{
		{chmod(file, 0o444), chmod(file, 0o440), "everybody can read it (mode 0444): run chmod o-rwx, or set defaultMode: 0440"},
		{chmod(file, 0o644), chmod(file, 0o440), "defaultMode: 0440"},
		{chmod(file, 0o460), chmod(file, 0o440), "other users can write it (mode 0460): run chmod go-w"},
		{chmod(file, 0o442), chmod(file, 0o440), "chmod go-w"},
		{chown(file, 54321), chown(file, 0), "another user (uid 54321)"},
		{chmod(version, 0o777), chmod(version, 0o755), "other users may replace files"},
		{chown(version, 54321), chown(version, 0), "belongs to another user"},
		{chmod(volume, 0o777), chmod(volume, 0o777|os.ModeSticky), "other users may replace files"},
		{link("..data/token", 54321), undo, "symbolic link"},
		{link("..data/token", ownfiletest.Stranger), undo, "symbolic link"}, // or else the stranger's directory could be another's
		{link("../elsewhere", 0), undo, "symbolic link"},
		{link(elsewhere, 0), undo, "symbolic link"},
		{link("token", 0), undo, "symbolic link"}, // to itself
		{link("..data", 0), undo, "not a regular file"},
		{func() error { return os.Link(file, file+"-2") }, func() error { return os.Remove(file + "-2") }, "belongs to root"},
		{func() error {
			return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o440), os.Chown(file, 0, ownfiletest.Group))
		}, undo, "not a regular file"},
	} {
		require.NoError(t, c.do())
		ownfiletest.As(t, func() {
			_, err := ownfile.ReadCredential(path, 100)
			ownfiletest.RequireUnsafe(t, err, c.want)
		})
		require.NoError(t, c.undo())
	}
}

// Kubernetes replaces a secret while the program reads it again and again. Every read
// finds a whole one. During one read the secret is replaced twice at most.
func TestCredentialIsReplaced(t *testing.T) {
	dir := ownfiletest.Folder(t)
	path := ownfiletest.Kubernetes(t, dir, "token", "secret-000", "000", 0o440)
	var readers sync.WaitGroup
	var stop atomic.Bool
	var reads [2]atomic.Int64
	for r := range reads {
		readers.Go(func() {
			for ; !stop.Load(); reads[r].Add(1) {
				text, err := ownfile.ReadCredential(path, 100)
				if err != nil || len(text) != len("secret-000") {
					t.Errorf("got %q, %v", text, err)
					stop.Store(true)
				}
			}
		})
	}
	for i := range 50 {
		for r := range reads {
			for before := reads[r].Load(); reads[r].Load() == before && !stop.Load(); {
				runtime.Gosched()
			}
		}
		version := fmt.Sprintf("%03d", i+1)
		ownfiletest.Kubernetes(t, dir, "token", "secret-"+version, version, 0o440)
	}
	stop.Store(true)
	readers.Wait()
}

// The program names a file that it only reads. Anybody may own it, and only its owner may
// write it.
func TestNamedFileThatOthersWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "x")
	for mode, want := range map[os.FileMode]string{0o444: "", 0o644: "", 0o646: "chmod go-w", 0o666: "chmod go-w"} {
		require.NoError(t, os.Chmod(path, mode))
		if _, err := ownfile.ReadNamed(path, 1); want == "" {
			require.NoError(t, err)
		} else {
			ownfiletest.RequireUnsafe(t, err, want)
		}
	}
}
