package pages

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/restriction"
)

// TestTimesOfTheEditor: the editor reads the times that browsers write, and those that
// users read on the pages and in its own messages.
func TestTimesOfTheEditor(t *testing.T) {
	at := time.Date(2030, time.January, 31, 18, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2030-01-31T18:00", "2030-01-31T18:00:00", "2030-01-31 18:00", "31 January 2030 18:00", "31 January 2030 18:00 UTC",
	} {
		c, mistakes := draft{texts: map[string]string{restriction.KeyExpires: text}}.read(nil)
		require.Empty(t, mistakes, text)
		assert.Equal(t, at.Unix(), c.Expires, text)
	}
	_, mistakes := draft{texts: map[string]string{restriction.KeyExpires: "31 Janvember 2030 18:00"}}.read(nil)
	assert.Equal(t, []mistake{{restriction.KeyExpires, "not a date and time such as 31 January 2030 18:00"}}, mistakes)

	_, mistakes = draft{texts: map[string]string{restriction.KeyNotBefore: "2030-01-31T18:00", restriction.KeyExpires: "2029-01-31T18:00"}}.read(nil)
	assert.Equal(t, []mistake{{restriction.KeyExpires, "31 January 2029 18:00 UTC is before nbf, 31 January 2030 18:00 UTC"}}, mistakes)
}
