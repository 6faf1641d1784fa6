package pages

import (
	"html/template"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/timeline"
)

// maxDrawn is how many clauses a drawing can show legibly.
const maxDrawn = 64

// timeline draws what restrictions admit from now on. It returns an empty string if there
// are none, too many, or some that cannot be drawn, such as times beyond the year 9999.
// The page describes restrictions in words too. These alone say everything of a single
// case that is open all the time, and of restrictions that are over.
func (p *Pages) timeline(list restriction.List, counters []mytoken.Counter) template.HTML {
	if len(list) == 0 || len(list) > maxDrawn {
		return ""
	}
	f, err := forecast.New(p.cfg.Issuer.ForecastRestrictions(list, counters), p.cfg.Issuer.Now(), time.Time{})
	if err != nil {
		p.cfg.Logger.Info("mytoken: restrictions not drawn", "error", err)
		return ""
	}
	always := len(f.Clauses) == 1 && len(f.Clauses[0].Spans) == 1 && len(f.Gaps()) == 0
	if always || len(openClauses(f)) == 0 {
		return ""
	}
	style := forecast.Style{First: 1, Clause: "Case", Labels: caseNames(f)}
	return template.HTML(timeline.SVG(f, style, timeline.Drawing{})) // it escapes all text from the token
}

// caseNames names the lanes of a drawing as the page names the cases. A page that has one
// case does not number it.
func caseNames(f *forecast.Forecast) []string {
	if len(f.Clauses) == 1 {
		return []string{"usable"}
	}
	names := make([]string, len(f.Clauses))
	for i := range f.Clauses {
		names[i] = "Case " + strconv.Itoa(f.Clauses[i].Index+1)
	}
	return names
}
