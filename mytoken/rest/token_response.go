package rest

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// tokenResponse is the mytoken response object (protocol section 1.12). An update
// is not in it; see call.update.
func (c *call) tokenResponse(t *mytoken.Issued) *wire.TokenResponse {
	out := &wire.TokenResponse{
		MytokenType: string(t.Type), MomID: t.ID.String(), Capabilities: t.Capabilities, Restrictions: t.Restrictions,
		ExpiresIn: c.secondsUntil(t.Claims.ExpiresAt()), Rotation: rotationText(t.Claims.Rotation()),
	}
	if t.Type == mytoken.ResponseTransferCode {
		c.guard.remember(t.TransferCode.Reveal(), t.CodeExpires)
		out.TransferCode, out.ExpiresIn = wire.NewSecret(t.TransferCode.Reveal()), c.secondsUntil(t.CodeExpires)
		return out
	}
	out.Mytoken = wire.NewSecret(t.Token.Reveal())
	return out
}

// update is the token_update of an answer, nil if the token was not rotated. The
// cookie is replaced only if the token came from it (D47).
func (c *call) update(t *mytoken.Issued) *wire.TokenResponse {
	if t == nil {
		return nil
	}
	if c.cookie {
		c.setCookie(c.tokenCookie(t))
	}
	return c.tokenResponse(t)
}

// secondsUntil is the time left, in whole seconds; 0 if the time is zero or past.
func (c *call) secondsUntil(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.Unix()-c.issuer.Now().Unix(), 0)
}

func rotationText(r *mytoken.Rotation) jsontext.Value {
	if r == nil {
		return nil
	}
	text, err := r.MarshalJSON()
	if err != nil { // a rotation of a token that was issued can be encoded
		return nil
	}
	return text
}
