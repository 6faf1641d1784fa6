package forecast_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// TestFirstClause checks that sentences count clauses from the number in the style.
func TestFirstClause(t *testing.T) {
	list := newPhases(t, restriction.First(time.Hour), restriction.First(2*time.Hour))
	f := newForecast(t, forecast.Token{Restrictions: list}, epoch, time.Time{})
	for first, want := range map[int][]string{0: {"Clause 0: ", "Clause 1: "}, 1: {"Clause 1: ", "Clause 2: "}} {
		text := f.Describe(forecast.Style{First: first})
		require.Equal(t, len(want), strings.Count(text, "Clause "), text)
		for _, name := range want {
			require.Contains(t, text, name)
		}
	}
}

// TestLabels checks that a clause is named by its label, or else by its scopes.
func TestLabels(t *testing.T) {
	list := restriction.List{{Scopes: []string{"a", "b"}}, {Hosts: []string{"192.0.2.1"}}, {Scopes: []string{"c"}}}
	f := newForecast(t, forecast.Token{Restrictions: list}, epoch, time.Time{})
	style := forecast.Style{Labels: []string{"", "", "third"}}
	for i, want := range []string{"a b", "any scope", "third"} {
		require.Equal(t, want, f.Label(style, i))
	}
	require.Contains(t, f.Sentence(style, 2), "Clause 2 (third): ")
}

// TestWithoutCapabilityAT checks that a clause admits no access tokens without AT, and
// that it is spent when no other uses are left.
func TestWithoutCapabilityAT(t *testing.T) {
	list := restriction.List{{Expires: unix(9), UsagesAT: restriction.Usages(3), UsagesOther: restriction.Usages(0)}, {Expires: unix(9)}}
	for _, test := range []struct {
		may  capability.Set
		noAT bool
	}{{nil, false}, {capability.Default(), false}, {capability.Set{capability.Tokeninfo}, true}, {capability.Set{}, true}} {
		f := newForecast(t, forecast.Token{Restrictions: list, Capabilities: test.may}, epoch, time.Time{})
		for i, want := range []bool{test.noAT, false} {
			require.Equal(t, test.noAT, f.Clauses[i].NoAT, "%v", test.may)
			require.Equal(t, want, f.Clauses[i].Spent(), "clause %d with %v", i, test.may)
		}
		text := f.Describe(forecast.Style{})
		require.Equal(t, test.noAT, strings.Contains(text, "no access tokens without the capability AT"), text)
	}
}

// TestHostileTextIsPrintable checks that text from a token cannot control a terminal.
func TestHostileTextIsPrintable(t *testing.T) {
	const hostile = "x\x1b[31m\u202e\x00"
	f := newForecast(t, forecast.Token{Elsewhere: true, Restrictions: restriction.List{
		{Scopes: []string{hostile}, Audiences: []string{hostile}, Extra: []restriction.Extra{{Key: hostile, Value: []byte("1")}}},
		{Hosts: []string{hostile}},
	}}, epoch, second(60))
	text := f.Describe(forecast.Style{Title: hostile, Labels: []string{hostile}}) + f.Label(forecast.Style{}, 0)
	require.False(t, strings.ContainsAny(text, "\x1b\x00\u202e"), "%q", text)
}

// TestBoundaries checks that nbf and exp are the first and the last second.
func TestBoundaries(t *testing.T) {
	f := newForecast(t, forecast.Token{Restrictions: restriction.List{{NotBefore: unix(10), Expires: unix(20)}}}, epoch, second(60))
	for at, want := range map[time.Time]forecast.State{
		second(9): forecast.Closed, second(10).Add(-1): forecast.Closed, second(10): forecast.Open,
		second(20): forecast.Open, second(21).Add(-1): forecast.Open, second(21): forecast.Closed,
	} {
		require.Equal(t, want, f.Clauses[0].At(at), "%v", at)
	}
}

// TestInvalidInput checks the error for each input that New refuses.
func TestInvalidInput(t *testing.T) {
	list := restriction.List{{Expires: unix(9)}}
	for name, test := range map[string]struct {
		token       forecast.Token
		from, until time.Time
		want        error
	}{
		"no beginning":    {forecast.Token{}, time.Time{}, epoch, forecast.ErrHorizon},
		"backwards":       {forecast.Token{}, epoch, second(-1), forecast.ErrHorizon},
		"nothing":         {forecast.Token{}, epoch, epoch, forecast.ErrHorizon},
		"before 1970":     {forecast.Token{}, time.Unix(-1, 0), epoch, forecast.ErrHorizon},
		"after 9999":      {forecast.Token{}, epoch, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), forecast.ErrHorizon},
		"a counter less":  {forecast.Token{Restrictions: list, Used: []restriction.Usage{}}, epoch, second(1), forecast.ErrCounters},
		"a budget more":   {forecast.Token{Restrictions: list, Left: make([]forecast.Left, 2)}, epoch, second(1), forecast.ErrCounters},
		"an empty clause": {forecast.Token{Restrictions: restriction.List{{}}}, epoch, second(1), restriction.ErrEmptyClause},
		"no iat, no exp":  {forecast.Token{Rotation: &forecast.Rotation{OnAT: true, Lifetime: 9}}, epoch, second(5), forecast.ErrRotation},
	} {
		_, err := forecast.New(test.token, test.from, test.until)
		require.ErrorIs(t, err, test.want, name)
	}
}
