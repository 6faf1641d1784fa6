package pages

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// A page whose name is misspelt would never be shown. New names it, and the names that it
// could have.
func TestUnknownFiles(t *testing.T) {
	builtin, err := fs.Sub(builtin, "html")
	require.NoError(t, err)
	for name, known := range map[string]bool{
		"consent.html": true, "base.html": true, "parts.html": true, "static/logo.svg": true, "static/deep/er.css": true,
		".DS_Store": true, "..data/consent.html": true, ".git/config": true,

		"consnet.html": false, "Consent.html": false, "consent.htm": false, "html/consent.html": false, "statics/logo.svg": false, "logo.svg": false,
	} {
		err := checkNames(fstest.MapFS{name: {Data: []byte("x")}, "home.html": {}}, builtin)
		if known {
			require.NoError(t, err, name)
			continue
		}
		top, _, _ := strings.Cut(name, "/")
		require.ErrorContains(t, err, `"`+top+`"`, name)
		require.ErrorContains(t, err, "base.html, consent.html, ", name)
	}
	err = checkNames(os.DirFS(filepath.Join(t.TempDir(), "missing")), builtin)
	require.ErrorIs(t, err, os.ErrNotExist)
}
