package rest

import (
	"slices"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// ExplanationLevel is how much a refusal and the tokeninfo action explain tell a client
// that presented a valid token. Other clients learn nothing.
type ExplanationLevel uint8

const (
	// ExplainKeys names the keys that refuse, clause by clause. It tells neither what
	// they need nor when the use is admitted: a stolen token must not tell how to use it,
	// and errors end up in logs and tickets.
	ExplainKeys ExplanationLevel = iota

	// ExplainClauses adds what the keys need and the earliest instant at which the same
	// use is admitted, for clients that present a JWT. They could read both in the JWT,
	// which is signed and not encrypted. It leaves out what the JWT does not hold: the
	// counters of ancestors, the texts of the embedding program's conditions, and DNS
	// answers. Clients that present a short token get what ExplainKeys gives.
	ExplainClauses

	// ExplainEverything tells everything except DNS answers, also to clients that present
	// a short token. Use it only if no untrusted program can reach the service.
	ExplainEverything
)

// explanation returns the part of an explanation that the client may know, and whether it
// may know instants.
func (c *call) explanation(e *restriction.Explanation) (told *restriction.Explanation, instants bool) {
	switch {
	case !c.knowsInstants():
		return e.Untrusted(), false
	case c.opts.Explanations == ExplainClauses:
		return e.Readable(), true
	}
	return e, true
}

func (c *call) knowsInstants() bool {
	switch c.opts.Explanations {
	case ExplainClauses:
		return c.readable
	case ExplainEverything:
		return true
	}
	return false
}

// explained returns an explanation as the client gets it.
func (c *call) explained(e *restriction.Explanation) *wire.Explanation {
	return wire.NewExplanation(c.explanation(e))
}

// tooEarly explains that every clause of a token begins later. Its "nbf" claim follows
// from its clauses.
func tooEarly(e *mytoken.NotYetValidError) *restriction.Explanation {
	at := restriction.At(e.From)
	return &restriction.Explanation{Earliest: at, Objection: &restriction.Objection{
		Key: restriction.KeyNotBefore, Need: "a time from " + at.String(), Earliest: at,
	}}
}

// comeBack returns the seconds until a refused use is admitted, rounded up. It returns 0
// if that is unknown, or if the client may not know it.
func (c *call) comeBack(e *restriction.Explanation) int64 {
	at, known := e.Earliest.Time()
	if !known || !c.knowsInstants() {
		return 0
	}
	return max(at.Add(time.Second-1).Unix()-c.issuer.Now().Unix(), 0)
}

// explain answers the tokeninfo action explain, a dry run that extends the protocol. It
// tells whether a use is admitted, or why not and from when. It spends and rotates
// nothing. It needs tokeninfo:introspect, and AT for a question about an access token.
func explain(c *call, token mytoken.Secret, req *wire.TokeninfoRequest) (*answer, error) {
	ask := issuer.ExplainRequest{
		Token: token, Introspect: true, Kind: restriction.AT,
		Scopes: req.Scope, Audiences: slices.Concat(req.Audience, req.Resource), Client: c.client,
	}
	switch req.Use {
	case "", wire.UseAT:
	case wire.UseOther:
		ask.Kind = restriction.Other
	default:
		return nil, badRequest("use is neither %s nor %s", wire.UseAT, wire.UseOther)
	}
	if req.At != 0 {
		// A client that may not know instants could find them by trial.
		if !c.knowsInstants() {
			return nil, badRequest("at is not answered for this token")
		}
		if ask.At = time.Unix(req.At, 0); req.At < 0 || ask.At.Year() > 9999 {
			return nil, badRequest("at: %d is no time in Unix seconds", req.At)
		}
	}
	e, err := c.issuer.Explain(c.ctx(), ask)
	if err != nil {
		return nil, err
	}
	return ok(wire.DryRun{Explanation: c.explained(e)}), nil
}
