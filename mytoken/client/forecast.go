package client

import (
	"slices"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// ForecastToken is what the packages restriction/forecast and restriction/plan have to
// know of the token, to tell what it admits over time and whether it carries a job. What
// its server can evaluate is not known; set Options, and Elsewhere to false, if it is.
// Limits that the token's ancestors share with it are not seen.
func (i *Introspection) ForecastToken() forecast.Token {
	c := &i.Claims
	t := forecast.Token{
		Capabilities: slices.Clone(c.Capabilities), Restrictions: c.Restrictions.Clone(), NotBefore: c.NotBefore, Expires: c.Expires, Elsewhere: true,
	}
	if r := c.Rotation; r != nil {
		t.Rotation = &forecast.Rotation{OnAT: r.OnAT, OnOther: r.OnOther, Lifetime: r.Lifetime, Issued: c.IssuedAt}
	}
	if c.Used != nil && len(c.Used) == len(c.Restrictions) {
		t.Used = make([]restriction.Usage, len(c.Used))
		for n, u := range c.Used {
			t.Used[n] = restriction.Usage(u)
		}
	}
	return t
}
