package issuer

import (
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// ForecastToken is what the packages restriction/forecast and restriction/plan
// have to know of a token of this issuer, to tell what it admits over time and
// whether it carries a job. Counters are those of an [Introspection]; nil if they
// are not known, which the answers then say. It asks nobody.
func (i *Issuer) ForecastToken(t *mytoken.Token, counters []mytoken.Counter) forecast.Token {
	f := i.verifier.ForecastToken(t)
	f.Used, f.Left = forecastUses(f.Restrictions, counters)
	return f
}

// ForecastRestrictions is [Issuer.ForecastToken] for restrictions alone: of a
// request, say, or of a token of which only the record is at hand. Capabilities,
// rotation and times of the token itself are not known then.
func (i *Issuer) ForecastRestrictions(list restriction.List, counters []mytoken.Counter) forecast.Token {
	f := forecast.Token{Restrictions: list.Clone(), Options: i.RestrictionOptions()}
	f.Used, f.Left = forecastUses(list, counters)
	return f
}

// forecastUses are nil, not known, unless there is a counter for each clause.
func forecastUses(list restriction.List, counters []mytoken.Counter) (used []restriction.Usage, left []forecast.Left) {
	if counters == nil || len(counters) != len(list) {
		return nil, nil
	}
	used, left = make([]restriction.Usage, len(counters)), make([]forecast.Left, len(counters))
	for n, c := range counters {
		used[n] = restriction.Usage{AT: c.ATUsed, Other: c.OtherUsed}
		left[n] = forecast.Left{AT: limited(c.ATLeft), Other: limited(c.OtherLeft)}
	}
	return used, left
}

// limited is a limit where nil is none.
func limited(n mytoken.Limit) *int64 {
	if n == mytoken.Unlimited {
		return nil
	}
	return restriction.Usages(int64(n))
}
