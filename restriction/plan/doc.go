// Package plan turns the plan of a job into restrictions, and says beforehand
// whether a token carries it.
//
// A [Plan] is the phases of a job: when each may begin, how long it may wait in
// a queue and run, and what it asks for. [Plan.Clauses] gives the shortest list
// of clauses that covers all of it and admits nothing else; [Plan.Prove] proves
// both, for any list. [Plan.Preflight] looks ahead with a token that exists: does
// it carry the plan in the worst case, where does it break first, because of
// which key, what to ask for instead, and what cannot be known.
//
//	list, err := job.Clauses(time.Now())
//	…
//	in, err := issuer.Introspect(ctx, mytoken.IntrospectRequest{Token: token})
//	verdict, err := job.Preflight(issuer.ForecastToken(in.Claims, in.Counters), time.Now())
//	if verdict.Answer != plan.Carries {
//		fmt.Println(verdict)
//	}
//
// A program that holds a token of somebody else's server gets the same from the
// introspection of package client.
//
// Preflight looks at the token as a whole: its restrictions with what was used of
// them, when it ends, and its capabilities. A token without the capability AT
// carries no plan that obtains access tokens; a [Break] names what is lacking. A
// token that rotates has to be used to stay alive: where the plan does not make
// sure of that, the answer is Perhaps.
//
// Everything here is a pure function of its arguments and safe for concurrent
// use. Nothing looks at a clock, and nothing is looked up.
package plan
