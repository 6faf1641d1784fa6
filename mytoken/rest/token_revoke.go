package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// shortestToken is the shortest length of a token in bytes. A shorter string is a code
// (protocol section 1.11).
const shortestToken = 32

// tokenRevoke is the revocation endpoint (protocol section 5.7).
func tokenRevoke(c *call, req *wire.RevocationRequest) (*answer, error) {
	token := req.Token.Secret
	if token.IsEmpty() {
		var err error
		if token, err = c.cookieToken(); err != nil {
			return nil, badRequest("no token given")
		}
	}
	if req.MomID != "" {
		return revokeOther(c, req, token)
	}
	if err := c.revoke(issuer.RevokeRequest{Token: token, Recursive: req.Recursive, Provider: req.OIDCIssuer, Client: c.client}); err != nil {
		return nil, err
	}
	if c.cookie {
		c.setCookie(c.clearedCookie())
	}
	return empty(http.StatusNoContent), nil
}

// revoke revokes a token or a code. A code that is wrong counts as a failed guess.
func (c *call) revoke(req issuer.RevokeRequest) error {
	code := req.Token.Reveal()
	if len(code) >= shortestToken {
		_, err := c.issuer.Revoke(c.ctx(), req)
		return err
	}
	unmarked, genuine := c.issuer.UnmarkCode(req.Token)
	req.Token = unmarked
	if genuine {
		_, err := c.issuer.Revoke(c.ctx(), req)
		return err
	}
	q, err := c.guard.admit(c.client.Address, code)
	if err != nil {
		return err
	}
	done, err := rescue.Call(func() (*issuer.Revocation, error) { return c.issuer.Revoke(c.ctx(), req) })
	q.settle(err == nil && done.Revoked.IsZero(), time.Time{})
	return err
}

// revokeOther revokes another token of the user by its mom_id.
func revokeOther(c *call, req *wire.RevocationRequest, token mytoken.Secret) (*answer, error) {
	other, err := mytoken.ParseMomID(req.MomID)
	if err != nil {
		return nil, badRequest("mom_id is not a mom_id")
	}
	id, err := c.useID("revoke", other.String(), strconv.FormatBool(req.Recursive))
	if err != nil {
		return nil, err
	}
	if _, err := c.issuer.RevokeOther(c.ctx(), issuer.RevokeOtherRequest{
		Token: token, ID: id, Other: other, Recursive: req.Recursive, Provider: req.OIDCIssuer, Client: c.client,
	}); err != nil {
		return nil, tell(err, issuer.ErrNotOwned, "The provided token cannot be used to revoke this mom_id")
	}
	return empty(http.StatusNoContent), nil
}

// updated is an answer without content, except for a token that was rotated.
func (c *call) updated(status int, update *mytoken.Issued) *answer {
	a := empty(status)
	if t := c.update(update); t != nil {
		a.body = wire.Update{TokenUpdate: t}
		if status == http.StatusNoContent {
			a.status = http.StatusOK
		}
	}
	return a
}
