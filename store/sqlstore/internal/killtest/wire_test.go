package killtest_test

import (
	"time"

	"github.com/mytoken-go/sdk/store"
)

// place is where a process is killed.
type place string

const (
	atRandom   place = ""                         // wherever it happens to be
	atCall     place = "before the provider call" // the lease is taken
	atAnswer   place = "answer in flight"         // the provider has rotated
	atCommit   place = "before the commit"        // answer and spill are written
	atRotation place = "before the rotation"      // of the mytoken
)

var places = []place{atCall, atAnswer, atCommit, atRotation}

// setup is the first thing that a process reads.
type setup struct {
	Site     site
	Provider string
	Key      string // PEM
	Seal     string
	Spill    string
	Timing   timing
}

// timing is how patient an issuer is.
type timing struct {
	Timeout, Lease, Skew, WaitLimit, InDoubtWait time.Duration
}

// order tells a process what to do.
type order struct {
	N      int // names the use, in the history too
	ID     store.UseID
	Token  string
	Scope  string
	Place  place // where it stops
	Revoke bool  // revoke the token and what is below it
}

// line is one message of a process. The test receives every line that a process wrote
// before it died.
type line struct {
	Kind  kind
	Order int
	// For an answer of the provider: whose it was, and when it was asked for.
	Subject    string
	Generation int
	Asked      time.Time
	// For an order that is done.
	Outcome outcome
	Update  string // replaces the token
	Text    string
}

type kind string

const (
	ready kind = "ready" // the spill is replayed
	stand kind = "stand" // at the place of the order
	got   kind = "got"   // an answer has arrived
	kept  kind = "kept"  // it is in the spill
	stuck kind = "stuck" // the store does not take it
	lost  kind = "lost"  // the provider was asked, and the answer did not arrive
	slow  kind = "slow"  // so slow that others may take the process for dead
	done  kind = "done"
	fatal kind = "fatal"
)

// outcome is how an order ended.
type outcome string

const (
	delivered outcome = "delivered"
	revoked   outcome = "revoked"
	charged   outcome = "charged, nothing delivered"
	doubtful  outcome = "charged or not, nothing delivered"
	exhausted outcome = "exhausted"
	ended     outcome = "ended by the provider"
	busy      outcome = "busy"
	refused   outcome = "refused by the provider"
	dead      outcome = "token revoked"
	outdated  outcome = "token outdated"
	untyped   outcome = "an error without a type"
)
