// Package plan turns the plan of a job into restrictions, and says beforehand whether a
// token carries it.
//
// A [Plan] is the phases of a job: when each may begin, how long it may wait in a queue
// and run, and what it needs. [Plan.Clauses] returns clauses that admit what the plan
// needs and nothing else. [Plan.Preflight] looks ahead with an existing token. It says
// whether the token carries the plan in the worst case, where it breaks first and why,
// what to ask for instead, and what nobody can know.
//
//	list, err := job.Clauses(time.Now())
//	…
//	in, err := issuer.Introspect(ctx, mytoken.IntrospectRequest{Token: token})
//	verdict, err := job.Preflight(issuer.ForecastToken(in.Claims, in.Counters), time.Now())
//	if verdict.Answer != plan.Carries {
//		fmt.Println(verdict)
//	}
//
// The introspection of package client has ForecastToken too, for programs that hold a
// token of somebody else's server.
//
// Everything here is a pure function of its arguments and safe for concurrent use.
// Nothing looks at a clock, and nothing is looked up.
package plan
