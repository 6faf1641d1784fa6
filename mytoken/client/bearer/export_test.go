package bearer

import "testing"

// SetLastPlace makes the directory the last place of the search, instead of /tmp, which
// other programs on this machine use.
func SetLastPlace(t *testing.T, dir string) {
	former := lastPlace
	t.Cleanup(func() { lastPlace = former })
	lastPlace = dir
}
