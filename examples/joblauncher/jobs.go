package main

import (
	"time"

	"github.com/mytoken-go/sdk/restriction/plan"
)

// pass is the way in which a job gets its access tokens.
type pass string

const (
	passFile        pass = "file"        // a file with an access token, kept fresh while the job runs
	passEnvironment pass = "environment" // an access token in BEARER_TOKEN, for short steps
	passMytoken     pass = "mytoken"     // the mytoken itself in MYTOKEN
)

// job is what a user submits.
type job struct {
	ID    string
	Pass  pass
	Plan  plan.Plan // what it may do at most
	Steps []step    // what it does
}

// step is one process of a job. The launcher starts it.
type step struct {
	Phase int           // index in the plan
	Start time.Duration // after the submission; earlier steps may delay it
	Do    []string      // see work.go
}

// stageIn reads the input when the job gets a node, at most half an hour after its
// submission.
var stageIn = plan.Phase{
	Name: "stage in", Queue: 30 * time.Minute, Duration: 30 * time.Minute,
	Scopes: []string{scopeRead}, Audiences: []string{storageAudience}, Hosts: []string{"127.0.0.1"}, AccessTokens: 10,
}

// storeOutput writes the results. The computation before it takes four hours and needs no
// token.
func storeOutput(duration time.Duration) plan.Phase {
	return plan.Phase{
		Name: "store output", Earliest: 4 * time.Hour, Latest: 4 * time.Hour, Queue: 3 * time.Hour, Duration: duration,
		Scopes: []string{scopeWrite}, Audiences: []string{storageAudience}, Hosts: []string{"127.0.0.1"}, AccessTokens: 20,
	}
}

// jobs returns what the user submits.
func jobs() []job {
	twoPhases := func(d time.Duration) plan.Plan { return plan.Plan{Phases: []plan.Phase{stageIn, storeOutput(d)}} }
	return []job{
		{ID: "analysis", Pass: passFile, Plan: twoPhases(4 * time.Hour), Steps: []step{
			{Phase: 0, Start: 10 * time.Minute, Do: []string{"read input", "compute 15m"}},
			{Phase: 1, Start: 4*time.Hour + 30*time.Minute, Do: []string{ // longer than an access token lives
				"write part-1", "compute 50m", "write part-2", "compute 50m", "write part-3", "compute 50m", "write part-4",
			}},
		}},
		{ID: "calibration", Pass: passEnvironment, Plan: twoPhases(time.Hour), Steps: []step{
			{Phase: 0, Start: 20 * time.Minute, Do: []string{"read input"}},
			{Phase: 1, Start: 5 * time.Hour, Do: []string{"write constants"}},
		}},
		{ID: "report", Pass: passMytoken, Plan: twoPhases(time.Hour), Steps: []step{
			{Phase: 0, Start: 30 * time.Minute, Do: []string{"read input"}},
			{Phase: 1, Start: 3 * time.Hour, Do: []string{"write summary"}}, // too early
		}},
		{ID: "archive", Pass: passFile, Plan: twoPhases(72 * time.Hour)}, // longer than the user's token lives
	}
}
