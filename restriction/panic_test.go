package restriction

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// panicking is what an embedding program or a library may supply, with a mistake in each
// method.
type panicking struct{}

func (panicking) LookupAddr(context.Context, string) ([]string, error) { panic("a secret") }
func (panicking) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	panic("a secret")
}
func (panicking) Country(context.Context, netip.Addr) (string, error) { panic("a secret") }
func (panicking) Check(*Request) error                                { panic("a secret") }
func (panicking) Within(Condition) bool                               { panic("a secret") }
func (panicking) Next(*Request) (time.Time, bool)                     { panic("a secret") }

// TestPanickingCallBacksRefuse: a look-up or condition that panics cannot tell, so its
// clause refuses. The reason does not show what it panicked with. // proves P2, P9
func TestPanickingCallBacksRefuse(t *testing.T) {
	value := []byte(`true`)
	for name, c := range map[string]struct {
		clause  Clause
		options Options
	}{
		"resolver":          {Clause{Hosts: []string{"a.example"}}, Options{Resolver: panicking{}}},
		"cached resolver":   {Clause{Hosts: []string{"a.example"}}, Options{Resolver: NewResolverCache(panicking{}, CacheOptions{})}},
		"locator":           {Clause{GeoIPAllow: []string{"de"}}, Options{Locator: panicking{}}},
		"forbidden country": {Clause{GeoIPDisallow: []string{"de"}}, Options{Locator: panicking{}}},
		"condition": {Clause{Extra: []Extra{{Key: "own", Value: value}}}, Options{Conditions: map[string]Factory{
			"own": func([]byte) (Condition, error) { return panicking{}, nil },
		}}},
		"negation": {Clause{Extra: []Extra{{Key: "own", Value: value}}}, Options{Conditions: map[string]Factory{
			"own": func([]byte) (Condition, error) { return Not(panicking{}), nil },
		}}},
		"factory": {Clause{Extra: []Extra{{Key: "own", Value: value}}}, Options{Conditions: map[string]Factory{
			"own": func([]byte) (Condition, error) { panic("a secret") },
		}}},
	} {
		policy, err := Compile(List{c.clause}, c.options)
		require.NoError(t, err, name)
		r := &Request{Now: time.Unix(1e9, 0), Kind: AT, Address: netip.MustParseAddr("192.0.2.7")}
		decision := policy.Decide(t.Context(), r)
		require.False(t, decision.Admitted(), name)
		explanation := policy.Explain(r)
		require.False(t, explanation.Admitted, name)
		require.NotContains(t, explanation.String(), "a secret", name)
		require.Equal(t, name == "factory", explanation.Earliest.IsNever(), name)
	}
	own := Options{Conditions: map[string]Factory{"own": func([]byte) (Condition, error) { return panicking{}, nil }}}
	list := List{{Extra: []Extra{{Key: "own", Value: value}}}}
	other := List{{Extra: []Extra{{Key: "own", Value: []byte(`false`)}}}}
	require.False(t, Within(list, other, own.Conditions), "nobody knows")
	own.Conditions["own"] = func([]byte) (Condition, error) { panic("a secret") }
	require.ErrorIs(t, own.Check(list), ErrInvalid)
}
