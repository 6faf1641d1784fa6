package forecast_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// friday is the begin of these forecasts. On Sunday, the clocks of Berlin change.
var friday = time.Date(2030, time.March, 29, 8, 0, 0, 0, time.UTC)

func nights() *restriction.Schedule {
	return &restriction.Schedule{Timezone: "Europe/Berlin", Days: []int{1, 2, 3, 4, 5}, From: "22:00", To: "06:00"}
}

// TestForecastOfASchedule compares spans with the decisions of the policy, around a clock
// change. Outside of the spans that are open, the policy refuses.
//
// proves P10
func TestForecastOfASchedule(t *testing.T) {
	open, closed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := restriction.Schedule{Timezone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe"}).Draw(t, "zone")}
		s.Days = rapid.SliceOfN(rapid.IntRange(0, 7), 0, 4).Draw(t, "days")
		s.DaysOfMonth = rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 31, 30, -1}), 0, 2).Draw(t, "days of month")
		if rapid.IntRange(0, 3).Draw(t, "whole day?") > 0 || len(s.Days)+len(s.DaysOfMonth) == 0 {
			clocks := rapid.SampledFrom([]string{"00:00", "01:30", "02:15", "03:00", "12:00", "22:00"})
			s.From, s.To = clocks.Draw(t, "from"), clocks.Draw(t, "to")
		}
		c := restriction.Clause{Schedule: &s}
		if rapid.Bool().Draw(t, "bounded") {
			c.NotBefore = friday.Unix() + int64(rapid.IntRange(-100_000, 100_000).Draw(t, "nbf"))
			c.Expires = c.NotBefore + int64(rapid.IntRange(0, 500_000).Draw(t, "exp"))
		}
		token := forecast.Token{Restrictions: restriction.List{c}}
		f := newForecast(t, token, friday, friday.AddDate(0, 0, 6))
		policy := compile(t, token.Restrictions, token.Options)
		for i, span := range f.Clauses[0].Spans {
			require.NotEqual(t, forecast.Unknown, span.State)
			require.True(t, i == 0 || span.State != f.Clauses[0].Spans[i-1].State)
			for _, at := range []time.Time{span.From, span.From.Add(time.Minute), span.Until.Add(-time.Minute), span.Until.Add(-1)} {
				if at.Before(span.From) || !at.Before(span.Until) {
					continue
				}
				d := policy.Evaluate(&restriction.Request{Now: at, Kind: restriction.AT})
				if d.Admitted() != (span.State == forecast.Open) {
					t.Fatalf("%s is %v at %v, and admitted is %v", &s, span.State, at, d.Admitted())
				}
				if d.Admitted() {
					open++
				} else {
					closed++
				}
			}
		}
	})
	if min(open, closed) < 1000 {
		t.Errorf("%d open, %d closed: the test shows little", open, closed)
	}
}

// TestForecastReachesASchedule: a forecast of a token that does not end reaches past the
// next time of its schedule, and says that there will be more.
func TestForecastReachesASchedule(t *testing.T) {
	for _, test := range []struct {
		schedule restriction.Schedule
		first    time.Time
		times    int
	}{
		{*nights(), time.Date(2030, time.March, 29, 21, 0, 0, 0, time.UTC), 6}, // the last one begins an hour earlier in UTC
		{restriction.Schedule{DaysOfMonth: []int{28}}, time.Date(2030, time.April, 28, 0, 0, 0, 0, time.UTC), 1},
		{restriction.Schedule{DaysOfMonth: []int{29}, Days: []int{3}}, time.Date(2030, time.May, 29, 0, 0, 0, 0, time.UTC), 1},
	} {
		f := newForecast(t, forecast.Token{Restrictions: restriction.List{{Schedule: &test.schedule}}}, friday, time.Time{})
		c := f.Clauses[0]
		require.Equal(t, forecast.Closed, c.Spans[0].State, &test.schedule)
		require.Equal(t, test.first, c.Spans[1].From)
		require.Equal(t, test.first.AddDate(0, 0, 7), f.Until)
		require.Equal(t, test.times, len(c.Spans)/2)
		require.True(t, c.Reopens || c.After == forecast.Open, &test.schedule)
	}
	ends := restriction.List{{Expires: friday.AddDate(0, 0, 1).Unix(), Schedule: nights()}}
	f := newForecast(t, forecast.Token{Restrictions: ends}, friday, time.Time{})
	require.False(t, f.Clauses[0].Reopens)
	f = newForecast(t, forecast.Token{Restrictions: restriction.List{{Schedule: nights()}}, Expires: friday.Add(time.Hour)}, friday, time.Time{})
	require.False(t, f.Clauses[0].Reopens, "the token ends")
	f = newForecast(t, forecast.Token{Restrictions: restriction.List{{NotBefore: friday.Unix() + 50}}}, friday, friday.Add(time.Second))
	require.True(t, f.Clauses[0].Reopens, "it begins later")
	f = newForecast(t, forecast.Token{Restrictions: restriction.List{{Schedule: &restriction.Schedule{Every: 2}}}}, friday, time.Time{})
	require.False(t, f.Clauses[0].Reopens)
	require.NotNil(t, f.Clauses[0].Never, "nobody knows from which day it counts")
}

// TestSentenceOfASchedule: a sentence has the schedule in words, and does not list each
// night. The list of gaps is short.
func TestSentenceOfASchedule(t *testing.T) {
	list := restriction.List{{Expires: friday.AddDate(1, 0, 0).Unix(), Schedule: nights(), Scopes: []string{"read"}}}
	f := newForecast(t, forecast.Token{Restrictions: list}, friday, time.Time{})
	require.Equal(t, "Clause 0: 261 times from 29 March 2030 21:00 UTC to 29 March 2031 05:00 UTC; Mondays to Fridays from 22:00 to 06:00, Europe/Berlin; scopes read",
		f.Sentence(forecast.Style{}, 0))
	text := f.Describe(forecast.Style{})
	require.Equal(t, 9, strings.Count(text, "Nothing is admitted"), text)
	require.Contains(t, text, "Nothing is admitted 254 times more.\n")

	list[0].Expires = friday.AddDate(0, 0, 1).Unix()
	f = newForecast(t, forecast.Token{Restrictions: list}, friday, time.Time{})
	require.Equal(t, "Clause 0: from 29 March 2030 21:00 UTC to 30 March 2030 05:00 UTC; Mondays to Fridays from 22:00 to 06:00, Europe/Berlin; scopes read",
		f.Sentence(forecast.Style{}, 0))
}

// TestForecastOfManyNights: a schedule that changes too often for one forecast is unknown
// at the end, and never open.
func TestForecastOfManyNights(t *testing.T) {
	list := restriction.List{{Expires: friday.AddDate(20, 0, 0).Unix(), Schedule: nights()}}
	f := newForecast(t, forecast.Token{Restrictions: list}, friday, time.Time{})
	c := f.Clauses[0]
	require.Equal(t, []string{restriction.KeySchedule}, c.CannotTell)
	require.Equal(t, forecast.Unknown, c.At(friday.AddDate(19, 0, 0)))
	require.Contains(t, f.Sentence(forecast.Style{}, 0), "changes too often to forecast all of this period")
}
