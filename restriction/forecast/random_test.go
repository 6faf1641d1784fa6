package forecast_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// The random tokens live in a small world, so that clauses often meet. It has a few
// addresses, each in a country, and horizon seconds.
const horizon = 30

var (
	worldCountry = countries{
		"192.0.2.1": "DE", "192.0.2.2": "FR", "192.0.2.3": "AT", "198.51.100.1": "US", "2001:db8::1": "DE",
	}
	worldNames     = names{"192.0.2.1": "a.example.org.", "2001:db8::1": "six.example.org."}
	worldAddresses = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1", "2001:db8::1"}
	worldHosts     = []string{"192.0.2.1", "192.0.2.0/24", "::/0", "2001:db8::1", "a.example.org", "*.example.org", "no host", "*"}
	worldCodes     = []string{"DE", "de", "FR", "AT", "nowhere"}
	worldScopes    = []string{"a", "b", "c"}
)

type countries map[string]string

func (c countries) Country(_ context.Context, a netip.Addr) (string, error) {
	return c[a.String()], nil
}

type names map[string]string

func (n names) LookupAddr(_ context.Context, addr string) ([]string, error) {
	if name, ok := n[addr]; ok {
		return []string{name}, nil
	}
	return nil, errors.New("no name")
}

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	for addr, name := range n {
		if name == host {
			return []netip.Addr{netip.MustParseAddr(addr)}, nil
		}
	}
	return nil, errors.New("no address")
}

func worldOptions() restriction.Options {
	return restriction.Options{
		Resolver: worldNames, Locator: worldCountry,
		Conditions: map[string]restriction.Factory{"own": ownCondition},
	}
}

// ownCondition reads a small language of conditions: windows, networks, and one that does
// not know when it changes.
func ownCondition(value []byte) (restriction.Condition, error) {
	var v struct {
		Window  []int
		Network string
		Mute    bool
		Not     json.RawMessage
		Any     []json.RawMessage
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return nil, err
	}
	const most = 1 << 30 // seconds
	switch {
	case v.Window != nil:
		if len(v.Window) != 2 || max(v.Window[0], v.Window[1], -v.Window[0], -v.Window[1]) > most {
			return nil, errors.New("no window")
		}
		return restriction.Window(second(v.Window[0]), second(v.Window[1])), nil
	case v.Network != "":
		network, err := netip.ParsePrefix(v.Network)
		return restriction.Network(network), err
	case v.Mute:
		return mute{}, nil
	case v.Not != nil:
		part, err := ownCondition(v.Not)
		if err != nil {
			return nil, err
		}
		return restriction.Not(part), nil
	}
	var parts []restriction.Condition
	for _, raw := range v.Any {
		part, err := ownCondition(raw)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return restriction.Any(parts...), nil
}

// mute admits everything and is no Forecaster.
type mute struct{}

func (mute) Check(*restriction.Request) error         { return nil }
func (mute) Within(parent restriction.Condition) bool { return parent == mute{} }

func drawCondition(t *rapid.T, depth int) string {
	kinds := []string{"window", "window", "network", "mute", "not", "any"}
	if depth == 0 {
		kinds = kinds[:3]
	}
	switch rapid.SampledFrom(kinds).Draw(t, "condition") {
	case "window":
		from := rapid.IntRange(0, horizon).Draw(t, "window from")
		return fmt.Sprintf(`{"window":[%d,%d]}`, from, from+rapid.IntRange(0, 12).Draw(t, "window for"))
	case "network":
		return `{"network":"192.0.2.0/24"}`
	case "mute":
		return `{"mute":true}`
	case "not":
		return `{"not":` + drawCondition(t, depth-1) + `}`
	}
	return `{"any":[` + drawCondition(t, depth-1) + `,` + drawCondition(t, depth-1) + `]}`
}

// drawList draws some of the entries, usually nil, and rarely none.
func drawList(t *rapid.T, name string, from []string) []string {
	switch rapid.IntRange(0, 19).Draw(t, name+"?") {
	case 0:
		return []string{}
	case 1, 2, 3, 4, 5, 6:
		return rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(t, name)
	}
	return nil
}

func drawClause(t *rapid.T) restriction.Clause {
	var c restriction.Clause
	yes := func(name string) bool { return rapid.Bool().Draw(t, name+"?") }
	if yes("nbf") {
		c.NotBefore = unix(rapid.IntRange(0, horizon).Draw(t, "nbf"))
	}
	if yes("exp") {
		c.Expires = unix(rapid.IntRange(0, horizon).Draw(t, "exp"))
	}
	c.Scopes = drawList(t, "scopes", worldScopes)
	c.Audiences = drawList(t, "audiences", worldScopes)
	c.Hosts = drawList(t, "hosts", worldHosts)
	c.GeoIPAllow = drawList(t, "allow", worldCodes)
	c.GeoIPDisallow = drawList(t, "disallow", worldCodes[:4])
	if yes("usages_AT") {
		c.UsagesAT = restriction.Usages(rapid.Int64Range(0, 3).Draw(t, "usages_AT"))
	}
	if yes("usages_other") {
		c.UsagesOther = restriction.Usages(rapid.Int64Range(0, 3).Draw(t, "usages_other"))
	}
	switch rapid.IntRange(0, 7).Draw(t, "extra?") {
	case 0, 1, 2:
		c.Extra = []restriction.Extra{{Key: "own", Value: []byte(drawCondition(t, 2))}}
	case 3:
		c.Extra = []restriction.Extra{{Key: "foreign", Value: []byte("1")}}
	}
	if c.IsEmpty() {
		c.Scopes = []string{"a"}
	}
	return c
}

func drawToken(t *rapid.T) forecast.Token {
	token := forecast.Token{Options: worldOptions()}
	for range rapid.IntRange(0, 4).Draw(t, "clauses") {
		token.Restrictions = append(token.Restrictions, drawClause(t))
	}
	n := len(token.Restrictions)
	if rapid.Bool().Draw(t, "counted") {
		usage := rapid.Custom(func(t *rapid.T) restriction.Usage {
			return restriction.Usage{AT: rapid.Int64Range(0, 3).Draw(t, "AT"), Other: rapid.Int64Range(0, 3).Draw(t, "other")}
		})
		token.Used = rapid.SliceOfN(usage, n, n).Draw(t, "used")
	}
	if rapid.IntRange(0, 2).Draw(t, "bounded") == 0 {
		token.NotBefore = second(rapid.IntRange(0, horizon).Draw(t, "token nbf"))
		token.Expires = second(rapid.IntRange(0, horizon).Draw(t, "token exp"))
	}
	token.Capabilities = rapid.SampledFrom([]capability.Set{nil, {}, {capability.AT}, {capability.Tokeninfo}}).Draw(t, "capabilities")
	if text := rapid.SampledFrom(append(worldAddresses, "")).Draw(t, "address"); text != "" {
		token.Request.Address = netip.MustParseAddr(text)
	}
	return token
}

func drawInstant(t *rapid.T, name string) time.Time {
	return second(rapid.IntRange(-3, horizon+15).Draw(t, name))
}
