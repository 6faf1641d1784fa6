package rest

import (
	"errors"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// goodFor is how long a code is remembered to be good: codes live no longer.
const goodFor = time.Hour

// guess looks a code up that anybody may have made up. A code with a mark was
// made by this service; everything else counts if it turns out to be wrong.
func (c *call) guess(code string, look func(mytoken.Secret) error) error {
	secret, genuine := c.issuer.UnmarkCode(mytoken.NewSecret(code))
	if genuine {
		return look(secret)
	}
	q, err := c.guard.admit(c.client.Address, code)
	if err != nil {
		return err
	}
	err = look(secret)
	var unusable *issuer.CodeError
	switch {
	case !errors.As(err, &unusable):
		q.settle(false, time.Time{})
	case unusable.Reason == issuer.CodeUnknown:
		q.settle(true, time.Time{})
	default: // it exists, or existed
		q.settle(false, c.issuer.Now().Add(goodFor))
	}
	return err
}
