package pages

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// TestTimelineIsDrawnIfItShowsMore: pages draw gaps and several cases. They do not draw a
// case that is open until its end, nor what is over. The drawing names the cases as the
// words beside it do.
func TestTimelineIsDrawnIfItShowsMore(t *testing.T) {
	p, service := newPages(t, mytokentest.Options{})
	at := func(hours int) int64 { return service.Clock.Now().Add(time.Duration(hours) * time.Hour).Unix() }
	for name, c := range map[string]struct {
		list restriction.List
		want []string // empty: no drawing
		not  string
	}{
		"no restrictions":    {nil, nil, ""},
		"until":              {restriction.List{{Expires: at(2)}}, nil, ""},
		"without an end":     {restriction.List{{UsagesAT: restriction.Usages(3)}}, nil, ""},
		"over":               {restriction.List{{Expires: at(-2)}}, nil, ""},
		"two that are over":  {restriction.List{{Expires: at(-2)}, {NotBefore: at(-3), Expires: at(-1)}}, nil, ""},
		"begins later":       {restriction.List{{NotBefore: at(1), Expires: at(2)}}, []string{">usable<", ">nothing admitted<"}, "any scope"},
		"two":                {restriction.List{{Expires: at(2)}, {Expires: at(1), Scopes: []string{"compute"}}}, []string{">Case 1<", ">Case 2<", "Case 2: "}, "(Case 2)"},
		"the first one over": {restriction.List{{Expires: at(-1)}, {Expires: at(3)}}, []string{">Case 2<"}, "any scope"},
	} {
		svg := string(p.timeline(c.list, nil))
		require.Equal(t, len(c.want) > 0, svg != "", "%s: %s", name, svg)
		for _, want := range c.want {
			require.Contains(t, svg, want, name)
		}
		require.False(t, c.not != "" && strings.Contains(svg, c.not), "%s: %s", name, svg)
	}
}
