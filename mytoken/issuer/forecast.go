package issuer

import (
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// ForecastToken describes a token of this issuer to the packages restriction/forecast and
// restriction/plan. They tell what the token admits over time, and whether it carries a
// job.
//
// Pass the counters of an [Introspection]. With nil the counters are not known, and
// forecasts say so. ForecastToken asks neither the store nor a provider.
func (i *Issuer) ForecastToken(t *mytoken.Token, counters []mytoken.Counter) forecast.Token {
	f := i.verifier.ForecastToken(t)
	f.Used, f.Left = forecastUses(f.Restrictions, counters)
	return f
}

// ForecastRestrictions is [Issuer.ForecastToken] for restrictions without their token,
// such as those of a request or of a [mytoken.Record]. Capabilities, rotation and times
// of the token are not known then.
func (i *Issuer) ForecastRestrictions(list restriction.List, counters []mytoken.Counter) forecast.Token {
	f := forecast.Token{Restrictions: list.Clone(), Options: i.RestrictionOptions()}
	f.Used, f.Left = forecastUses(list, counters)
	return f
}

// forecastUses returns nil, which means not known, unless each clause has a counter.
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

// limited returns nil for no limit.
func limited(n mytoken.Limit) *int64 {
	if n == mytoken.Unlimited {
		return nil
	}
	return restriction.Usages(int64(n))
}
