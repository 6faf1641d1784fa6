// Package forecast tells what a mytoken admits over time: when each clause is open, how
// many uses are left, and the gaps in which nothing is admitted.
//
//	f, err := forecast.New(forecast.Token{Restrictions: list, Used: used}, now, time.Time{})
//	for _, window := range f.Windows { … }
//
// You rarely fill in a [Token] yourself. The issuer and the verifier of package mytoken
// and the introspection of package client have a method ForecastToken.
//
// [Forecast.Describe] tells a forecast in sentences. Package timeline draws it.
//
// A forecast agrees with [restriction.Policy.Evaluate]. A closed clause refuses every
// use. An open clause admits uses with the right scopes, audiences, address and country.
// Some things cannot be forecast:
//
//   - A condition of the embedding program may not know when its answer changes. Its
//     clause is then [Unknown].
//   - Host names and countries are looked up when a token is used, not before.
//   - Any token can be revoked at any time.
//   - Other uses need different capabilities. Only AT is considered: without it, each
//     [Clause] says that it admits no access tokens.
//
// A token that rotates may end earlier or later than its exp, because each generation
// has its own end ([Rotation], [Token.Life]). The forecast is certain until the present
// generation ends. After that the token lives only if it was used in time, until an
// instant that no use can move further.
//
// Nothing in this package looks at a clock or keeps state. A [Forecast] is safe for
// concurrent use as long as nobody changes it.
package forecast
