package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// readIssued reads a mytoken response object (protocol section 1.12). It returns an
// [*AnswerError] only if the answer holds neither a token nor a code. Issued.Unread names
// anything else that it could not read.
func readIssued(operation string, body []byte, asked time.Time) (*mytoken.Issued, error) {
	var resp wire.TokenResponse
	var unread error
	if err := wire.Unmarshal(body, &resp); err != nil {
		if resp, err = essentialToken(body); err != nil {
			return nil, &AnswerError{Operation: operation, Reason: "the answer is malformed"}
		}
		unread = fmt.Errorf("client: %s: the answer has malformed restrictions or capabilities", operation)
	}
	t := newIssued(&resp, asked)
	t.Unread = errors.Join(unread, t.Unread)
	if t.Token.IsEmpty() && t.TransferCode.IsEmpty() {
		return nil, &AnswerError{Operation: operation, Reason: "the answer holds no token", Update: t.Update}
	}
	return t, nil
}

// essential has the members of a token response that make a token usable.
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

// newIssued converts an answer. asked is when the client sent the request.
func newIssued(resp *wire.TokenResponse, asked time.Time) *mytoken.Issued {
	if resp == nil {
		return nil
	}
	t := &mytoken.Issued{
		Type:  mytoken.ResponseType(resp.MytokenType),
		Token: mytoken.NewSecret(resp.Mytoken.Reveal()), TransferCode: mytoken.NewSecret(resp.TransferCode.Reveal()),
		Capabilities: resp.Capabilities, Restrictions: resp.Restrictions, Update: newIssued(resp.TokenUpdate, asked),
	}
	if expires := after(asked, resp.ExpiresIn); t.Token.IsEmpty() {
		t.CodeExpires = expires
	} else {
		t.Expires = expires
	}
	var noID, noRotation error
	t.ID, noID = readMomID(resp.MomID)
	t.Rotation, noRotation = readRotation(resp.Rotation)
	t.Unread = errors.Join(noID, noRotation)
	return t
}

// readUpdate reads nothing but the rotated token of an answer; nil if there is none.
func readUpdate(body []byte, asked time.Time) *mytoken.Issued {
	var full wire.Update
	if wire.Unmarshal(body, &full) == nil {
		return newIssued(full.TokenUpdate, asked)
	}
	var e essential
	if wire.Unmarshal(body, &e) != nil {
		return nil
	}
	return newIssued(e.TokenUpdate.response(), asked)
}

// maxSeconds keeps durations in range: 292 years.
const maxSeconds = int64(1<<63-1) / int64(time.Second)

// after returns the instant so many seconds after asked; the zero time if seconds is not
// positive.
func after(asked time.Time, seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return wall(asked).Add(time.Duration(min(seconds, maxSeconds)) * time.Second)
}

// readMomID reads an id. The empty text, which servers may send, is the zero id.
func readMomID(text string) (mytoken.TokenID, error) {
	if text == "" {
		return mytoken.TokenID{}, nil
	}
	id, err := mytoken.ParseMomID(text)
	if err != nil {
		return mytoken.TokenID{}, fmt.Errorf("client: the mom_id in the answer is unreadable: %w", err)
	}
	return id, nil
}

// rotation is mytoken.Rotation as other servers may write it: names in any case, and
// members that this package does not know. The decoder of mytoken.Rotation refuses both.
// Here that would lose a token.
type rotation struct {
	OnAT       bool   `json:"on_AT"`
	OnOther    bool   `json:"on_other"`
	Lifetime   uint64 `json:"lifetime"`
	AutoRevoke bool   `json:"auto_revoke"`
}

func readRotation(text jsontext.Value) (*mytoken.Rotation, error) {
	if len(text) == 0 || text.Kind() == 'n' {
		return nil, nil
	}
	var r rotation
	if err := wire.Unmarshal(text, &r); err != nil {
		return nil, errors.New("client: the answer has a malformed rotation")
	}
	out := mytoken.Rotation(r)
	return &out, nil
}
