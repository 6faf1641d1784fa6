package client

import (
	"context"
	"errors"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Introspection is what the server knows about a token (protocol section 5.8.1).
type Introspection struct {
	Valid bool
	// ID is the mom_id; zero if the server did not tell a readable one.
	ID mytoken.TokenID
	// Type is the form of the presented token: mytoken.ResponseToken or
	// mytoken.ResponseShortToken.
	Type mytoken.ResponseType
	// Claims are the claims of the token as the server reports them. The client does not
	// check the signature. JTI is zero if it is not readable.
	Claims mytoken.Claims
	// Used has one entry per clause of Claims.Restrictions: how many uses are gone. The
	// limit of the clause minus them is what is really left, also where relatives have
	// spent what the token draws on. So it may be more than the token and its descendants
	// have used. Some servers count only these.
	Used []restriction.Usage
}

// Introspect asks the server about a token. It does not count as a use, and the client
// repeats it after a failure that may pass. Errors are those of [Client.AccessToken].
func (c *Client) Introspect(ctx context.Context, token mytoken.Secret) (*Introspection, error) {
	const operation = "introspect the mytoken"
	var body wire.Introspection
	if _, err := c.tokeninfo(ctx, operation, token, wire.TokeninfoRequest{Action: wire.ActionIntrospect}, true, &body); err != nil {
		return nil, err
	}
	t := body.Token
	out := &Introspection{Valid: body.Valid, ID: tokenID(body.MomID), Type: mytoken.ResponseType(body.TokenType), Claims: mytoken.Claims{
		Issuer: t.Issuer, Seq: t.Seq, Name: legible.Show(t.Name), OIDCIssuer: t.OIDCIssuer, OIDCSubject: t.OIDCSubject, Capabilities: t.Capabilities,
		AuthTime: t.AuthTime, IssuedAt: t.IssuedAt, NotBefore: t.NotBefore, ExpiresAt: t.ExpiresAt,
	}}
	if jti, err := mytoken.ParseJTI(t.JTI); err == nil {
		out.Claims.JTI = jti
	}
	var err error
	if out.Claims.Restrictions, out.Used, err = readUsed(t.Restrictions); err != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer has malformed restrictions"}
	}
	if out.Claims.Rotation, err = readRotation(t.Rotation); err != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer has a malformed rotation"}
	}
	return out, nil
}

// The keys that introspection adds to clauses.
const (
	keyUsedAT    = "usages_AT_done"
	keyUsedOther = "usages_other_done"
)

// readUsed separates clauses from the counts of their uses.
func readUsed(text jsontext.Value) (restriction.List, []restriction.Usage, error) {
	if len(text) == 0 || text.Kind() == 'n' {
		return nil, nil, nil
	}
	var clauses []map[string]jsontext.Value
	if len(text) > restriction.MaxBytes {
		return nil, nil, errors.New("too long")
	}
	if err := json.Unmarshal(text, &clauses); err != nil {
		return nil, nil, err
	}
	used := make([]restriction.Usage, len(clauses))
	for i, clause := range clauses {
		for key, to := range map[string]*int64{keyUsedAT: &used[i].AT, keyUsedOther: &used[i].Other} {
			if value, ok := clause[key]; ok {
				if err := json.Unmarshal(value, to); err != nil {
					return nil, nil, err
				}
				delete(clause, key)
			}
		}
	}
	rest, err := json.Marshal(clauses)
	if err != nil {
		return nil, nil, err
	}
	list, err := restriction.Parse(rest)
	if err == nil && len(list) != len(used) {
		err = errors.New("clauses were merged")
	}
	return list, used, err
}

// ForecastToken describes the token to the packages restriction/forecast and
// restriction/plan. The client does not know which restriction keys the server evaluates.
// If you know, set Options in the result, and set Elsewhere to false. The result does not
// include limits that the token shares with its ancestors.
func (i *Introspection) ForecastToken() forecast.Token {
	c := &i.Claims
	t := forecast.Token{
		Capabilities: slices.Clone(c.Capabilities), Restrictions: c.Restrictions.Clone(),
		NotBefore: unix(c.NotBefore), Expires: unix(c.ExpiresAt), Elsewhere: true,
	}
	if r := c.Rotation; r != nil {
		t.Rotation = &forecast.Rotation{OnAT: r.OnAT, OnOther: r.OnOther, Lifetime: r.Lifetime, Issued: unix(c.IssuedAt)}
	}
	if len(i.Used) == len(c.Restrictions) {
		t.Used = slices.Clone(i.Used)
	}
	return t
}
