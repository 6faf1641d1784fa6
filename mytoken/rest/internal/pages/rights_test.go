package pages

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatFor: a summary names sensitive rights before all others, names each title once,
// and says how many it leaves out. No long list of harmless rights hides a sensitive one.
func TestWhatFor(t *testing.T) {
	require.Empty(t, whatFor(nil), "the rights are not known")

	read := scopeView{Name: "storage.read:/a", Title: "Read files"}
	again := scopeView{Name: "storage.read:/b", Title: "Read files"}
	nameless := scopeView{Name: "x.y"}
	facts := whatFor([]scopeView{nameless, read, again})
	require.Equal(t, []fact{{Label: "What for", Lines: []line{{Text: "Read files", Items: []item{{"; ", "x.y"}}}}}}, facts)
	require.Equal(t, []line{{Items: []item{{"", "x.y"}}}}, whatFor([]scopeView{nameless})[0].Lines)

	var many []scopeView
	for i := range mostRights + 3 {
		many = append(many, scopeView{Name: strconv.Itoa(i), Title: "Look at " + strconv.Itoa(i)})
	}
	many = append(many, nameless, scopeView{Name: "storage.modify", Title: "Delete files", Sensitive: true})
	f := whatFor(many)[0]
	require.True(t, f.Warn)
	require.Equal(t, line{Text: "Sensitive: Delete files"}, f.Lines[0])
	require.Equal(t, "; 4 more, see below", f.Lines[1].More)
	require.Empty(t, f.Lines[1].Items)
}
