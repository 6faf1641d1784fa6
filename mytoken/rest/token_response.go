package rest

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// tokenResponse is the mytoken response object (protocol section 1.12), without an
// update; see call.update.
func (c *call) tokenResponse(t *mytoken.Issued) *wire.TokenResponse {
	out := &wire.TokenResponse{
		MytokenType: string(t.Type), MomID: t.ID.String(), Capabilities: t.Capabilities, Restrictions: t.Restrictions,
		ExpiresIn: c.secondsUntil(t.Claims.ExpiresAt()), Rotation: rotationText(t.Claims.Rotation()),
	}
	if t.Type == mytoken.ResponseTransferCode {
		c.guard.remember(t.TransferCode.Reveal(), t.CodeExpires)
		out.TransferCode, out.ExpiresIn = wire.Secret{Secret: t.TransferCode}, c.secondsUntil(t.CodeExpires)
		return out
	}
	out.Mytoken = wire.Secret{Secret: t.Token}
	return out
}

// update is the token_update of an answer, or nil if the token was not rotated. It
// replaces the cookie only if the token came from it (D47).
func (c *call) update(t *mytoken.Issued) *wire.TokenResponse {
	if t == nil {
		return nil
	}
	if c.cookie {
		c.setCookie(c.tokenCookie(t))
	}
	return c.tokenResponse(t)
}

// secondsUntil returns the whole seconds until a time, or 0 if the time is zero. It
// returns 1 at least for any other time: an answer with 0 says that nothing expires.
func (c *call) secondsUntil(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.Unix()-c.issuer.Now().Unix(), 1)
}

// unix is a time on the wire: Unix seconds, or 0 if the time is zero.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func rotationText(r *mytoken.Rotation) jsontext.Value {
	if r == nil {
		return nil
	}
	text, err := r.MarshalJSON()
	if err != nil { // every rotation of an issued token has JSON
		return nil
	}
	return text
}
