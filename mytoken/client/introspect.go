package client

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// Introspection is what the server knows about a token (protocol section 5.8.1).
type Introspection struct {
	Valid bool
	MomID string
	// Type says how the token was presented: "token" or "short_token".
	Type   string
	Claims Claims
}

// Claims are the claims of a mytoken (protocol section 1.2).
type Claims struct {
	Issuer       string
	Subject      string
	ID           string // jti
	Generation   uint64 // seq_no
	Name         string
	OIDCIssuer   string
	OIDCSubject  string
	Capabilities capability.Set
	Restrictions restriction.List
	// Used counts the uses of each clause of Restrictions.
	Used      []Used
	Rotation  *Rotation
	IssuedAt  time.Time
	NotBefore time.Time
	Expires   time.Time // zero: never
	AuthTime  time.Time // zero: not stated
}

// Used says how often a clause was used.
type Used struct {
	AT, Other int64
}

// Introspect asks the server about a token. It counts as no use, and is repeated
// where that helps.
func (c *Client) Introspect(ctx context.Context, token Secret) (*Introspection, error) {
	const operation = "introspect"
	var body wire.Introspection
	if _, err := c.tokeninfo(ctx, operation, token, wire.TokeninfoRequest{Action: wire.ActionIntrospect}, true, &body); err != nil {
		return nil, err
	}
	t := body.Token
	out := &Introspection{Valid: body.Valid, MomID: body.MomID, Type: body.TokenType, Claims: Claims{
		Issuer: t.Issuer, Subject: t.Subject, ID: t.JTI, Generation: t.Seq, Name: t.Name, OIDCIssuer: t.OIDCIssuer,
		OIDCSubject: t.OIDCSubject, Capabilities: t.Capabilities, IssuedAt: unix(t.IssuedAt), NotBefore: unix(t.NotBefore),
		Expires: unix(t.ExpiresAt), AuthTime: unix(t.AuthTime),
	}}
	var err error
	if out.Claims.Restrictions, out.Claims.Used, err = readUsed(t.Restrictions); err != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the restrictions are malformed"}
	}
	if out.Claims.Rotation, err = readRotation(t.Rotation); err != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the rotation is malformed"}
	}
	return out, nil
}

// The keys that introspection adds to clauses.
const (
	keyUsedAT    = "usages_AT_done"
	keyUsedOther = "usages_other_done"
)

// readUsed separates clauses from what was used of them.
func readUsed(text jsontext.Value) (restriction.List, []Used, error) {
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
	used := make([]Used, len(clauses))
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
