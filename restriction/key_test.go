package restriction

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEachKeyHasOneHome reads the sources of this package. Only the file of a key and the
// declaration of Clause may name its field. The table of keys and the kinds of use are
// exceptions.
func TestEachKeyHasOneHome(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	homes := make(map[string][]string)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		text := strings.ReplaceAll(strings.ToLower(string(source)), "_", "")
		for _, key := range []string{KeyGeoIPAllow, KeyGeoIPDisallow, KeyUsagesOther, KeySchedule} {
			if strings.Contains(text, strings.ReplaceAll(strings.ToLower(key), "_", "")) {
				homes[key] = append(homes[key], file)
			}
		}
	}
	assert.Equal(t, map[string][]string{
		KeyGeoIPAllow:    {"clause.go", "key_geoip.go"},
		KeyGeoIPDisallow: {"clause.go", "key_geoip.go"},
		KeyUsagesOther:   {"clause.go", "key.go", "key_usages.go", "request.go"},                               // the table, and the kinds of use
		KeySchedule:      {"clause.go", "doc.go", "key.go", "key_schedule.go", "recurrence.go", "schedule.go"}, // the package comment, and the table
	}, homes)
}

// TestKeysAreKnownByOneName shows that no two keys share a name or an alias.
func TestKeysAreKnownByOneName(t *testing.T) {
	seen := make(map[string]bool)
	for i, k := range keys {
		for _, name := range []string{k.name(), k.alias()} {
			if name == "" {
				continue
			}
			assert.False(t, seen[name], name)
			seen[name] = true
			assert.Equal(t, i, keyNames[name], name)
		}
	}
	assert.Len(t, keyNames, len(seen))
	assert.False(t, isKnown("Exp"), "another case")
}
