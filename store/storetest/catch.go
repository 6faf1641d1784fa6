package storetest

import (
	"slices"
	"testing"
)

// Bug is a way to write a store wrong. Each bug looks right. Most pass every test that
// makes one call after the other; the comment of a bug says so where it does not need a
// race.
type Bug string

// The bugs that the suite must find. Some databases cannot show all of them. A database
// that runs one transaction after the other hides the first three, [BugRevokeByFlagging]
// and [BugRotateWithoutCAS].
const (
	// BugCheckThenIncrement reads a counter, compares it with its limit, and increments
	// it in a second statement.
	BugCheckThenIncrement Bug = "check then increment"
	// BugReadModifyWrite reads a counter and writes the next value.
	BugReadModifyWrite Bug = "read, modify, write"
	// BugSerializableWithoutRetry lets the database refuse conflicting transactions and
	// hands the refusal to the caller.
	BugSerializableWithoutRetry Bug = "serializable without retry"
	// BugRevokeByFlagging revokes recursively by flagging the descendants that it finds.
	BugRevokeByFlagging Bug = "revoke by flagging"
	// BugRotateWithoutCAS stores the next generation without comparing the current one in
	// the same statement.
	BugRotateWithoutCAS Bug = "rotate without compare-and-swap"
	// BugRefundTwice gives back the charges of a use at each call, or whenever two calls
	// come at once.
	BugRefundTwice Bug = "refund twice"
	// BugNoLease gives every caller a lease, or every one of those that come at once.
	BugNoLease Bug = "no lease"
	// BugLastWriteWins lets a commit overwrite the refresh token that another lease has
	// stored.
	BugLastWriteWins Bug = "last write wins"
	// BugSpendTwice charges a use again when it is repeated, or whenever two calls with
	// one id come at once.
	BugSpendTwice Bug = "spend twice for one id"
)

// bugCases are all bugs, each with the cases that find it.
var bugCases = []struct {
	bug   Bug
	cases []string
}{
	{BugCheckThenIncrement, []string{"spend/parallel uses stop at the limit", "budget/parallel uses of siblings stop at the parent's limit"}},
	{BugReadModifyWrite, []string{"spend/parallel uses are all counted", "spend/parallel uses stop at the limit"}},
	{BugSerializableWithoutRetry, []string{"spend/parallel uses are all counted", "refund/churn never exceeds the limit"}},
	{BugRevokeByFlagging, []string{"revoke/leaves no survivor of a race"}},
	{BugRotateWithoutCAS, []string{"rotate/parallel rotations have one successor", "rotate/parallel rotations without grace have one winner"}},
	{BugRefundTwice, []string{"refund/gives back everything once", "refund/parallel refunds give back once"}},
	{BugNoLease, []string{"refresh/lease keeps others out", "refresh/parallel leases have one holder"}},
	{BugLastWriteWins, []string{"grant/overtaken commit becomes a spare", "grant/parallel commits lose no token"}},
	{BugSpendTwice, []string{"spend/repeated use is charged once", "spend/parallel repeats are charged once"}},
}

// Bugs returns all bugs.
func Bugs() []Bug {
	var all []Bug
	for _, b := range bugCases {
		all = append(all, b.bug)
	}
	return all
}

// Cases returns the names of the subtests of [Run] that find the bug.
func (b Bug) Cases() []string {
	for _, known := range bugCases {
		if known.bug == b {
			return slices.Clone(known.cases)
		}
	}
	return nil
}

// attempts is how often MustCatch tries. A race does not show up every time.
const attempts = 50

// MustCatch fails the test unless the suite finds the bug in the harness's store. It
// tests the suite on every backend that can show the bug. The store to give it is a copy
// of the good one with that bug built in.
//
// MustCatch runs the subtests of [Run] that [Bug.Cases] names until one fails, fifty
// times at most. The store must be sound otherwise: MustCatch also fails if the store
// cannot even create a token.
func MustCatch(t testing.TB, bug Bug, h Harness) {
	t.Helper()
	names := bug.Cases()
	if len(names) == 0 {
		t.Fatalf("storetest: unknown bug %q", bug)
	}
	b := h.open(t)
	if _, failed := try(t, h, b, sound); failed {
		t.Fatalf("storetest: the store with the bug %q fails %q as well, so nothing is proven", bug, sound)
	}
	for range attempts {
		for _, name := range names {
			if failures, failed := try(t, h, b, name); failed {
				t.Logf("%q finds %q: %s", name, bug, slices.Concat(failures, []string{"(no message)"})[0])
				return
			}
		}
		b = h.open(t)
	}
	t.Errorf("storetest: the bug %q was not found by any of %q in %d attempts", bug, names, attempts)
}

// sound is a case that every working store passes, whatever bug it has.
const sound = "create/root is stored with its grant"

// try runs one case of the suite.
func try(t testing.TB, h Harness, b Backend, name string) (failures []string, failed bool) {
	t.Helper()
	i := slices.IndexFunc(suite, func(c testCase) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("storetest: there is no case %q", name)
	}
	return record(t, t.Name()+"/"+name, func(t testing.TB) { suite[i].run(newEnv(t, h, b)) })
}
