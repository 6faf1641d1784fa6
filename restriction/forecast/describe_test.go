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
	style.Clause = "Case"
	require.Contains(t, f.Sentence(style, 2), "Case 2 (third): ")
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

// TestTimes checks how sentences name the beginnings and the ends of spans: as people do,
// and never more than a second off.
func TestTimes(t *testing.T) {
	relative := forecast.Style{Start: epoch}
	for _, test := range []struct {
		style          forecast.Style
		from, nbf, exp int // seconds after the epoch
		until          int
		want           []string
	}{
		{relative, 0, 3600, 7200, 7201, []string{"admits, +0h to +2h.", ": from +1h to +2h.", "admitted from +0h to +1h."}},
		{relative, 0, 3600, 7200, 10800, []string{"admits, +0h to +3h.", "admitted between +2h and +3h."}},
		{relative, 0, 3600, 7207, 10807, []string{"admits, +0h to +3h00m06s.", ": from +1h to +2h00m07s.", "between +2h00m07s and +3h00m06s."}},
		{relative, 3601, 3601, 3601, 3660, []string{": from +1h00m01s to +1h00m01s.", "between +1h00m01s and +1h01m."}},
		{forecast.Style{Start: epoch.Add(300 * time.Millisecond)}, 3600, 3600, 7200, 7201, []string{": from +1h to +2h."}},
		{forecast.Style{}, 3600, 3600, 93600, 93601, []string{": from 1 March 2030 09:00 UTC to 2 March 2030 10:00 UTC."}},
		{forecast.Style{}, 3605, 3605, 7207, 7208, []string{": from 1 March 2030 09:00:05 UTC to 1 March 2030 10:00:07 UTC."}},
		{forecast.Style{Location: time.FixedZone("CET", 3600)}, 0, 1, 7200, 7201, []string{": from 1 March 2030 09:00:01 CET to 1 March 2030 11:00 CET."}},
		{forecast.Style{Start: time.Unix(60, 0)}, 0, 1, 7200, 7201, []string{": from +527383h59m01s to +527385h59m.", "from +527383h59m to +527383h59m01s."}},
		{forecast.Style{Start: time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)}, 0, 1, 60, 61, []string{": from -61096335h59m59s to -61096335h59m."}},
	} {
		list := restriction.List{{NotBefore: unix(test.nbf), Expires: unix(test.exp)}}
		f := newForecast(t, forecast.Token{Restrictions: list}, second(test.from), second(test.until))
		for _, want := range test.want {
			require.Contains(t, f.Describe(test.style), want)
		}
	}
}

// TestEndOfOpeningHours checks that a span ends for the reader when it ends on the wall:
// a half-open hour as well as the last second of exp.
func TestEndOfOpeningHours(t *testing.T) {
	s := forecast.Style{}
	for until, want := range map[time.Time]time.Time{
		second(3600): second(3600), second(3601): second(3600), second(3602): second(3601), second(3599): second(3598),
	} {
		require.Equal(t, want, s.End(until), "%v", until)
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
