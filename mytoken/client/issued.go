package client

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// readIssued reads a mytoken response object (protocol section 1.12). It returns an
// [*AnswerError] only if the answer holds neither a token nor a code. Issued.Unread names
// anything else that it could not read.
func readIssued(operation string, body []byte, asked time.Time) (*mytoken.Issued, error) {
	t := newIssued(body, asked)
	if t == nil {
		return nil, &AnswerError{Operation: operation, Reason: "the answer is malformed"}
	}
	t.Update = readUpdate(body, asked)
	if t.Token.IsEmpty() && t.TransferCode.IsEmpty() {
		return nil, &AnswerError{Operation: operation, Reason: "the answer holds no token", Update: t.Update}
	}
	return t, nil
}

// readUpdate reads only the rotated token of an answer. It returns nil if there is none.
func readUpdate(body []byte, asked time.Time) *mytoken.Issued {
	var answer struct {
		TokenUpdate jsontext.Value `json:"token_update"`
	}
	if wire.Unmarshal(body, &answer) != nil || isNull(answer.TokenUpdate) {
		return nil
	}
	return newIssued(answer.TokenUpdate, asked)
}

// newIssued reads an object without its token_update. It returns nil if that is no
// object. asked is when the client sent the request. A malformed member does not keep it
// from reading the others.
func newIssued(object []byte, asked time.Time) *mytoken.Issued {
	var answer struct {
		Mytoken      wire.Secret    `json:"mytoken"`
		TransferCode wire.Secret    `json:"transfer_code"`
		Type         jsontext.Value `json:"mytoken_type"`
		MomID        jsontext.Value `json:"mom_id"`
		ExpiresIn    jsontext.Value `json:"expires_in"`
		Capabilities jsontext.Value `json:"capabilities"`
		Restrictions jsontext.Value `json:"restrictions"`
		Rotation     jsontext.Value `json:"rotation"`
	}
	if wire.Unmarshal(object, &answer) != nil {
		return nil
	}
	t := &mytoken.Issued{Token: mytoken.NewSecret(answer.Mytoken.Reveal()), TransferCode: mytoken.NewSecret(answer.TransferCode.Reveal())}
	var unread []string
	note := func(name string, err error) {
		if err != nil {
			unread = append(unread, name)
		}
	}
	var momID string
	var expiresIn int64
	note("mytoken_type", readMember(answer.Type, &t.Type))
	note("mom_id", readMember(answer.MomID, &momID))
	note("expires_in", readMember(answer.ExpiresIn, &expiresIn))
	note("capabilities", readMember(answer.Capabilities, &t.Capabilities))
	note("restrictions", readMember(answer.Restrictions, &t.Restrictions))
	var err error
	t.Rotation, err = readRotation(answer.Rotation)
	note("rotation", err)
	if momID != "" {
		t.ID, err = mytoken.ParseMomID(momID)
		note("mom_id", err)
	}
	if expires := after(asked, expiresIn); t.Token.IsEmpty() {
		t.CodeExpires = expires
	} else {
		t.Expires = expires
	}
	if unread != nil {
		t.Unread = fmt.Errorf("client: the answer has unreadable members: %s", strings.Join(unread, ", "))
	}
	return t
}

// readMember reads a member of an answer into to, which stays as it is if the member is
// missing, null or malformed.
func readMember[T any](text jsontext.Value, to *T) error {
	if isNull(text) {
		return nil
	}
	var value T
	if err := wire.Unmarshal(text, &value); err != nil {
		return err
	}
	*to = value
	return nil
}

// isNull reports whether a member is missing or null.
func isNull(text jsontext.Value) bool { return len(text) == 0 || text.Kind() == 'n' }

// rotation is mytoken.Rotation as other servers may write it: names in any case, and
// members that this package does not know. The decoder of mytoken.Rotation refuses both.
// Here that would lose a token.
type rotation struct {
	OnAT       bool   `json:"on_AT"`
	OnOther    bool   `json:"on_other"`
	Lifetime   uint64 `json:"lifetime"`
	AutoRevoke bool   `json:"auto_revoke"`
}

// readRotation returns nil for a member that is missing or null.
func readRotation(text jsontext.Value) (*mytoken.Rotation, error) {
	var r *rotation
	if err := readMember(text, &r); err != nil || r == nil {
		return nil, err
	}
	out := mytoken.Rotation(*r)
	return &out, nil
}

// maxSeconds keeps durations in range: 292 years.
const maxSeconds = int64(1<<63-1) / int64(time.Second)

// seconds reads a number of seconds. Negative ones count as none.
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), maxSeconds)) * time.Second
}

// after returns the instant that is the given number of seconds after asked. It returns
// the zero time if there are none.
func after(asked time.Time, n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return span{asked, seconds(n)}.end()
}
