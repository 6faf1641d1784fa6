package forecast_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
