package client

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// Token is a mytoken as the server hands it out (protocol section 1.12).
type Token struct {
	// Token is the mytoken: a JWT or a short token. Empty if TransferCode is
	// not.
	Token Secret
	// TransferCode is what the mytoken can be fetched with, once, by
	// [Client.Redeem].
	TransferCode Secret
	// Type says which of them it is: "token", "short_token" or
	// "transfer_code".
	Type string
	// MomID names the token over all its generations.
	MomID string
	// Expires is when the token or the transfer code ends; zero: never.
	Expires      time.Time
	Capabilities capability.Set
	Restrictions restriction.List
	Rotation     *Rotation
	// Update is the successor of the token that authorised the request, if the
	// server rotated that. Keep it before anything else.
	Update *Token
	// Unread says which part of the answer could not be read; nil: none. The
	// token itself is never lost to that.
	Unread error
}

// readToken reads a mytoken response object. It fails if there is neither a token
// nor a code in it.
func (c *Client) readToken(operation string, body []byte, asked time.Time) (*Token, error) {
	var resp wire.TokenResponse
	var unread error
	if err := wire.Unmarshal(body, &resp); err != nil {
		if resp, err = essentialToken(body); err != nil {
			return nil, &AnswerError{Operation: operation, Reason: "the answer is malformed"}
		}
		unread = errors.New("client: " + operation + ": restrictions or capabilities in the answer are malformed")
	}
	t := newToken(&resp, asked)
	t.Unread = errors.Join(unread, t.Unread)
	if t.Token.IsEmpty() && t.TransferCode.IsEmpty() {
		return nil, &AnswerError{Operation: operation, Reason: "the answer holds no token", Update: t.Update}
	}
	return t, nil
}

// essential are the members of a token response without which there is no token.
type essential struct {
	Mytoken      wire.Secret `json:"mytoken,omitempty"`
	TransferCode wire.Secret `json:"transfer_code,omitempty"`
	MytokenType  string      `json:"mytoken_type"`
	TokenUpdate  *essential  `json:"token_update,omitempty"`
}

func (e *essential) response() *wire.TokenResponse {
	if e == nil {
		return nil
	}
	return &wire.TokenResponse{
		Mytoken: e.Mytoken, TransferCode: e.TransferCode, MytokenType: e.MytokenType, TokenUpdate: e.TokenUpdate.response(),
	}
}

func essentialToken(body []byte) (wire.TokenResponse, error) {
	var e essential
	err := wire.Unmarshal(body, &e)
	return *e.response(), err
}

// newToken converts an answer; asked is when its request was sent.
func newToken(resp *wire.TokenResponse, asked time.Time) *Token {
	if resp == nil {
		return nil
	}
	t := &Token{
		Token: NewSecret(resp.Mytoken.Reveal()), TransferCode: NewSecret(resp.TransferCode.Reveal()), Type: resp.MytokenType, MomID: resp.MomID,
		Expires: after(asked, resp.ExpiresIn), Capabilities: resp.Capabilities, Restrictions: resp.Restrictions,
		Update: newToken(resp.TokenUpdate, asked),
	}
	t.Rotation, t.Unread = readRotation(resp.Rotation)
	return t
}

// readUpdate finds nothing but a rotated token in an answer.
func readUpdate(body []byte, asked time.Time) *Token {
	var full wire.Update
	if wire.Unmarshal(body, &full) == nil {
		return newToken(full.TokenUpdate, asked)
	}
	var e essential
	if wire.Unmarshal(body, &e) != nil {
		return nil
	}
	return newToken(e.TokenUpdate.response(), asked)
}

// maxSeconds keeps durations in range: 292 years.
const maxSeconds = int64(1<<63-1) / int64(time.Second)

// after is so many seconds after an instant; the zero time if there are none.
func after(asked time.Time, seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return wall(asked).Add(time.Duration(min(seconds, maxSeconds)) * time.Second)
}

func readRotation(text jsontext.Value) (*Rotation, error) {
	if len(text) == 0 || text.Kind() == 'n' {
		return nil, nil
	}
	r := new(Rotation)
	if err := wire.Unmarshal(text, r); err != nil {
		return nil, errors.New("client: the rotation in the answer is malformed")
	}
	return r, nil
}
