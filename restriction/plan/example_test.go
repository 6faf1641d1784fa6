package plan_test

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// job is the job of the README. Between its phases the job needs nothing.
var job = plan.Plan{Phases: []plan.Phase{
	{Name: "submit", Latest: 50 * time.Minute, Duration: 10 * time.Minute, Scopes: []string{"compute.submit"}, AccessTokens: 1},
	{Name: "read", Queue: time.Hour, Duration: time.Hour, Scopes: []string{"storage.read"}, AccessTokens: plan.AnyNumber},
	{Name: "store", Earliest: 24 * time.Hour, Latest: 34 * time.Hour, Duration: 2 * time.Hour, Scopes: []string{"storage.write"}, AccessTokens: plan.AnyNumber},
}}

// Which restrictions do I ask for, so that a job can run?
func ExamplePlan_Clauses() {
	start := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	list, err := job.Clauses(start)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, clause := range list {
		text, _ := clause.MarshalJSON()
		fmt.Println(string(text))
	}
	// Output:
	// {"nbf":1898582400,"exp":1898586000,"scope":"compute.submit","usages_AT":1,"usages_other":0}
	// {"nbf":1898582400,"exp":1898589600,"scope":"storage.read","usages_other":0}
	// {"nbf":1898668800,"exp":1898712000,"scope":"storage.write","usages_other":0}
}

// A token that was asked for with the clauses of a plan carries that job. Does it carry the
// same job when the user took a minute to log in?
func ExamplePlan_Preflight_afterLogin() {
	submitted := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	clauses, err := job.Clauses(submitted)
	if err != nil {
		fmt.Println(err)
		return
	}
	token := forecast.Token{Capabilities: capability.Default(), Restrictions: clauses}
	for _, start := range []time.Time{submitted, submitted.Add(time.Minute)} {
		verdict, err := job.Preflight(token, start)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(verdict.Answer, verdict.Break)
	}
	// Output:
	// carries <nil>
	// breaks Phase 0 "submit" may be refused an AT use at 2030-03-01T09:00:01Z because of exp (clause 0 comes closest).
}

// Will my token last as long as the job may take?
func ExamplePlan_Preflight() {
	start := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	token := forecast.Token{
		Capabilities: capability.Default(), Restrictions: restriction.List{{Expires: start.Add(30 * time.Hour).Unix()}},
	}
	verdict, err := job.Preflight(token, start)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verdict)
	// Output:
	// The token does not carry the plan.
	// Phase 2 "store" may be refused an AT use at 2030-03-02T14:00:01Z because of exp (clause 0 comes closest).
	// Ask for: {"nbf":1898582400,"exp":1898586000,"scope":"compute.submit","usages_AT":1,"usages_other":0}
	// Ask for: {"nbf":1898582400,"exp":1898589600,"scope":"storage.read","usages_other":0}
	// Ask for: {"nbf":1898668800,"exp":1898712000,"scope":"storage.write","usages_other":0}
	// Not known: how long the provider keeps the refresh token
	// Not known: whether the token will be revoked
}
