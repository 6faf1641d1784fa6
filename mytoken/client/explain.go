package client

import (
	"context"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// ExplainRequest describes a use of a mytoken that is not made.
type ExplainRequest struct {
	// Scopes and Audiences of an access token.
	Scopes    []string
	Audiences []string
	// Other says that the use is not for an access token, but for example the
	// creation of a mytoken.
	Other bool
	// At is the instant of the use, in whole seconds; zero: now. A server that
	// tells no instants answers with [CodeInvalidRequest].
	At time.Time
}

// Explain asks what would become of a use, without making it: whether it would be
// admitted, and if not, why, and when it would be. How much of that is told is up to the
// server; instants that it does not tell are unknown. The token needs the capability
// tokeninfo:introspect. The action is not in the protocol: a server that does not know
// it gives an error that wraps [ErrUnsupported]. It counts as no use, and is repeated
// where that helps.
func (c *Client) Explain(ctx context.Context, token mytoken.Secret, req ExplainRequest) (*restriction.Explanation, error) {
	const operation = "explain"
	m, err := c.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if !m.Supports(wire.ActionExplain) {
		return nil, fmt.Errorf("%w: no action %s", ErrUnsupported, wire.ActionExplain)
	}
	ask := wire.TokeninfoRequest{Action: wire.ActionExplain, Use: wire.UseAT, Scope: req.Scopes, Audience: req.Audiences}
	if req.Other {
		ask.Use = wire.UseOther
	}
	if !req.At.IsZero() {
		ask.At = req.At.Unix()
	}
	var body wire.DryRun
	if _, err := c.tokeninfo(ctx, operation, token, ask, true, &body); err != nil {
		return nil, err
	}
	if body.Explanation == nil {
		return nil, &AnswerError{Operation: operation, Reason: "there is no explanation"}
	}
	return readExplanation(body.Explanation, token), nil
}

// readExplanation reads what a server told, which is nil if it told nothing. Its texts
// are made fit for logs and terminals.
func readExplanation(e *wire.Explanation, secrets ...mytoken.Secret) *restriction.Explanation {
	if e == nil {
		return nil
	}
	out := e.Explanation()
	clean := func(o *restriction.Objection) {
		o.Key, o.Need = foreign(o.Key, 64, secrets), foreign(o.Need, 512, secrets)
	}
	for i := range out.Clauses {
		for j := range out.Clauses[i].Objections {
			clean(&out.Clauses[i].Objections[j])
		}
	}
	if out.Objection != nil {
		clean(out.Objection)
	}
	return out
}
