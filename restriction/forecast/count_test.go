package forecast_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// TestFirstClause: sentences count from where the style says, also those in a
// drawing.
func TestFirstClause(t *testing.T) {
	list := mustPhases(t, restriction.First(time.Hour), restriction.First(2*time.Hour))
	f := mustForecast(t, forecast.Token{Restrictions: list}, epoch, time.Time{})
	for first, want := range map[int][]string{0: {"Clause 0: ", "Clause 1: "}, 1: {"Clause 1: ", "Clause 2: "}} {
		style := forecast.Style{First: first}
		for _, text := range []string{f.Describe(style), string(f.SVG(style, forecast.Drawing{}))} {
			require.Equal(t, len(want), strings.Count(f.Describe(style), "Clause "), text)
			for _, name := range want {
				require.Contains(t, text, name)
			}
		}
	}
}

// TestWithoutCapabilityAT: a clause admits no access tokens then, and is spent
// when no other uses are left.
func TestWithoutCapabilityAT(t *testing.T) {
	list := restriction.List{{Expires: unix(9), UsagesAT: restriction.Usages(3), UsagesOther: restriction.Usages(0)}, {Expires: unix(9)}}
	for _, test := range []struct {
		may  capability.Set
		noAT bool
	}{{nil, false}, {capability.Default(), false}, {capability.Set{capability.Tokeninfo}, true}, {capability.Set{}, true}} {
		f := mustForecast(t, forecast.Token{Restrictions: list, Capabilities: test.may}, epoch, time.Time{})
		for i, want := range []bool{test.noAT, false} {
			require.Equal(t, test.noAT, f.Clauses[i].NoAT, "%v", test.may)
			require.Equal(t, want, f.Clauses[i].Spent(), "clause %d with %v", i, test.may)
		}
		text := f.Describe(forecast.Style{})
		require.Equal(t, test.noAT, strings.Contains(text, "no access tokens without the capability AT"), text)
		require.Equal(t, test.noAT, bytes.Contains(f.SVG(forecast.Style{}, forecast.Drawing{}), []byte("no AT")))
	}
}
