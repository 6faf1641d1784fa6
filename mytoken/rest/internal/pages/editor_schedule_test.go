package pages

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// TestScheduleInTheEditor: the editor reads schedules in the words of the pages, and in
// shorter ones.
func TestScheduleInTheEditor(t *testing.T) {
	weekdays := []int{1, 2, 3, 4, 5}
	for text, want := range map[string]restriction.Schedule{
		"Mondays to Fridays from 22:00 to 06:00, Europe/Berlin": {Timezone: "Europe/Berlin", Days: weekdays, From: "22:00", To: "06:00"},
		"mon-fri 22:00-06:00 Europe/Berlin":                     {Timezone: "Europe/Berlin", Days: weekdays, From: "22:00", To: "06:00"},
		"Mon – Fri":                                             {Timezone: "UTC", Days: weekdays},
		"Saturday, Sunday":                                      {Timezone: "UTC", Days: []int{6, 7}},
		"Sat-Mon":                                               {Timezone: "UTC", Days: []int{1, 6, 7}},
		"every day from 08:00 to 17:30":                         {Timezone: "UTC", From: "08:00", To: "17:30"},
		"every 2 days from 2030-01-31, from 08:00 to 09:00":     {Timezone: "UTC", Every: 2, Anchor: "2030-01-31", From: "08:00", To: "09:00"},
		"every 3 days, Asia/Tokyo":                              {Timezone: "Asia/Tokyo", Every: 3},
		"on day 1 and 15, the last day and day 2 from the end of the month, UTC": {Timezone: "UTC", DaysOfMonth: []int{-2, -1, 1, 15}},
	} {
		c, mistakes := draft{texts: map[string]string{restriction.KeySchedule: text}}.read(nil)
		require.Empty(t, mistakes, text)
		assert.Equal(t, &want, c.Schedule, text)
	}
	for text, want := range map[string]string{
		"Mondays sometimes, Europe/Berlin": "'sometimes' is not understood; write something like Mondays to Fridays from 22:00 to 06:00, Europe/Berlin",
		"Mondays to Europe/Berlin":         "'Mondays' is not understood; write something like Mondays to Fridays from 22:00 to 06:00, Europe/Berlin",
		"from 08:00":                       "'from' is not understood; write something like Mondays to Fridays from 22:00 to 06:00, Europe/Berlin",
		"every 3 Mondays":                  "'every' is not understood; write something like Mondays to Fridays from 22:00 to 06:00, Europe/Berlin",
		"every 2 day, UTC":                 "'every' is not understood; write something like Mondays to Fridays from 22:00 to 06:00, Europe/Berlin",
		"every 2 days, every 3 days":       "'every' is not understood; write something like Mondays to Fridays from 22:00 to 06:00, Europe/Berlin",
		"from 08:00 to 25:00":              `to: "25:00" is not a time from 00:00 to 23:59`,
		"on day 32":                        "days_of_month: 32 is not a day of the month; use 1 to 31, or -1 (the last day) to -31",
		"Mondays, Mars/Olympus":            `timezone: "Mars/Olympus" is not known here; use a name such as Europe/Berlin`,
		"Mondayz":                          `timezone: "Mondayz" is not known here; use a name such as Europe/Berlin`,
	} {
		_, mistakes := draft{texts: map[string]string{restriction.KeySchedule: text}}.read(nil)
		assert.Equal(t, []mistake{{restriction.KeySchedule, want}}, mistakes, text)
	}
}

// TestTheEditorKeepsSchedules: what a field shows reads as the same schedule.
func TestTheEditorKeepsSchedules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := restriction.Schedule{Timezone: rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Etc/GMT+12", "America/Port-au-Prince"}).Draw(t, "zone")}
		s.Days = rapid.SliceOfN(rapid.IntRange(0, 7), 0, 4).Draw(t, "days")
		s.DaysOfMonth = rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 15, 31, -1, -2, -31}), 0, 4).Draw(t, "days of month")
		if rapid.Bool().Draw(t, "every?") {
			s.Every, s.Anchor = rapid.IntRange(2, 99).Draw(t, "every"), "2030-01-31"
		}
		if rapid.Bool().Draw(t, "window?") {
			s.From, s.To = "22:00", rapid.SampledFrom([]string{"06:00", "23:59"}).Draw(t, "to")
		}
		list := restriction.List{{Schedule: &s}}.Normalize(time.Time{})
		if list.Validate() == nil && len(list[0].Schedule.Days) < 7 && !editable(list) {
			t.Fatalf("%+v shows as %s", list[0].Schedule, list[0].Schedule)
		}
	})
}

// TestScheduleOnThePages: a page says at which times a token works. It does not say that
// one without an end has one, or that it never works.
func TestScheduleOnThePages(t *testing.T) {
	p, service := newPages(t, mytokentest.Options{})
	nights := &restriction.Schedule{Timezone: "Europe/Berlin", Days: []int{1, 2, 3, 4, 5}, From: "22:00", To: "06:00"}
	lasts := &restriction.Schedule{DaysOfMonth: []int{-1}}
	exp := service.Clock.Now().AddDate(0, 0, 3).Unix() // 1 March 2030 is a Friday
	for _, test := range []struct {
		list restriction.List
		want string
	}{
		{restriction.List{{Schedule: nights}}, "! Without an end, as long as your login lasts. Not before 2030-03-01T21:00:00Z. Only at these times: Mondays to Fridays from 22:00 to 06:00, Europe/Berlin"},
		{restriction.List{{Schedule: lasts}}, "! Without an end, as long as your login lasts. Not before 2030-03-31T00:00:00Z. Only at these times: on the last day of the month, UTC"},
		{restriction.List{{Schedule: nights}, {Schedule: lasts}}, "! Without an end, as long as your login lasts. Not before 2030-03-01T21:00:00Z. Only at certain times, see below"},
		{restriction.List{{Schedule: nights, Expires: exp}}, "Until 2030-03-02T04:59:59Z. Not before 2030-03-01T21:00:00Z. Only at these times: Mondays to Fridays from 22:00 to 06:00, Europe/Berlin"},
		{restriction.List{{Schedule: lasts, Expires: exp}}, "At no time from now on"},
		{restriction.List{{Expires: exp}, {Schedule: nights, Expires: exp}}, "Until 2030-03-04T08:00:00Z at the latest (3 days). In some cases only at certain times, see below"},
	} {
		facts := texts(p.summary(subject{Properties: mytoken.Properties{Restrictions: test.list}}))
		assert.Equal(t, test.want, facts["When"], test.list)
	}
	lines := clauseLines(&restriction.Clause{Schedule: nights}, nil)
	require.Len(t, lines, 1)
	require.Equal(t, "Only at these times: Mondays to Fridays from 22:00 to 06:00, Europe/Berlin", lines[0].text())
	require.NotEmpty(t, p.timeline(restriction.List{{Schedule: nights}}, nil))
}
