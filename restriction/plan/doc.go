// Package plan turns the plan of a job into restrictions. It also predicts whether a
// token carries a plan, that is, admits every use that the job may make.
//
// A [Plan] is the phases of a job: when each may begin, how long it may wait in a queue
// and run, and what it needs. [Plan.Clauses] returns clauses that admit what the plan
// needs and nothing else.
//
// [Plan.Preflight] judges an existing token before the job begins. It says whether the
// token carries the plan in the worst case, and what nobody can know. If the token does
// not, it says where the plan breaks first and why, and what to ask for instead. The
// token is a [forecast.Token]. Usually it comes from a method ForecastToken: that of the
// issuer, or that of an introspection in package client, for tokens of another server.
//
// All functions are pure: they read no clock, look nothing up, and are safe for
// concurrent use.
package plan
