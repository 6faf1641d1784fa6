package rest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/mytoken/internal/budget"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// LoginLimits limits how often logins are started. Anybody can start one, and the store
// keeps each until it expires.
//
// Each start counts against its address (for IPv6, the /64 network) and against a budget
// that all addresses share in this process, even if the issuer refuses it. An address
// that has used up its budget gets status 429 with a Retry-After header. Once the shared
// budget is used up, every site (an IPv4 address, or an IPv6 /48 network) gets 429 that
// started a login within the last PerAddress × PerAddressEvery. Other sites pass, so that
// a flood does not stop users elsewhere. All clients without a known address are one
// address.
//
// An attacker with very many sites is stopped by issuer.Limits.PendingLogins alone,
// and then so is everybody else. Limit such floods in front of the service.
type LoginLimits struct {
	// PerAddress is how many logins an address may start in a burst. 0 means 60, for a
	// university behind one address. PerAddressEvery is the time after which it may start
	// one more. 0 means 2 s.
	PerAddress      int
	PerAddressEvery time.Duration
	// Overall and OverallEvery are the same for all addresses together. 0 means 600 and
	// 50 ms.
	Overall      int
	OverallEvery time.Duration
	// Addresses is how many addresses the handler remembers. It forgets first what was
	// not used for the longest time. 0 means 65536.
	Addresses int
}

func (l *LoginLimits) complete() error {
	return refuse("Logins", (*budget.Rates)(l).Complete(budget.Rates{
		PerAddress: 60, PerAddressEvery: 2 * time.Second, Overall: 600, OverallEvery: 50 * time.Millisecond, Addresses: 1 << 16,
	}))
}

// admitLogin counts the start of a login.
func (c *call) admitLogin() error {
	now := c.issuer.Now()
	own, wait := c.logins.Admit(c.client.Address, now)
	if wait > 0 {
		return &tooManyError{what: fmt.Sprintf("too many logins are being started: try again in %d s", seconds(wait)), retry: wait}
	}
	c.logins.Settle(own, now, true)
	return nil
}

// maxLoginBody bounds the request for a login, in bytes. White space, escapes and names
// that are not stored may make it larger than what the issuer stores.
func (h *Handler) maxLoginBody() int64 { return 4 * int64(h.issuer.Limits().LoginBytes) }

// expandTokenRequest is [expandProfiles] for the mytoken endpoint. It refuses a large
// request for a login before it looks at it more closely.
func expandTokenRequest(c *call, request []byte) ([]byte, error) {
	if most := c.maxLoginBody(); int64(len(request)) > most {
		var asked struct {
			GrantType string `json:"grant_type"`
		}
		if json.Unmarshal(request, &asked) == nil && c.grantType(asked.GrantType) == wire.GrantOIDCFlow {
			return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("a request for a login has at most %d bytes", most)}
		}
	}
	return expandProfiles(c, request)
}
