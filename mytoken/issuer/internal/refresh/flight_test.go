package refresh

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Two questions have the same key if they ask for the same sets, and only then. So nobody
// shares an answer to another question.
//
// proves P1
func TestQuestionsWithTheSameKey(t *testing.T) {
	set := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", ",", ";", `"`, `";`, `","`, `a","b`, "\xff", "\ufffd", "é"}), 0, 3)
	normal := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	rapid.Check(t, func(t *rapid.T) {
		p := question{set.Draw(t, "scopes"), set.Draw(t, "audiences")}
		q := question{set.Draw(t, "scopes"), set.Draw(t, "audiences")}
		if rapid.Bool().Draw(t, "shuffled") {
			q = question{rapid.Permutation(p.scopes).Draw(t, "scopes"), rapid.Permutation(append(p.audiences, p.audiences...)).Draw(t, "audiences")}
		}
		same := slices.Equal(normal(p.scopes), normal(q.scopes)) && slices.Equal(normal(p.audiences), normal(q.audiences))
		require.Equal(t, same, p.key() == q.key(), "%q %q", p, q)
	})
	require.NotEqual(t, question{[]string{"a"}, nil}.key(), question{nil, []string{"a"}}.key())
	require.NotEqual(t, question{[]string{"a", "b"}, []string{"c"}}.key(), question{[]string{"a"}, []string{"b", "c"}}.key())
	require.NotEqual(t, question{[]string{"a", "b"}, nil}.key(), question{[]string{"a"}, []string{"b"}}.key())
}
