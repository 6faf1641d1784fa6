package client

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// tokeninfo sends a request to the tokeninfo endpoint and reads the answer into out.
func (c *Client) tokeninfo(ctx context.Context, operation string, token mytoken.Secret, req wire.TokeninfoRequest, safe bool, out any) (update *mytoken.Issued, err error) {
	req.Mytoken = wire.NewSecret(token.Reveal())
	asked := c.now()
	body, err := c.post(ctx, endpointTokeninfo, request{
		operation: operation, body: req, secrets: []mytoken.Secret{token}, safe: safe, spends: !safe,
	})
	if err != nil {
		return nil, err
	}
	update = readUpdate(body, asked)
	if wire.Unmarshal(body, out) != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer is malformed", Update: update}
	}
	return update, nil
}

// History returns the events of a token, or of the tokens that momIDs names (protocol
// section 5.8.2). Besides ids in text form, momIDs may hold "this", "children" and
// "children@<mom_id>". The request counts as a use of the token, and the client repeats it
// when it repeats [Client.AccessToken]. Control and format characters in texts are escaped:
// \u202e for U+202E. Errors are those of [Client.AccessToken].
func (c *Client) History(ctx context.Context, token mytoken.Secret, momIDs ...string) (*mytoken.History, error) {
	var body struct { // without the update: tokeninfo reads it
		Events    []wire.Event `json:"events"`
		Truncated bool         `json:"truncated"`
	}
	update, err := c.tokeninfo(ctx, "read the history", token, wire.TokeninfoRequest{Action: wire.ActionHistory, MomIDs: momIDs}, false, &body)
	if err != nil {
		return nil, err
	}
	h := &mytoken.History{Truncated: body.Truncated, Update: update}
	for _, e := range body.Events {
		h.Events = append(h.Events, mytoken.Event{
			Token: tokenID(e.MomID), Name: legible.Show(e.Event), Comment: legible.Show(e.Comment), Address: legible.Show(e.IP),
			UserAgent: legible.Show(e.UserAgent), Time: time.Unix(e.Time, 0),
		})
	}
	return h, nil
}

// Subtree returns a token with its descendants (protocol section 5.8.3). Records hold
// what the protocol carries: ids, names, addresses, times, and whether a token was
// revoked. Names are escaped as in a history. Subtree counts as a use, like
// [Client.History], and treats repetitions and errors in the same way.
func (c *Client) Subtree(ctx context.Context, token mytoken.Secret) (*mytoken.Records, error) {
	var body struct {
		Mytokens wire.Tree `json:"mytokens"`
	}
	update, err := c.tokeninfo(ctx, "read the subtree", token, wire.TokeninfoRequest{Action: wire.ActionSubtokens}, false, &body)
	if err != nil {
		return nil, err
	}
	return &mytoken.Records{Roots: newRecords([]wire.Tree{body.Mytokens}, mytoken.TokenID{}), Update: update}, nil
}

// List returns all tokens of the user (protocol section 5.8.4), like [Client.Subtree].
func (c *Client) List(ctx context.Context, token mytoken.Secret) (*mytoken.Records, error) {
	var body struct {
		Mytokens  []wire.Tree `json:"mytokens"`
		Truncated bool        `json:"truncated"`
	}
	update, err := c.tokeninfo(ctx, "list the mytokens", token, wire.TokeninfoRequest{Action: wire.ActionList}, false, &body)
	if err != nil {
		return nil, err
	}
	return &mytoken.Records{Roots: newRecords(body.Mytokens, mytoken.TokenID{}), Truncated: body.Truncated, Update: update}, nil
}

func newRecords(trees []wire.Tree, parent mytoken.TokenID) []*mytoken.Record {
	var records []*mytoken.Record
	for _, t := range trees {
		e := t.Token
		r := &mytoken.Record{
			ID: tokenID(e.MomID), Parent: parent, Name: legible.Show(e.Name), Address: legible.Show(e.IP), Created: time.Unix(e.Created, 0),
			Expires: unix(e.ExpiresAt), Revoked: e.Revoked, Brief: true, Tags: readTags(e.Tags),
		}
		r.Children = newRecords(t.Children, r.ID)
		records = append(records, r)
	}
	return records
}

// tokenID reads a mom_id. An unreadable one gives the zero id.
func tokenID(text string) mytoken.TokenID {
	id, err := mytoken.ParseMomID(text)
	if err != nil {
		return mytoken.TokenID{}
	}
	return id
}

// unix returns an instant; 0 gives the zero time.
func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
