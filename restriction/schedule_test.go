package restriction

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func requestAt(t testing.TB, text string) *Request {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return &Request{Now: at, Kind: AT}
}

func admitsAt(t testing.TB, schedule, at string) bool {
	p := mustCompile(t, mustParse(t, `[{"schedule":`+schedule+`}]`), Options{})
	d := p.Evaluate(requestAt(t, at))
	return d.Admitted()
}

// TestScheduleIsRead has a row for each member, with what is written again.
//
// proves P2
func TestScheduleIsRead(t *testing.T) {
	for text, want := range map[string]string{
		`{"timezone":"Europe/Berlin","days":[5,1],"days_of_month":[-1,1],"from":"22:00","to":"06:00","every":2,"anchor":"2030-01-31"}`: "",
		`{"timezone":"UTC"}`: "", `{"days":[0]}`: "", `{"every":1}`: "", `{"every":-1}`: "", `{"from":"25:00"}`: "", `{"days":[8]}`: "",
		`{"anchor":"x","to":"y"}`:              `{"to":"y","anchor":"x"}`,
		` { "to" : "06:00", "from":"22:00" } `: `{"from":"22:00","to":"06:00"}`,
		`{"days":[1],"timezone":"","days_of_month":null,"every":0,"from":"","anchor":null}`: `{"days":[1]}`,
		`{"d\u0061ys":[1,1]}`: `{"days":[1,1]}`,
	} {
		if want == "" {
			want = text
		}
		list := mustParse(t, `[{"schedule":`+text+`}]`)
		assert.Equal(t, `[{"schedule":`+want+`}]`, mustEncode(t, list))
		assert.Equal(t, list, mustParse(t, mustEncode(t, list)))
		assert.Equal(t, list, list.Clone())
	}
	for _, absent := range []string{`null`, `{}`, `{"days":[]}`, `{"timezone":""}`, `{"every":0}`} {
		_, err := Parse([]byte(`[{"schedule":` + absent + `}]`))
		require.ErrorIs(t, err, ErrEmptyClause, absent)
		assert.Equal(t, List{{Expires: 5}}, mustParse(t, `[{"exp":5,"schedule":`+absent+`}]`))
	}
}

// TestScheduleIsReadStrictly names the member that is wrong.
//
// proves P2
func TestScheduleIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		`[1]`: "need an object", `"x"`: "need an object", `5`: "need an object", `true`: "need an object",
		`{"zone":"UTC"}`:                  "zone: there is no such member",
		`{"Days":[1]}`:                    "Days: there is no such member",
		`{"days":[1],"days":[2]}`:         "a key is given twice",
		`{"days":1}`:                      "days: need an array of integers",
		`{"days":["1"]}`:                  "days: need an integer",
		`{"days":[1.0]}`:                  "days: need an integer",
		`{"days":[null]}`:                 "days: need an array of integers",
		`{"days":[[1]]}`:                  "days: need an integer",
		`{"days_of_month":[99999999999]}`: "days_of_month: 99999999999 is too large",
		`{"from":5}`:                      "from: need a string",
		`{"to":["06:00"]}`:                "to: need a string",
		`{"every":"2"}`:                   "every: need an integer",
		`{"every":1e1}`:                   "every: need an integer",
		`{"every":2147483648}`:            "every: 2147483648 is too large",
		`{"anchor":20300101}`:             "anchor: need a string",
		`{"timezone":{}}`:                 "timezone: need a string",
		"{\"a\\u001b[31m\":1}":            `"a\x1b[31m": there is no such member`,
	} {
		_, err := Parse([]byte(`[{"exp":5},{"schedule":` + text + `}]`))
		var at *ClauseError
		require.ErrorAs(t, err, &at, text)
		require.ErrorIs(t, err, ErrSyntax)
		assert.Equal(t, 1, at.Clause)
		assert.Equal(t, KeySchedule, at.Key)
		assert.Equal(t, want, Reason(err))
	}
	_, err := Parse([]byte(`[{"schedule":{"days":[` + strings.Repeat("1,", MaxEntries) + `1]}}]`))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = Parse([]byte(`[{"schedule":{"timezone":"` + strings.Repeat("x", MaxString) + `x"}}]`))
	require.ErrorIs(t, err, ErrTooLarge)
}

// TestSchedulesThatMakeNoSense: a request with one of these is refused. A token with one of
// them keeps it, and it admits nothing.
//
// proves P2
func TestSchedulesThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		`{"days":[8]}`:                                                "days: 8 is not a day of the week; use 1 (Monday) to 7 (Sunday)",
		`{"days":[1,-1]}`:                                             "days: -1 is not a day of the week; use 1 (Monday) to 7 (Sunday)",
		`{"days_of_month":[0]}`:                                       "days_of_month: 0 is not a day of the month; use 1 to 31, or -1 (the last day) to -31",
		`{"days_of_month":[32]}`:                                      "days_of_month: 32 is not a day of the month; use 1 to 31, or -1 (the last day) to -31",
		`{"days_of_month":[-32]}`:                                     "days_of_month: -32 is not a day of the month; use 1 to 31, or -1 (the last day) to -31",
		`{"from":"22:00"}`:                                            `to: it is missing, and from is "22:00"; state both`,
		`{"to":"06:00"}`:                                              `from: it is missing, and to is "06:00"; state both`,
		`{"from":"25:00","to":"06:00"}`:                               `from: "25:00" is not a time from 00:00 to 23:59`,
		`{"from":"22:00","to":"24:00"}`:                               `to: "24:00" is not a time from 00:00 to 23:59`,
		`{"from":"22:00","to":"06:60"}`:                               `to: "06:60" is not a time from 00:00 to 23:59`,
		`{"from":"8:00","to":"09:00"}`:                                `from: "8:00" is not a time from 00:00 to 23:59`,
		`{"from":"+8:00","to":"09:00"}`:                               `from: "+8:00" is not a time from 00:00 to 23:59`,
		`{"from":"08.00","to":"09:00"}`:                               `from: "08.00" is not a time from 00:00 to 23:59`,
		`{"every":-1}`:                                                "every: -1 is negative",
		`{"every":2,"anchor":"2030-02-29"}`:                           `anchor: "2030-02-29" is not a date such as 2030-01-31`,
		`{"every":2,"anchor":"30-01-31"}`:                             `anchor: "30-01-31" is not a date such as 2030-01-31`,
		`{"days":[1],"anchor":"tomorrow"}`:                            `anchor: "tomorrow" is not a date such as 2030-01-31`,
		`{"timezone":"Mars/Olympus"}`:                                 `timezone: "Mars/Olympus" is not known here; use a name such as Europe/Berlin`,
		`{"timezone":"Europe"}`:                                       `timezone: "Europe" is not known here; use a name such as Europe/Berlin`,
		`{"timezone":"Local"}`:                                        `timezone: "Local" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"localtime"}`:                                    `timezone: "localtime" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"LOCAL"}`:                                        `timezone: "LOCAL" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"posixrules"}`:                                   `timezone: "posixrules" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"right/Europe/Berlin"}`:                          `timezone: "right/Europe/Berlin" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"RIGHT/UTC"}`:                                    `timezone: "RIGHT/UTC" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"posix/Europe/Berlin"}`:                          `timezone: "posix/Europe/Berlin" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"Europe//Berlin"}`:                               `timezone: "Europe//Berlin" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"../etc/passwd"}`:                                `timezone: "../etc/passwd" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"Europe/../UTC"}`:                                `timezone: "Europe/../UTC" is not the name of a time zone, such as Europe/Berlin`,
		`{"timezone":"/etc/localtime"}`:                               `timezone: "/etc/localtime" is not known here; use a name such as Europe/Berlin`,
		`{"timezone":"CET "}`:                                         `timezone: "CET " is not the name of a time zone, such as Europe/Berlin`,
		`{"days":[1],"every":7,"anchor":"2030-01-01"}`:                "no day matches all of days, days_of_month and every",
		`{"days_of_month":[31],"every":146097,"anchor":"2030-01-01"}`: "no day matches all of days, days_of_month and every",
	} {
		data := []byte(`[{"schedule":` + text + `}]`)
		_, err := ParseRequest(data, RequestOptions{Now: epoch})
		require.ErrorIs(t, err, ErrInvalid, text)
		assert.Equal(t, want, Reason(err), text)

		list, err := Parse(data)
		require.NoError(t, err, text)
		p := mustCompile(t, list, Options{})
		d := p.Evaluate(&Request{Now: epoch, Kind: AT})
		require.False(t, d.Admitted(), text)
		e := d.Explanation()
		require.True(t, e.Earliest.IsNever(), text)
		require.ErrorIs(t, e.Clauses[0].Objections[0].Err, ErrInvalid)
		require.Equal(t, KeySchedule, p.Facts()[0].Never.Key)
		require.Equal(t, string(data), mustEncode(t, list))
	}
	require.ErrorIs(t, List{{Schedule: &Schedule{}}}.Validate(), ErrInvalid)
	_, err := List{{Schedule: &Schedule{}}}.AppendJSON(nil)
	require.ErrorIs(t, err, ErrInvalid, "it would read as no restriction")
	_, err = List{{Schedule: &Schedule{Timezone: "\xff"}}}.AppendJSON(nil)
	require.ErrorIs(t, err, ErrInvalid)
	if most := int64(1) << 40; int64(int(most)) == most {
		_, err = List{{Schedule: &Schedule{Every: int(most)}}}.AppendJSON(nil)
		require.ErrorIs(t, err, ErrInvalid, "it could not be read")
	}
}

// TestScheduleBetweenTimes: a clause whose schedule admits nothing between nbf and exp makes
// no sense.
func TestScheduleBetweenTimes(t *testing.T) {
	monday := time.Date(2027, time.January, 18, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		nbf, exp time.Time
		ok       bool
	}{
		{monday, monday.Add(8*time.Hour - time.Second), false},
		{monday, monday.Add(8 * time.Hour), true},
		{monday.Add(9*time.Hour - time.Second), monday.Add(20 * time.Hour), true},
		{monday.Add(9 * time.Hour), monday.Add(24 * time.Hour), false},
		{monday.Add(9 * time.Hour), monday.Add(7*24*time.Hour + 8*time.Hour), true},
	} {
		list := List{{NotBefore: test.nbf.Unix(), Expires: test.exp.Unix(), Schedule: &Schedule{Days: []int{1}, From: "08:00", To: "09:00"}}}
		if test.ok {
			require.NoError(t, list.Validate())
		} else {
			require.ErrorIs(t, list.Validate(), errIdle)
		}
		p := mustCompile(t, list, Options{})
		require.Equal(t, !test.ok, p.Explain(&Request{Now: test.nbf, Kind: AT}).Earliest.IsNever())
	}
}

// TestScheduleAcrossClockChanges has the hours around clock changes: a local time that is
// skipped never occurs, and one that occurs twice is admitted both times.
//
// proves P1
func TestScheduleAcrossClockChanges(t *testing.T) {
	const berlin, howe, havana = `"timezone":"Europe/Berlin"`, `"timezone":"Australia/Lord_Howe"`, `"timezone":"America/Havana"`
	for _, test := range []struct {
		schedule, at string
		want         bool
	}{
		// 28 March 2027, 02:00 CET becomes 03:00 CEST.
		{`{` + berlin + `,"from":"01:30","to":"03:30"}`, "2027-03-28T00:59:59Z", true},
		{`{` + berlin + `,"from":"01:30","to":"03:30"}`, "2027-03-28T01:00:00Z", true},
		{`{` + berlin + `,"from":"01:30","to":"03:30"}`, "2027-03-28T01:30:00Z", false},
		{`{` + berlin + `,"from":"02:00","to":"03:00"}`, "2027-03-28T00:59:59Z", false},
		{`{` + berlin + `,"from":"02:00","to":"03:00"}`, "2027-03-28T01:00:00Z", false},
		// 31 October 2027, 03:00 CEST becomes 02:00 CET.
		{`{` + berlin + `,"from":"02:30","to":"02:45"}`, "2027-10-31T00:30:00Z", true},
		{`{` + berlin + `,"from":"02:30","to":"02:45"}`, "2027-10-31T01:00:00Z", false},
		{`{` + berlin + `,"from":"02:30","to":"02:45"}`, "2027-10-31T01:44:59Z", true},
		{`{` + berlin + `,"from":"02:30","to":"02:45"}`, "2027-10-31T01:45:00Z", false},
		// 4 April 2027, 02:00 becomes 01:30, half an hour earlier.
		{`{` + howe + `,"from":"01:30","to":"01:45"}`, "2027-04-03T14:35:00Z", true},
		{`{` + howe + `,"from":"01:30","to":"01:45"}`, "2027-04-03T14:50:00Z", false},
		{`{` + howe + `,"from":"01:30","to":"01:45"}`, "2027-04-03T15:05:00Z", true},
		// 14 March 2027, 00:00 becomes 01:00: the day begins at 01:00.
		{`{` + havana + `,"days":[7]}`, "2027-03-14T04:59:59Z", false},
		{`{` + havana + `,"days":[7]}`, "2027-03-14T05:00:00Z", true},
		{`{` + havana + `,"days":[6],"from":"23:30","to":"00:30"}`, "2027-03-14T04:59:59Z", true},
		{`{` + havana + `,"days":[6],"from":"23:30","to":"00:30"}`, "2027-03-14T05:00:00Z", false},
	} {
		assert.Equal(t, test.want, admitsAt(t, test.schedule, test.at), "%s at %s", test.schedule, test.at)
	}
}

// TestScheduleEarliest has promises that need the calendar.
//
// proves P10
func TestScheduleEarliest(t *testing.T) {
	for _, test := range []struct{ clause, at, want string }{
		{`"schedule":{"days":[1,2,3,4,5],"from":"22:00","to":"06:00","timezone":"Europe/Berlin"}`, "2027-01-16T06:00:00Z", "2027-01-18T21:00:00Z"},
		{`"schedule":{"timezone":"Europe/Berlin","from":"02:15","to":"02:45"}`, "2027-03-28T00:00:00Z", "2027-03-29T00:15:00Z"},
		{`"schedule":{"timezone":"Europe/Berlin","days":[7],"from":"02:00","to":"02:30"}`, "2027-10-31T00:45:00Z", "2027-10-31T01:00:00Z"}, // again
		{`"schedule":{"timezone":"America/Havana","days":[7]}`, "2027-03-13T12:00:00Z", "2027-03-14T05:00:00Z"},
		{`"schedule":{"days_of_month":[31]}`, "2027-02-01T00:00:00Z", "2027-03-31T00:00:00Z"},
		{`"schedule":{"days_of_month":[-31]}`, "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"},
		{`"schedule":{"days_of_month":[29],"every":365,"anchor":"2024-02-29"}`, "2026-01-01T00:00:00Z", "2149-01-29T00:00:00Z"},
		{`"schedule":{"days":[7],"days_of_month":[1],"every":1000,"anchor":"2027-01-01"}`, "2030-03-30T00:00:00Z", "2385-09-01T00:00:00Z"},
		{`"schedule":{"every":2000000000,"anchor":"2027-01-01"}`, "2027-01-02T00:00:00Z", "never"},
		{`"schedule":{"every":1000000,"anchor":"2027-01-01"}`, "2027-01-02T00:00:00Z", "4764-11-28T00:00:00Z"},
		{`"nbf":1800316800,"schedule":{"days":[2],"from":"10:00","to":"11:00"}`, "2027-01-01T00:00:00Z", "2027-01-19T10:00:00Z"},
		{`"exp":1800309600,"schedule":{"days":[2],"from":"10:00","to":"11:00"}`, "2027-01-16T00:00:00Z", "never"},
		{`"schedule":{"from":"10:00","to":"11:00"}`, "2027-01-16T10:59:59.5Z", "2027-01-16T10:59:59.5Z"},
	} {
		p := mustCompile(t, mustParse(t, `[{`+test.clause+`}]`), Options{})
		assert.Equal(t, test.want, p.Explain(requestAt(t, test.at)).Earliest.String(), test.clause)
	}
}

// TestScheduleMeetsAConditionThatRecurs: a search for an instant at which a schedule and a
// condition admit together ends, although both change again and again.
func TestScheduleMeetsAConditionThatRecurs(t *testing.T) {
	odd := recurring{func(at time.Time) bool { return at.UTC().Hour()%2 == 1 }}
	p := mustCompile(t, List{{Schedule: &Schedule{From: "10:00", To: "11:00"}, Extra: []Extra{{"odd", []byte("1")}}}},
		Options{Conditions: map[string]Factory{"odd": func([]byte) (Condition, error) { return odd, nil }}})
	require.True(t, p.Explain(&Request{Now: epoch, Kind: AT}).Earliest.IsUnknown())
}

// recurring may change at each hour.
type recurring struct{ admits func(time.Time) bool }

func (c recurring) Check(r *Request) error {
	if !c.admits(r.Now) {
		return errNo
	}
	return nil
}
func (c recurring) Within(Condition) bool { return false }
func (c recurring) Next(r *Request) (time.Time, bool) {
	return r.Now.Truncate(time.Hour).Add(time.Hour), true
}

// TestN1_AWindowPastMidnightNeedsTheNextDay: a child's window that reaches into the next
// day admits that day too, so a parent that has the first day alone does not cover it
// (protocol section 10.2, N1).
//
// proves P1
func TestN1_AWindowPastMidnightNeedsTheNextDay(t *testing.T) {
	const child = `[{"schedule":{"days":[1],"from":"22:00","to":"06:00"}}]`
	for parent, want := range map[string]bool{
		`[{"schedule":{"days":[1]}}]`: false, `[{"schedule":{"days":[2]}}]`: false,
		`[{"schedule":{"days":[1,2]}}]`: true, `[{"schedule":{"days":[0,1,2]}}]`: true, `[{"schedule":{"timezone":"UTC"}}]`: true,
		`[{"schedule":{"days":[1],"every":2,"anchor":"2027-01-04"}}]`: false,
		`[{"schedule":{"from":"00:00","to":"23:59"}}]`:                false,
	} {
		assert.Equal(t, want, Within(mustParse(t, child), mustParse(t, parent), nil), parent)
		n := Narrow(mustParse(t, parent), mustParse(t, child), NarrowOptions{})
		assert.Equal(t, want, n.OK(), parent)
		if !want {
			assert.Equal(t, []string{KeySchedule}, n.Dropped[0].Keys)
		}
	}
	err := func() error {
		n := Narrow(mustParse(t, `[{"schedule":{"days":[1]}}]`), mustParse(t, child), NarrowOptions{})
		return n.Err()
	}()
	require.EqualError(t, err, "restriction: clause 0: schedule: the parent allows Mondays, UTC, not Mondays from 22:00 to 06:00, UTC; ask for no more, or leave the key out")
}

// TestScheduleWithin has rows that the calendar decides.
//
// proves P1
func TestScheduleWithin(t *testing.T) {
	for _, test := range []struct {
		child, parent string
		want          bool
	}{
		{`{"timezone":"UTC","days":[1]}`, `{"days":[1]}`, true}, // the same zone
		{`{"timezone":"Europe/Berlin","days":[1]}`, `{"days":[1]}`, false},
		{`{"timezone":"Europe/Berlin","days":[1]}`, `{"timezone":"UTC"}`, true}, // the parent admits always
		{`{"days":[1,2,3,4,5,6,7]}`, `{"timezone":"UTC"}`, true},
		{`{"timezone":"UTC"}`, `{"days":[0,1,2,3,4,5,6]}`, true},
		{`{"from":"01:00","to":"05:00","days":[2]}`, `{"from":"22:00","to":"06:00","days":[1]}`, true},
		{`{"from":"01:00","to":"05:00","days":[1]}`, `{"from":"22:00","to":"06:00","days":[1]}`, false},
		{`{"from":"23:00","to":"05:00"}`, `{"from":"22:00","to":"06:00"}`, true},
		{`{"from":"23:00","to":"07:00"}`, `{"from":"22:00","to":"06:00"}`, false},
		{`{"days_of_month":[31]}`, `{"days_of_month":[30,31]}`, true},
		{`{"days_of_month":[31]}`, `{"days_of_month":[-1]}`, false}, // not proved
		{`{"days_of_month":[31]}`, `{"days":[1,2,3,4,5,6]}`, false},
		{`{"days_of_month":[31],"from":"22:00","to":"06:00"}`, `{"days_of_month":[31]}`, false}, // N1
		{`{"days":[1]}`, `{"days":[1],"days_of_month":[1]}`, false},
		{`{"every":4,"anchor":"2027-01-03"}`, `{"every":2,"anchor":"2027-01-01"}`, true},
		{`{"every":4,"anchor":"2027-01-02"}`, `{"every":2,"anchor":"2027-01-01"}`, false},
		{`{"every":3,"anchor":"2027-01-01"}`, `{"every":2,"anchor":"2027-01-01"}`, false},
		{`{"every":2,"anchor":"2027-01-01","from":"22:00","to":"06:00"}`, `{"every":2,"anchor":"2027-01-01"}`, false}, // N1
		{`{"every":2,"anchor":"2027-01-02","from":"01:00","to":"06:00"}`, `{"every":2,"anchor":"2027-01-01","from":"22:00","to":"06:00"}`, true},
		{`{"every":2}`, `{"every":2,"anchor":"2027-01-01"}`, false}, // it counts from a day that is not known
		{`{"every":4,"anchor":"2027-01-01"}`, `{"every":2}`, false},
		{`{"days":[8]}`, `{"days":[8]}`, true}, {`{"days":[8]}`, `{"days":[1]}`, false}, {`{"days":[1]}`, `{"days":[1,8]}`, false},
		{`{"timezone":"Mars/Olympus","days":[1]}`, `{"timezone":"Mars/Olympus","days":[1,2]}`, true}, // wherever the zone is known
		{`{"timezone":"Mars/Olympus","days":[1]}`, `{"timezone":"Mars/Olympus","days":[2]}`, false},
	} {
		child, parent := mustParse(t, `[{"schedule":`+test.child+`}]`), mustParse(t, `[{"schedule":`+test.parent+`}]`)
		assert.Equal(t, test.want, Within(child, parent, nil), "%s within %s", test.child, test.parent)
	}
	with, without := mustParse(t, `[{"exp":5,"schedule":{"days":[1]}}]`), mustParse(t, `[{"exp":5}]`)
	assert.True(t, Within(with, without, nil))
	assert.False(t, Within(without, with, nil))
	for _, parent := range []string{`{"days":[8]}`, `{"timezone":"Mars/Olympus"}`, `{"every":2}`} {
		assert.False(t, Within(without, mustParse(t, `[{"exp":5,"schedule":`+parent+`}]`), nil), parent)
	}
}

// TestScheduleIntersects gives a child what both schedules admit, as one clause for each
// clause of the parent.
func TestScheduleIntersects(t *testing.T) {
	parent := mustParse(t, `[{"scope":"a b","schedule":{"days":[1,2,3,4,5]}},{"scope":"a","schedule":{"from":"22:00","to":"06:00"}}]`)
	n, err := Intersect(parent, mustParse(t, `[{"scope":"a","schedule":{"days":[5],"from":"08:00","to":"23:00"}}]`), epoch, NarrowOptions{})
	require.NoError(t, err)
	require.Equal(t, `[{"scope":"a","schedule":{"days":[5],"from":"08:00","to":"23:00"}}]`, mustEncode(t, n.List), "the first clause has it all")

	n, err = Intersect(parent, mustParse(t, `[{"scope":"a"}]`), epoch, NarrowOptions{})
	require.NoError(t, err)
	require.Equal(t, `[{"scope":"a","schedule":{"days":[1,2,3,4,5]}},{"scope":"a","schedule":{"from":"22:00","to":"06:00"}}]`, mustEncode(t, n.List))

	_, err = Intersect(parent[:1], mustParse(t, `[{"schedule":{"days":[1,6]}}]`), epoch, NarrowOptions{})
	require.ErrorContains(t, err, "schedule: the parent allows Mondays to Fridays, UTC, not Mondays and Saturdays, UTC")

	saturday := time.Date(2027, time.January, 16, 0, 0, 0, 0, time.UTC)
	_, err = Intersect(parent[:1], mustParse(t, fmt.Sprintf(`[{"nbf":%d,"exp":%d}]`, saturday.Unix(), saturday.Unix()+3600)), epoch, NarrowOptions{})
	require.ErrorContains(t, err, "exp: the parent allows Mondays to Fridays, UTC alone")
}

// TestScheduleNormalFormOfRequests: a request gets the normal form, with the day of the
// request in the zone of the schedule as its anchor.
func TestScheduleNormalFormOfRequests(t *testing.T) {
	for text, want := range map[string]string{
		`{"days":[5,0,1,1,7]}`:                        `{"timezone":"UTC","days":[1,5,7]}`,
		`{"days_of_month":[-1,31,1,-2,1]}`:            `{"timezone":"UTC","days_of_month":[-2,-1,1,31]}`,
		`{"every":1,"from":"22:00","to":"06:00"}`:     `{"timezone":"UTC","from":"22:00","to":"06:00"}`,
		`{"every":2}`:                                 `{"timezone":"UTC","every":2,"anchor":"2027-01-15"}`,
		`{"every":2,"timezone":"Pacific/Kiritimati"}`: `{"timezone":"Pacific/Kiritimati","every":2,"anchor":"2027-01-15"}`,
		`{"every":2,"timezone":"Pacific/Honolulu"}`:   `{"timezone":"Pacific/Honolulu","every":2,"anchor":"2027-01-14"}`,
		`{"every":2,"anchor":"2020-02-29"}`:           `{"timezone":"UTC","every":2,"anchor":"2020-02-29"}`,
	} {
		list, err := ParseRequest([]byte(`[{"schedule":`+text+`}]`), RequestOptions{Now: epoch})
		require.NoError(t, err)
		require.Equal(t, `[{"schedule":`+want+`}]`, mustEncode(t, list))
	}
	list, err := ParseRequest([]byte(`[{"schedule":{"every":2}}]`), RequestOptions{})
	require.NoError(t, err, "somebody else fills in the anchor")
	require.Equal(t, `[{"schedule":{"timezone":"UTC","every":2}}]`, mustEncode(t, list))
	require.True(t, mustCompile(t, list, Options{}).Explain(&Request{Now: epoch, Kind: AT}).Earliest.IsNever())
}

// TestScheduleInWords describes schedules for people.
func TestScheduleInWords(t *testing.T) {
	for text, want := range map[string]string{
		`{"timezone":"Europe/Berlin","days":[1,2,3,4,5],"from":"22:00","to":"06:00"}`: "Mondays to Fridays from 22:00 to 06:00, Europe/Berlin",
		`{"days":[0,6]}`: "Saturdays and Sundays, UTC",
		`{"days":[1,2,4,5,6],"from":"08:00","to":"17:30"}`: "Mondays, Tuesdays and Thursdays to Saturdays from 08:00 to 17:30, UTC",
		`{"days":[1,2,3,4,5,6,7]}`:                         "every day, UTC", `{"timezone":"UTC"}`: "every day, UTC",
		`{"from":"08:00","to":"17:30"}`:                                 "every day from 08:00 to 17:30, UTC",
		`{"from":"08:00","to":"08:00"}`:                                 "every day, UTC",
		`{"days_of_month":[1,15,-1,-2]}`:                                "on day 1 and 15, the last day and day 2 from the end of the month, UTC",
		`{"days_of_month":[-1],"from":"08:00","to":"09:00"}`:            "on the last day of the month, from 08:00 to 09:00, UTC",
		`{"every":2,"anchor":"2027-01-15","from":"08:00","to":"09:00"}`: "every 2 days from 2027-01-15, from 08:00 to 09:00, UTC",
		`{"every":2}`:                          "every 2 days, UTC",
		`{"days":[9],"timezone":"\u001b[31m"}`: `day 9, "\x1b[31m"`,
	} {
		assert.Equal(t, want, mustParse(t, `[{"schedule":`+text+`}]`)[0].Schedule.String())
	}
	assert.Less(t, len((&Schedule{Timezone: strings.Repeat("x", 9000), Days: make([]int, 5000), From: strings.Repeat("y", 9000)}).String()), 1000)
}

// TestHolderKeepsSchedules: the holder of a token judges its schedules, unless the system
// does not know the zone.
func TestHolderKeepsSchedules(t *testing.T) {
	view := mustParse(t, `[{"schedule":{"days":[1]}},{"schedule":{"timezone":"Mars/Olympus"}}]`).HolderView()
	require.Equal(t, `[{"schedule":{"days":[1]}},{"nbf":1}]`, mustEncode(t, view))
}

// TestPhaseWithSchedule builds a clause with a schedule, which it copies.
func TestPhaseWithSchedule(t *testing.T) {
	s := Schedule{Days: []int{5}}
	list, err := Phases(epoch, First(time.Hour).Schedule(s))
	require.NoError(t, err)
	s.Days[0] = 9
	require.Equal(t, []int{5}, list[0].Schedule.Days)
	_, err = Phases(epoch, First(time.Hour).Schedule(s))
	require.ErrorIs(t, err, ErrInvalid)
	_, err = Phases(epoch, First(time.Hour).Schedule(Schedule{Days: []int{6}}))
	require.ErrorIs(t, err, ErrInvalid, "epoch is a Friday")
}

// TestScheduleDoesNotAllocate: a request costs no memory.
func TestScheduleDoesNotAllocate(t *testing.T) {
	p := mustCompile(t, mustParse(t, `[{"schedule":{"timezone":"Europe/Berlin","days":[1,5],"days_of_month":[15,-1],"from":"08:00","to":"12:00"}}]`), Options{})
	r := Request{Now: epoch, Kind: AT}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if d := p.Evaluate(&r); !d.Admitted() {
			t.Fatal(p.Explain(&r))
		}
	}))
}

// TestUntil: a clause lasts until its exp, or until the present window of its schedule ends.
func TestUntil(t *testing.T) {
	at := requestAt(t, "2027-10-31T00:45:00Z").Now // a Sunday, 02:45 in Berlin for the first time
	until := func(text string) int64 {
		when, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return when.Unix() - 1
	}
	for clause, want := range map[string]int64{
		`"scope":"a"`: 0, `"exp":1900000000`: 1_900_000_000, `"schedule":{"timezone":"Europe/Berlin"}`: 0,
		`"schedule":{"from":"00:00","to":"03:00"}`:                            until("2027-10-31T03:00:00Z"),
		`"exp":1824945400,"schedule":{"from":"00:00","to":"03:00"}`:           1_824_945_400,
		`"schedule":{"days":[6,7]}`:                                           until("2027-11-01T00:00:00Z"),
		`"schedule":{"timezone":"Europe/Berlin","from":"02:30","to":"03:00"}`: until("2027-10-31T01:00:00Z"),
		`"schedule":{"timezone":"Europe/Berlin","from":"02:00","to":"03:00"}`: until("2027-10-31T02:00:00Z"),
		`"exp":1900000000,"schedule":{"days":[1]}`:                            at.Unix() - 1,
		`"schedule":{"timezone":"Mars/Olympus"}`:                              at.Unix() - 1,
	} {
		assert.Equal(t, want, mustParse(t, `[{`+clause+`}]`)[0].Until(at), clause)
	}
}
