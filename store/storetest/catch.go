package storetest

import (
	"slices"
	"testing"
)

// Bug is a typical mistake in a store. Each one looks right. Most stores with a bug pass
// every test that makes one call after the other, because the bug needs a race. Some bugs
// also have a version without a race; their comments name it first.
type Bug string

// The bugs that the suite must find. Not every database can show all of them. A database
// that runs one transaction after the other hides the first three, [BugRevokeByFlagging]
// and [BugRotateWithoutCAS].
const (
	// BugCheckThenIncrement reads a counter, compares it with its limit, and increments
	// it in a second statement.
	BugCheckThenIncrement Bug = "check then increment"
	// BugReadModifyWrite reads a counter and writes the next value.
	BugReadModifyWrite Bug = "read, modify, write"
	// BugSerializableWithoutRetry lets the database refuse conflicting transactions and
	// returns the refusal to the caller.
	BugSerializableWithoutRetry Bug = "serializable without retry"
	// BugRevokeByFlagging revokes recursively by flagging the descendants that it finds.
	BugRevokeByFlagging Bug = "revoke by flagging"
	// BugRotateWithoutCAS stores the next generation without comparing the current one in
	// the same statement.
	BugRotateWithoutCAS Bug = "rotate without compare-and-swap"
	// BugRefundTwice gives back the charges of a use at each call, or at both of two
	// simultaneous calls.
	BugRefundTwice Bug = "refund twice"
	// BugNoLease gives every caller a lease, or every one of several simultaneous
	// callers.
	BugNoLease Bug = "no lease"
	// BugLastWriteWins lets a commit overwrite the refresh token that another lease has
	// stored.
	BugLastWriteWins Bug = "last write wins"
	// BugSpendTwice charges a use again when it is repeated, or for both of two
	// simultaneous calls with one id.
	BugSpendTwice Bug = "spend twice for one id"

	// BugOneRefusal makes a grant dead at the first refusal.
	BugOneRefusal Bug = "one refusal is final"
	// BugSparesGivenUp drops the spares of a grant at the first refusal.
	BugSparesGivenUp Bug = "one refusal drops spares"
	// BugRefusalTwice counts a refusal twice if it is reported twice.
	BugRefusalTwice Bug = "count a refusal twice"
	// BugNoPause gives out leases during the pause of a suspect grant.
	BugNoPause Bug = "no pause"
	// BugSuspicionStays keeps a grant suspect although a refresh token has arrived.
	BugSuspicionStays Bug = "suspicion outlives what was refused"
	// BugLateEndIgnored leaves the doubt of a lease whose holder says that it has nothing.
	BugLateEndIgnored Bug = "late end leaves its doubt"
	// BugNoProcess does not keep which process holds a lease.
	BugNoProcess Bug = "lease outlives its process"
	// BugNoDoubt lets a lease be taken over without a doubt.
	BugNoDoubt Bug = "takeover without doubt"
	// BugSilenceSettles counts the doubts of a process as settled once it is silent.
	BugSilenceSettles Bug = "silence settles doubts"
	// BugDoubtsHidden lists the doubts of a process only once it is settled.
	BugDoubtsHidden Bug = "process does not find its doubts"
	// BugProcessRevived accepts the heartbeat of a settled process.
	BugProcessRevived Bug = "heartbeat revives a settled process"
	// BugProcessForgotten sweeps a process that a doubt names.
	BugProcessForgotten Bug = "sweep forgets the process of a doubt"
	// BugLeaseWithoutCharge takes the lease for a use that it refuses.
	BugLeaseWithoutCharge Bug = "lease without the charge"
	// BugChargeWithoutLease says that a use has the lease, and has not taken it.
	BugChargeWithoutLease Bug = "charge without the lease"
	// BugLeaseInDoubt gives a use the lease without the doubt that an earlier one left.
	BugLeaseInDoubt Bug = "use takes a lease in doubt"
	// BugEndsOthersLease frees the lease of somebody else at a late end.
	BugEndsOthersLease Bug = "end frees another lease"
	// BugRelaxedEndLost does not end a lease whose end is relaxed.
	BugRelaxedEndLost Bug = "relaxed end gets lost"
	// BugCommitDoesNotEnd stores a refresh token and leaves the lease that it should end.
	BugCommitDoesNotEnd Bug = "commit does not end the lease"
	// BugFetchStale returns a ticket to a use whatever its state.
	BugFetchStale Bug = "use returns a ticket that is over"
	// BugStateBefore returns the state that a use has found, or found a while ago.
	BugStateBefore Bug = "use returns an earlier state"
	// BugCommentBefore decides by an earlier look whether a use returns a ticket.
	BugCommentBefore Bug = "event of a use tells of an earlier look"
	// BugAccessOutlivesLogin leaves kept access tokens when a grant is replaced.
	BugAccessOutlivesLogin Bug = "kept access token outlives its login"
	// BugRevokedUnlisted lists only tokens that are live.
	BugRevokedUnlisted Bug = "lists leave out revoked tokens"

	// BugItemsWithoutCAS changes items without comparing the revision.
	BugItemsWithoutCAS Bug = "change items without compare-and-swap"
	// BugItemsTorn reads the items before their revision.
	BugItemsTorn Bug = "items of another revision"
	// BugChangeForgotten refuses the repeat of a change of items as outdated.
	BugChangeForgotten Bug = "repeated change of items is a conflict"
	// BugForeignItemIgnored makes no change and returns no error if another owner has the
	// item.
	BugForeignItemIgnored Bug = "item of another owner is ignored"
	// BugLinksLater makes the links of a change in a second step.
	BugLinksLater Bug = "links come in a second step"
	// BugTicketsLater changes the tickets of a change of items in a second step.
	BugTicketsLater Bug = "tickets come in a second step"
	// BugLinkNeedsToken drops links of tokens that are not stored.
	BugLinkNeedsToken Bug = "link of an unknown token is dropped"
	// BugClearIgnored leaves the links of descendants that a link clears.
	BugClearIgnored Bug = "link clears nothing"
	// BugLinksOutliveItem leaves the links of a deleted item.
	BugLinksOutliveItem Bug = "links outlive their item"
	// BugLinksOutliveToken leaves the links of tokens that are gone.
	BugLinksOutliveToken Bug = "links outlive their token"
	// BugLinksSweptEarly sweeps links of tokens that may still be created.
	BugLinksSweptEarly Bug = "sweep takes links before their tokens come"
	// BugLinksOfDeletedSwept sweeps links that still decide about descendants.
	BugLinksOfDeletedSwept Bug = "sweep takes links that descendants need"
	// BugTokenNotNeeded makes changes of items without the token that they need.
	BugTokenNotNeeded Bug = "change of items does without its token"
	// BugTokenNeededBefore looks for the token that a change of items needs in an earlier step.
	BugTokenNeededBefore Bug = "change of items looks for its token too early"
	// BugItemsOutliveOwner leaves the items of a deleted owner.
	BugItemsOutliveOwner Bug = "items outlive their owner"
	// BugItemsNotWalked leaves items out of the sealed values.
	BugItemsNotWalked Bug = "walk leaves out items"
)

// bugCases lists all bugs, each with the cases that find it.
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
	{BugOneRefusal, []string{"suspect/one refusal is no proof"}},
	{BugSparesGivenUp, []string{"suspect/one refusal is no proof", "grant/shown spares are dropped in the end"}},
	{BugRefusalTwice, []string{"suspect/one refusal is no proof", "suspect/parallel reports of one refusal"}},
	{BugNoPause, []string{"suspect/one refusal is no proof", "suspect/unknown outcomes prolong the pause"}},
	{BugSuspicionStays, []string{"suspect/whatever arrives or works ends it", "suspect/second refusal that races a commit"}},
	{BugLateEndIgnored, []string{"refresh/late end resolves only its doubt"}},
	{BugNoProcess, []string{"node/lease of a silent process is taken over", "node/lease of a settled process is taken over"}},
	{BugNoDoubt, []string{"node/lease of a silent process is taken over", "node/parallel takeovers have one holder"}},
	{BugSilenceSettles, []string{"node/lease of a silent process is taken over"}},
	{BugDoubtsHidden, []string{"node/doubts of a process"}},
	{BugProcessRevived, []string{"node/settled for good", "node/heartbeats that race a settlement"}},
	{BugProcessForgotten, []string{"sweep/processes"}},
	{BugLeaseWithoutCharge, []string{"leased use/that is refused takes no lease"}},
	{BugChargeWithoutLease, []string{"leased use/takes a free lease", "leased use/parallel uses have one holder"}},
	{BugLeaseInDoubt, []string{"leased use/is charged whatever is in the way"}},
	{BugEndsOthersLease, []string{"leased use/relaxed end", "refresh/late end resolves only its doubt"}},
	{BugRelaxedEndLost, []string{"leased use/relaxed end"}},
	{BugCommitDoesNotEnd, []string{"leased use/commit that ends the lease"}},
	{BugFetchStale, []string{"leased use/returns a ticket"}},
	{BugStateBefore, []string{"leased use/returns the state", "leased use/returns the state beside other uses"}},
	{BugCommentBefore, []string{"leased use/says in its event that it returns a ticket"}},
	{BugAccessOutlivesLogin, []string{"grant/kept access tokens end with their login"}},
	{BugRevokedUnlisted, []string{"revoke/revoked tokens stay listed", "sweep/tokens are deleted after retention"}},
	{BugItemsWithoutCAS, []string{"item/change of another revision is refused", "item/parallel changes of one revision have one winner"}},
	{BugItemsTorn, []string{"item/parallel reads see the items of their revision"}},
	{BugChangeForgotten, []string{"item/change repeated", "item/parallel repeats are made once"}},
	{BugForeignItemIgnored, []string{"item/of another owner", "item/parallel owners of one id have one winner"}},
	{BugLinksLater, []string{"item/links, tickets and event are made in the same step"}},
	{BugTicketsLater, []string{"item/links, tickets and event are made in the same step"}},
	{BugLinkNeedsToken, []string{"link/may come before its token"}},
	{BugClearIgnored, []string{"link/clears those of the descendants"}},
	{BugLinksOutliveItem, []string{"link/goes with its item"}},
	{BugLinksOutliveToken, []string{"sweep/links", "sweep/links of a deleted ancestor still bind"}},
	{BugLinksSweptEarly, []string{"sweep/links"}},
	{BugLinksOfDeletedSwept, []string{"sweep/links of a deleted ancestor still bind"}},
	{BugTokenNotNeeded, []string{"item/changes that need a token"}},
	{BugTokenNeededBefore, []string{"item/changes that need a token leave nothing of a deleted owner"}},
	{BugItemsOutliveOwner, []string{"record/delete owner"}},
	{BugItemsNotWalked, []string{"sealed/walk is stable"}},
}

// Bugs returns all bugs.
func Bugs() []Bug {
	var all []Bug
	for _, b := range bugCases {
		all = append(all, b.bug)
	}
	return all
}

// Cases returns the names of the subtests of [Run] that find the bug. It returns nil for
// an unknown bug.
func (b Bug) Cases() []string {
	for _, known := range bugCases {
		if known.bug == b {
			return slices.Clone(known.cases)
		}
	}
	return nil
}

// attempts is how often MustCatch tries, because a race does not happen every time.
const attempts = 50

// MustCatch fails the test unless the suite finds the bug in the harness's store. So it
// tests the suite on your database. Give it a copy of your store into which you have
// built the bug.
//
// MustCatch runs the subtests of [Run] that [Bug.Cases] names until one fails, at most
// fifty times. The store must work otherwise: MustCatch also fails if the store cannot
// even create a token.
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

// sound is a case that every working store passes, even with one of the bugs.
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
