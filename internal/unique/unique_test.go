package unique_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/unique"
)

func TestStrings(t *testing.T) {
	require.Equal(t, []string{}, unique.Strings())
	require.Equal(t, []string{}, unique.Strings(nil, nil))
	in := []string{"b", "a", "b", ""}
	require.Equal(t, []string{"b", "a", "", "c"}, unique.Strings(in, []string{"c", "a"}))
	require.Equal(t, []string{"b", "a", "b", ""}, in)
}

// Comparing each entry with each other one would take a minute here and more.
func TestStringsOfLongList(t *testing.T) {
	list := make([]string, 1<<18)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	require.Equal(t, list, unique.Strings(list, list))
}
