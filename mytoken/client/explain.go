package client

import (
	"context"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// ExplainRequest describes a use of a mytoken without making it.
type ExplainRequest struct {
	// Scopes and Audiences of an access token.
	Scopes    []string
	Audiences []string
	// Kind is the kind of the use: [restriction.AT] or [restriction.Other]. 0: AT.
	Kind restriction.Kind
	// At is the instant of the use, in whole seconds; zero: now. A server that does not
	// disclose instants returns [CodeInvalidRequest].
	At time.Time
}

// Explain asks whether the restrictions would admit a use, and if not, why not and when
// they will. Servers decide how much they tell: treat a missing instant as unknown. The
// token needs the capability tokeninfo:introspect.
//
// Explain does not count as a use, and the client repeats it after a failure that may
// pass. The action is an extension of the protocol: if the server does not know it, the
// error wraps [ErrUnsupported]. Other errors are those of [Client.AccessToken].
func (c *Client) Explain(ctx context.Context, token mytoken.Secret, req ExplainRequest) (*restriction.Explanation, error) {
	const operation = "explain a use"
	ask := wire.TokeninfoRequest{Action: wire.ActionExplain, Use: wire.UseAT, Scope: req.Scopes, Audience: req.Audiences}
	switch req.Kind {
	case 0, restriction.AT:
	case restriction.Other:
		ask.Use = wire.UseOther
	default:
		return nil, fmt.Errorf("client: ExplainRequest.Kind is %s: use restriction.AT or restriction.Other", req.Kind)
	}
	if !req.At.IsZero() {
		ask.At = req.At.Unix()
	}
	m, err := c.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if !m.Supports(wire.ActionExplain) {
		return nil, fmt.Errorf("%w: no action %s", ErrUnsupported, wire.ActionExplain)
	}
	var body wire.DryRun
	if _, err := c.tokeninfo(ctx, operation, token, ask, true, &body); err != nil {
		return nil, err
	}
	if body.Explanation == nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer holds no explanation"}
	}
	return readExplanation(body.Explanation, token), nil
}

// readExplanation converts an explanation of the server and makes its texts fit for logs
// and terminals. nil stays nil.
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
