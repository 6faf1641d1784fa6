package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// TestScheduleInTheWay checks that a token with a schedule carries a plan only if the
// schedule admits all of it, and that the verdict names the schedule and the first second
// that it refuses.
func TestScheduleInTheWay(t *testing.T) {
	day := submitted.Truncate(24 * time.Hour)
	at := func(d time.Duration) string { return submitted.Add(d).Format("15:04") }
	job := func(queue time.Duration) plan.Plan {
		return plan.Plan{Phases: []plan.Phase{{Queue: queue, Duration: time.Hour, Scopes: []string{"a"}, AccessTokens: 2}}}
	}
	for name, test := range map[string]struct {
		schedule restriction.Schedule
		queue    time.Duration
		want     plan.Answer
		breaks   time.Duration
	}{
		"all day":             {restriction.Schedule{Days: []int{int(day.Weekday())}}, 0, plan.Carries, 0},
		"long enough":         {restriction.Schedule{From: at(0), To: at(time.Hour + time.Minute)}, 0, plan.Carries, 0},
		"one minute less":     {restriction.Schedule{From: at(0), To: at(time.Hour)}, 0, plan.Breaks, time.Hour},
		"not that queue":      {restriction.Schedule{From: at(0), To: at(time.Hour + time.Minute)}, time.Hour, plan.Breaks, time.Hour + time.Minute},
		"a minute later":      {restriction.Schedule{From: at(time.Minute), To: at(3 * time.Hour)}, 0, plan.Breaks, 0},
		"another day":         {restriction.Schedule{Days: []int{int(day.AddDate(0, 0, 1).Weekday())}}, 0, plan.Breaks, 0},
		"a zone from nowhere": {restriction.Schedule{Timezone: "Mars/Olympus"}, 0, plan.Breaks, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := preflight(t, job(test.queue), forecast.Token{Restrictions: restriction.List{{Schedule: &test.schedule}}})
			require.Equal(t, test.want, v.Answer, v)
			if test.want == plan.Carries {
				return
			}
			assert.Equal(t, submitted.Add(test.breaks), v.Break.At)
			assert.Equal(t, []string{restriction.KeySchedule}, v.Break.Keys)
		})
	}
}

// TestCarriesNeverIgnoresASchedule compares the verdict about random schedules with the
// policy, minute by minute: a token that carries a plan admits each minute of it, and one
// that breaks it refuses some.
func TestCarriesNeverIgnoresASchedule(t *testing.T) {
	carries, breaks := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		clock := func(name string) string {
			return submitted.Add(time.Duration(rapid.IntRange(-30, 200).Draw(t, name)) * time.Minute).Format("15:04")
		}
		token := forecast.Token{}
		for range rapid.IntRange(1, 2).Draw(t, "clauses") {
			token.Restrictions = append(token.Restrictions, restriction.Clause{Schedule: &restriction.Schedule{From: clock("from"), To: clock("to")}})
		}
		p := plan.Plan{Phases: []plan.Phase{{
			Earliest: time.Duration(rapid.IntRange(0, 30).Draw(t, "earliest")) * time.Minute, Latest: 30 * time.Minute,
			Duration: time.Duration(rapid.IntRange(0, 90).Draw(t, "duration")) * time.Minute, Scopes: []string{"a"}, AccessTokens: plan.AnyNumber,
		}}}
		v, err := p.Preflight(token, submitted)
		require.NoError(t, err)
		policy, err := restriction.Compile(token.Restrictions, restriction.Options{})
		require.NoError(t, err)
		all := true
		for at := submitted.Add(p.Phases[0].Earliest); !at.After(submitted.Add(30*time.Minute + p.Phases[0].Duration)); at = at.Add(time.Minute) {
			d := policy.Evaluate(&restriction.Request{Now: at, Kind: restriction.AT, Scopes: []string{"a"}})
			all = all && d.Admitted()
		}
		switch v.Answer {
		case plan.Carries:
			carries++
			require.True(t, all, "%v carries %v", token.Restrictions, p)
		case plan.Breaks:
			breaks++
			require.False(t, all, "%v breaks %v", token.Restrictions, p)
		default:
			t.Fatalf("%v: nothing here is unknown", v)
		}
	})
	if min(carries, breaks) < 50 {
		t.Errorf("%d carries, %d breaks: the test shows little", carries, breaks)
	}
}
