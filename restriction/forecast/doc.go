// Package forecast tells what a mytoken admits over time: its windows, what each
// of them admits, how many uses are left, and the gaps in which nothing is
// admitted.
//
//	f, err := forecast.New(forecast.Token{Restrictions: list, Used: used}, now, time.Time{})
//	for _, window := range f.Windows { … }
//
// Who has a token need not write that down: the issuer and the verifier of package
// mytoken, and the introspection of package client, have a method ForecastToken.
//
// The same forecast is drawn for terminals ([Forecast.Text]), for pages and
// documentation ([Forecast.SVG]), and told in sentences ([Forecast.Describe]).
//
// A forecast agrees with [restriction.Policy.Evaluate]: what it says is open is
// admitted, if scopes, audiences, address and country are right; what it says
// is closed is refused. It cannot say everything. A condition of the embedding
// program that does not know when its answer changes leaves its clause Unknown,
// names and countries are looked up when a token is used, not before, and
// revocation is not forecast at all.
//
// Of the capabilities it knows AT: a token without it admits no access tokens,
// which each [Clause] says.
//
// A token that rotates may end earlier or later than its exp says, because each
// generation has a life of its own ([Rotation], [Token.Life]): up to the end of
// the present generation a forecast is certain, after it the token may live if it
// was used in time, and from some instant on no use can have kept it alive.
//
// Nothing in this package looks at a clock or keeps a state. A [Forecast] is
// safe for concurrent use as long as nobody changes it.
package forecast
