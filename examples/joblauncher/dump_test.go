package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDump looks at the disk at the moment when the launcher is killed. Every token is
// sealed in its own row. It opens with the key, and only in that row.
//
// proves P7
func TestDump(t *testing.T) {
	kill := killOnce(stored("part-2"))
	var p *program
	var dir string
	p = newProgram(t, func(at point) bool {
		if !kill(at) {
			return false
		}
		dir = copyTable(t, p.dir) // while the launcher is alive
		return true
	})
	require.NoError(t, p.run(t.Context()), "%s", &p.out)
	require.NotEmpty(t, dir)

	found, err := findSecrets(p.tables(dir), p.all())
	require.NoError(t, err)
	require.Zero(t, found)

	sealed := tokensIn(t, dir)
	require.Len(t, sealed, 3, "tokens of the user and of the jobs that have not ended")
	table, err := openTable(t.Context(), dir)
	require.NoError(t, err)
	defer table.Close()
	for name, data := range sealed {
		token, err := table.token(name).Load(t.Context())
		require.NoError(t, err)
		require.True(t, slices.Contains(p.all(), token.Reveal()), "%s: a token that was handed out", name)
		for other := range sealed {
			_, err := table.box.Open(place(other), data)
			require.Equal(t, other == name, err == nil, "%s in the row of %s", name, other)
		}
	}
}

// copyTable copies the files of the launcher, key included.
func copyTable(t *testing.T, dir string) string {
	to := t.TempDir()
	files, err := filepath.Glob(filepath.Join(dir, "launcher.*"))
	require.NoError(t, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, filepath.Base(name)), data, 0o600))
	}
	return to
}

// TestFindSecrets checks that the search of the other tests finds secrets.
func TestFindSecrets(t *testing.T) {
	const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSIsIm4iOjEyMzQ1Njc4OTB9.c2lnbmF0dXJlLXdpdGgtc29tZS1sZW5ndGg"
	secrets := []string{jwt, "transfer-code-14"}
	for _, secret := range []string{jwt, strings.Split(jwt, ".")[1], strings.Split(jwt, ".")[2], secrets[1]} {
		for n, form := range forms(secret) {
			file := filepath.Join(t.TempDir(), "dump")
			require.NoError(t, os.WriteFile(file, slices.Concat([]byte("before\x00"), form, []byte("\x00after")), 0o600))
			found, err := findSecrets([]string{file}, secrets)
			require.NoError(t, err)
			require.Equal(t, 1, found, "form %d of %s", n, secret)
		}
	}
	file := filepath.Join(t.TempDir(), "dump")
	require.NoError(t, os.WriteFile(file, []byte("eyJhbGciOiJFUzI1NiJ9.e30.c2ln transfer-code-15"), 0o600))
	found, err := findSecrets([]string{file}, secrets)
	require.NoError(t, err)
	require.Zero(t, found, "a header is no secret")
	_, err = findSecrets([]string{file + "x"}, secrets)
	require.Error(t, err)
}
