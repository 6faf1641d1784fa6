package rest

import (
	"html/template"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/timeline"
)

// maxDrawn is how many clauses are drawn: of more, nobody sees anything.
const maxDrawn = 64

// timeline draws what restrictions admit from now on; nothing if there are none,
// or if they cannot be drawn, such as times beyond the year 9999. What they are is
// said in words next to it.
func (c *call) timeline(list restriction.List, counters []mytoken.Counter) template.HTML {
	if len(list) == 0 || len(list) > maxDrawn {
		return ""
	}
	f, err := forecast.New(c.issuer.ForecastRestrictions(list, counters), c.issuer.Now(), time.Time{})
	if err != nil {
		c.opts.Logger.InfoContext(c.ctx(), "mytoken: restrictions not drawn", "request", c.id, "error", err)
		return ""
	}
	return template.HTML(timeline.SVG(f, forecast.Style{First: 1}, timeline.Drawing{})) // it escapes all text from the token
}
