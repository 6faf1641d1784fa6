package rest

import (
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// ExplanationLevel is how much a refusal, and the tokeninfo action explain, tell
// whoever presented a valid token. Whoever did not is told nothing.
type ExplanationLevel uint8

const (
	// ExplainKeys names, clause by clause, the keys that refuse: neither what
	// they want nor when the use is admitted. The token may be stolen, and errors
	// end up in logs and in tickets, where tokens do not.
	ExplainKeys ExplanationLevel = iota

	// ExplainClauses adds, for whoever presented the token as a JWT, what the
	// keys want, and the earliest instant at which the same use is admitted.
	// This tells nothing new: a JWT is signed, not encrypted, its clauses can
	// be read without any key, and the instant follows from them. What does not
	// stand in the JWT is not told: the counters of the tokens that it was
	// derived from, the words of the embedding program's conditions, and what
	// DNS said. A short token tells its holder nothing, and so does a refusal of
	// it: it gets what ExplainKeys gives.
	ExplainClauses

	// ExplainEverything tells everything but what DNS said, whatever the form
	// of the token. For services that are reached by trusted programs only.
	ExplainEverything
)

// explanation is how much of an explanation the client may know. Instants are
// told with it, or not at all.
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

// explained is an explanation as the client gets it.
func (c *call) explained(e *restriction.Explanation) *wire.Explanation {
	return wire.NewExplanation(c.explanation(e))
}

// tooEarly explains that all of a token begins later: its "nbf" claim follows from
// its clauses.
func tooEarly(e *mytoken.NotYetValidError) *restriction.Explanation {
	at := restriction.At(e.From)
	return &restriction.Explanation{Earliest: at, Objection: &restriction.Objection{
		Key: restriction.KeyNotBefore, Need: "a time from " + at.String(), Earliest: at,
	}}
}

// comeBack is how long to wait until a refused use is admitted, in seconds; 0: not
// told, or nobody can tell.
func (c *call) comeBack(e *restriction.Explanation) int64 {
	at, known := e.Earliest.Time()
	if !known || !c.knowsInstants() {
		return 0
	}
	return max(at.Add(time.Second-1).Unix()-c.issuer.Now().Unix(), 0)
}

// hold takes over the token that a client presented.
func (c *call) hold(token string) mytoken.Secret {
	c.readable = strings.Count(token, ".") == 2
	return mytoken.NewSecret(token)
}

// explain is a dry run, an action that the protocol does not have: would a use be
// admitted, and if not, why and when. It spends nothing and rotates nothing. It
// needs the capability tokeninfo:introspect, which tells of the token itself, and
// AT if it is about an access token. The use need not be admitted: that is the
// question.
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
		// Somebody who is told no instants could find them by trying.
		if !c.knowsInstants() {
			return nil, badRequest("at is not answered for this token")
		}
		ask.At = time.Unix(req.At, 0)
	}
	e, err := c.issuer.Explain(c.ctx(), ask)
	if err != nil {
		return nil, err
	}
	return ok(wire.DryRun{Explanation: c.explained(e)}), nil
}
