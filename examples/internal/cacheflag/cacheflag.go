// Package cacheflag reads from a flag when access tokens are handed out again.
package cacheflag

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// Parse reads age=5m, share=50% or left=10m.
func Parse(text string) (c issuer.AccessTokenCache, err error) {
	what, value, _ := strings.Cut(text, "=")
	switch what {
	case "age":
		c.MaxAge, err = time.ParseDuration(value)
	case "share":
		c.MaxShare, err = strconv.Atoi(strings.TrimSuffix(value, "%"))
	case "left":
		c.MinLeft, err = time.ParseDuration(value)
	}
	if err != nil || c.MaxAge <= 0 && (c.MaxShare <= 0 || c.MaxShare > 100) && c.MinLeft <= 0 {
		return issuer.AccessTokenCache{}, errors.New("want age=5m, share=50% or left=10m")
	}
	return c, nil
}
