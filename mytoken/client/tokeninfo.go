package client

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// Event is an entry of a token's history (protocol section 7).
type Event struct {
	Event     string
	Comment   string
	IP        string
	UserAgent string
	MomID     string
	Time      time.Time
}

// History is the events of tokens, newest first.
type History struct {
	Events []Event
	// Truncated says that there are older ones.
	Truncated bool
	// Update is the successor of the token, if the server rotated it. Keep it
	// before anything else.
	Update *Token
}

// Node is a token in a tree of tokens.
type Node struct {
	MomID   string
	Name    string
	IP      string // where it was created from
	Created time.Time
	Expires time.Time // zero: never
	// Revoked marks a token that is listed because descendants of it live.
	Revoked  bool
	Children []*Node
}

// Tokens is trees of tokens.
type Tokens struct {
	Roots []*Node
	// Truncated says that there are more.
	Truncated bool
	// Update is the successor of the token, if the server rotated it. Keep it
	// before anything else.
	Update *Token
}

// tokeninfo sends a request to the tokeninfo endpoint and reads the answer into out.
func (c *Client) tokeninfo(ctx context.Context, operation string, token Secret, req wire.TokeninfoRequest, safe bool, out any) (update *Token, err error) {
	req.Mytoken = wire.NewSecret(token.Reveal())
	asked := c.now()
	body, err := c.post(ctx, endpointTokeninfo, request{operation: operation, body: req, secrets: []Secret{token}, safe: safe})
	if err != nil {
		return nil, err
	}
	update = readUpdate(body, asked)
	if wire.Unmarshal(body, out) != nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer is malformed", Update: update}
	}
	return update, nil
}

// History returns what happened to a token, or to those named by their mom_id; "this",
// "children" and "children@<mom_id>" are understood (protocol section 5.8.2). It counts
// as a use, so it is repeated only if the server certainly did not act on it.
func (c *Client) History(ctx context.Context, token Secret, momIDs ...string) (*History, error) {
	var body struct { // without the update, which is read on its own
		Events    []wire.Event `json:"events"`
		Truncated bool         `json:"truncated"`
	}
	update, err := c.tokeninfo(ctx, "history", token, wire.TokeninfoRequest{Action: wire.ActionHistory, MomIDs: momIDs}, false, &body)
	if err != nil {
		return nil, err
	}
	h := &History{Truncated: body.Truncated, Update: update}
	for _, e := range body.Events {
		h.Events = append(h.Events, Event{
			Event: e.Event, Comment: e.Comment, IP: e.IP, UserAgent: e.UserAgent, MomID: e.MomID, Time: time.Unix(e.Time, 0),
		})
	}
	return h, nil
}

// Subtree returns a token with its descendants (protocol section 5.8.3). It counts as
// a use, so it is repeated only if the server certainly did not act on it.
func (c *Client) Subtree(ctx context.Context, token Secret) (*Tokens, error) {
	var body struct {
		Mytokens wire.Tree `json:"mytokens"`
	}
	update, err := c.tokeninfo(ctx, "subtree", token, wire.TokeninfoRequest{Action: wire.ActionSubtokens}, false, &body)
	if err != nil {
		return nil, err
	}
	return &Tokens{Roots: newNodes([]wire.Tree{body.Mytokens}), Update: update}, nil
}

// List returns all tokens of the user (protocol section 5.8.4). It counts as a use, so
// it is repeated only if the server certainly did not act on it.
func (c *Client) List(ctx context.Context, token Secret) (*Tokens, error) {
	var body struct {
		Mytokens  []wire.Tree `json:"mytokens"`
		Truncated bool        `json:"truncated"`
	}
	update, err := c.tokeninfo(ctx, "list", token, wire.TokeninfoRequest{Action: wire.ActionList}, false, &body)
	if err != nil {
		return nil, err
	}
	return &Tokens{Roots: newNodes(body.Mytokens), Truncated: body.Truncated, Update: update}, nil
}

func newNodes(trees []wire.Tree) []*Node {
	var nodes []*Node
	for _, t := range trees {
		e := t.Token
		nodes = append(nodes, &Node{
			MomID: e.MomID, Name: e.Name, IP: e.IP, Created: time.Unix(e.Created, 0), Expires: unix(e.ExpiresAt), Revoked: e.Revoked,
			Children: newNodes(t.Children),
		})
	}
	return nodes
}

// unix is an instant; 0 is none.
func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
