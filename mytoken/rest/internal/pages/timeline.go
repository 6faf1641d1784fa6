package pages

import (
	"html/template"
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
// The page describes restrictions in words too.
func (p *Pages) timeline(list restriction.List, counters []mytoken.Counter) template.HTML {
	if len(list) == 0 || len(list) > maxDrawn {
		return ""
	}
	f, err := forecast.New(p.cfg.Issuer.ForecastRestrictions(list, counters), p.cfg.Issuer.Now(), time.Time{})
	if err != nil {
		p.cfg.Logger.Info("mytoken: restrictions not drawn", "error", err)
		return ""
	}
	return template.HTML(timeline.SVG(f, forecast.Style{First: 1, Clause: "Case"}, timeline.Drawing{})) // it escapes all text from the token
}
