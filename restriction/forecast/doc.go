// Package forecast tells what a mytoken admits over time: when each clause is open, how
// many uses are left, and the gaps in which the token admits nothing.
//
// [New] makes the forecast of a [Token]; see the package example. You rarely fill in a
// Token yourself. An issuer, the verifier of package mytoken and the introspection of
// package client have a method ForecastToken.
//
// [Forecast.Describe] writes a forecast in sentences. Package timeline draws it.
//
// A forecast agrees with [restriction.Policy.Evaluate]. A closed clause refuses every
// use. An open clause admits uses with the right scopes, audiences, address and country.
// A forecast cannot know everything:
//
//   - A condition of the embedding program may not know when its answer changes. Its
//     clause is then [Unknown].
//   - Host names and countries are looked up when a token is used, not before.
//   - Any token can be revoked at any time.
//   - Other uses need different capabilities. A forecast considers only the capability
//     AT. Without AT, each [Clause] says that it admits no access tokens.
//
// Rotation replaces a token by its next generation, which has an end of its own. So a
// token that rotates may end earlier or later than its exp (see [Rotation] and
// [Token.Life]). Until the present generation ends, its forecast is certain. After that
// the token is alive only if somebody used it in time, so its clauses are at best
// Unknown. They are [Closed] as soon as no uses can have kept the token alive.
//
// This package reads no clock and keeps no state. A [Forecast] is safe for concurrent use
// while nobody changes it.
package forecast
