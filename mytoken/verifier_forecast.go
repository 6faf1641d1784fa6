package mytoken

import (
	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// ForecastToken returns what the packages restriction/forecast and restriction/plan need
// to know about a verified token. It does not say how often the token was used, because
// only the issuer knows that.
func (v *Verifier) ForecastToken(t *Token) forecast.Token {
	if !v.usable() {
		return t.forecast(restriction.Options{})
	}
	return t.forecast(v.options)
}

func (t *Token) forecast(options restriction.Options) forecast.Token {
	f := forecast.Token{
		Capabilities: append(capability.Set{}, t.claims.Capabilities...), // not nil: they are known
		Restrictions: t.Restrictions(), NotBefore: t.NotBefore(), Expires: t.ExpiresAt(), Options: options,
	}
	if r := t.claims.Rotation; r != nil {
		f.Rotation = &forecast.Rotation{OnAT: r.OnAT, OnOther: r.OnOther, Lifetime: r.Lifetime, Issued: t.IssuedAt()}
	}
	return f
}
