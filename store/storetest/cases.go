package storetest

// testCase is one named part of the suite.
type testCase struct {
	name  string
	run   func(*env)
	store which
}

// which is the store that a case uses.
type which int

const (
	shared which = iota // one store for all such cases
	alone               // a new one
)

// suite lists all cases, in the order in which [Run] runs them.
var suite = []testCase{
	{"create/root is stored with its grant", rootIsStored, shared},
	{"create/root repeated changes nothing", rootRepeated, shared},
	{"create/root under taken ids is refused", rootTaken, shared},
	{"create/root with bad arguments is refused", rootArguments, shared},
	{"create/root consumes one login state once", rootState, shared},
	{"create/parallel repeats of a root make one", rootParallel, shared},

	{"child/is stored and charged in one step", childIsStored, shared},
	{"child/repeated changes nothing", childRepeated, shared},
	{"child/that is refused charges nothing", childRefused, shared},
	{"child/with bad arguments is refused", childArguments, shared},
	{"child/may be as deep as allowed", childDepth, shared},
	{"child/parallel repeats make one", childParallel, shared},
	{"child/parallel children of one id leave one", childSameID, shared},

	{"value/identity is binary", binaryIdentity, shared},
	{"value/slices are not shared", slicesNotShared, shared},
	{"value/values are kept as they are", valuesKept, shared},

	{"presented/unknown token", presentedUnknown, shared},
	{"presented/forged token", presentedForged, shared},
	{"presented/revoked token", presentedRevoked, shared},
	{"presented/outdated token within its grace", presentedInGrace, shared},
	{"presented/outdated token after its grace", presentedAfterGrace, shared},
	{"presented/outdated token after its successor was seen", presentedAfterConfirmation, shared},
	{"presented/outdated token after its successor was seen in a repeat", presentedAgain, shared},
	{"presented/outdated token without grace", presentedWithoutGrace, shared},
	{"presented/outdated token forged", presentedOutdatedForged, shared},
	{"presented/revocation comes before staleness", presentedRevokedOutdated, shared},
	{"presented/comes before anything else in the way", presentedFirst, shared},
	{"presented/failed step confirms nothing", presentedFailed, shared},
	{"presented/lookup spends and writes nothing", lookupWritesNothing, shared},

	{"spend/limit is reached exactly", spendToTheLimit, shared},
	{"spend/zero limit admits nothing", spendZero, shared},
	{"spend/unlimited counter counts", spendUnlimited, shared},
	{"spend/kinds have counters of their own", spendKinds, shared},
	{"spend/uncounted use spends nothing", spendUncounted, shared},
	{"spend/token without clauses", spendNoClauses, shared},
	{"spend/first candidate with budget left", spendCandidates, shared},
	{"spend/exhaustion names every counter", spendExhausted, shared},
	{"spend/failed use changes nothing", spendFailed, shared},
	{"spend/bad arguments are refused", spendArguments, shared},
	{"spend/repeated use is charged once", spendRepeated, shared},
	{"spend/use of another token is refused", spendOtherToken, shared},
	{"spend/event and tickets are made in the same step", spendSideEffects, shared},
	{"spend/last use is noted", spendLastUsed, shared},
	{"spend/parallel uses stop at the limit", spendParallel, shared},
	{"spend/parallel uses are all counted", spendParallelUnlimited, shared},
	{"spend/parallel repeats are charged once", spendParallelRepeats, shared},

	{"budget/use of a child counts against its ancestors", budgetChain, shared},
	{"budget/siblings share the parent's budget", budgetSiblings, shared},
	{"budget/clause that draws on none is independent", budgetIndependent, shared},
	{"budget/unlimited ancestor is passed over", budgetUnlimitedAncestor, shared},
	{"budget/charges are made all or none", budgetAllOrNone, shared},
	{"budget/left is the least of the chain", budgetLeft, shared},
	{"budget/revoked ancestor's budget still binds", budgetOfRevoked, shared},
	{"budget/parallel uses of siblings stop at the parent's limit", budgetParallelSiblings, shared},
	{"budget/parallel uses take rows in one order", budgetLockOrder, shared},

	{"refund/gives back everything once", refundOnce, shared},
	{"refund/before the use calls it off", refundBefore, shared},
	{"refund/keeps the child and the tickets", refundKeeps, shared},
	{"refund/after revocation", refundRevoked, shared},
	{"refund/without id is refused", refundArguments, shared},
	{"refund/parallel refunds give back once", refundParallel, shared},
	{"refund/racing the use leaves no charge", refundRace, shared},
	{"refund/churn never exceeds the limit", refundChurn, shared},

	{"rotate/replaces the generation", rotateReplaces, shared},
	{"rotate/repeated returns the stored successor", rotateRepeated, shared},
	{"rotate/repeated without grace", rotateRepeatedWithoutGrace, shared},
	{"rotate/after the grace is stale", rotateLate, shared},
	{"rotate/several times within one grace", rotateSeveral, shared},
	{"rotate/changes tickets in the same step", rotateTickets, shared},
	{"rotate/bad arguments are refused", rotateArguments, shared},
	{"rotate/parallel rotations have one successor", rotateParallel, shared},
	{"rotate/parallel rotations without grace have one winner", rotateParallelStrict, shared},
	{"rotate/uses that race it are answered", rotateRacingUses, shared},

	{"revoke/recursive ends the subtree", revokeRecursive, shared},
	{"revoke/alone spares the children", revokeAlone, shared},
	{"revoke/is raised and never lowered", revokeRaised, shared},
	{"revoke/again is a success", revokeAgain, shared},
	{"revoke/unknown token and bad arguments", revokeUnknown, shared},
	{"revoke/erases short tokens and codes", revokeTickets, shared},
	{"revoke/tells whether a live token is left", revokeLiveLeft, shared},
	{"revoke/finds the one live token among many", revokeLiveLeftOfMany, shared},
	{"revoke/returns what the provider needs", revokeRefresh, shared},
	{"revoke/leaves no survivor of a race", revokeRace, shared},
	{"revoke/ends uses that race it", revokeRacingUses, shared},
	{"revoke/of the last tokens at once tells so", revokeLastAtOnce, shared},

	{"refresh/unknown grant", refreshUnknown, shared},
	{"refresh/bad arguments are refused", refreshArguments, shared},
	{"refresh/lease keeps others out", refreshLease, shared},
	{"refresh/holder prolongs its lease", refreshProlong, shared},
	{"refresh/commit moves the grant on", refreshCommit, shared},
	{"refresh/lapsed lease leaves a doubt", refreshDoubt, shared},
	{"refresh/late commit resolves the doubt", refreshLateCommit, shared},
	{"refresh/late end does not touch the next lease", refreshLateEnd, shared},
	{"refresh/parallel leases have one holder", refreshParallel, shared},

	{"grant/overtaken commit becomes a spare", refreshSpare, shared},
	{"grant/shown spares are dropped in the end", refreshSparesDropped, shared},
	{"grant/refusal kills the grant", refreshDead, shared},
	{"grant/refusal of an old generation does not", refreshRefusedLate, shared},
	{"grant/spare revives a dead grant", refreshRevived, shared},
	{"grant/revoked tokens do not stop a commit", refreshRevoked, shared},
	{"grant/replacement", refreshReplace, shared},
	{"grant/replacement refused", refreshReplaceRefused, shared},
	{"grant/parallel commits lose no token", refreshParallelCommits, shared},
	{"grant/parallel replacements have one winner", refreshParallelReplacements, shared},
	{"grant/refusal that races a commit", refreshRefusalRace, shared},

	{"ticket/kinds are told apart", ticketKinds, shared},
	{"ticket/several ids stand for one code", ticketSeveralIDs, shared},
	{"ticket/outcomes are told apart", ticketOutcomes, shared},
	{"ticket/valid until and including its expiry", ticketExpiry, shared},
	{"ticket/take", ticketTake, shared},
	{"ticket/take refused", ticketTakeRefused, shared},
	{"ticket/live as long as their token", ticketOfToken, shared},

	{"ticket change/put again", ticketPutAgain, shared},
	{"ticket change/complete", ticketComplete, shared},
	{"ticket change/consume", ticketConsume, shared},
	{"ticket change/drop", ticketDrop, shared},
	{"ticket change/changes are made all or none", ticketAllOrNone, shared},
	{"ticket change/changes are made in order", ticketOrder, shared},
	{"ticket change/bad arguments are refused", ticketArguments, shared},

	{"ticket race/parallel takers", ticketParallelTakers, shared},
	{"ticket race/parallel consumers", ticketParallelConsumers, shared},
	{"ticket race/parallel uses of one ticket", ticketParallelUses, shared},
	{"ticket race/parallel completions", ticketParallelCompletions, shared},
	{"ticket race/parallel puts", ticketParallelPuts, shared},
	{"ticket race/parallel changes in opposite orders", ticketLockOrder, shared},

	{"record/unknown ids", recordsUnknown, shared},
	{"record/list", recordsList, shared},
	{"record/list pages are stable", recordsListStable, shared},
	{"record/count", recordsCount, shared},
	{"record/subtree", recordsSubtree, shared},
	{"record/subtree pages are stable", recordsSubtreeStable, shared},
	{"record/events", recordsEvents, shared},
	{"record/event pages are stable", recordsEventsStable, shared},
	{"record/page without limit is refused", recordsPages, shared},
	{"record/delete owner", deleteOwner, alone},
	{"record/delete owner races derivation", deleteOwnerRace, shared},

	{"sealed/walk sees everything once", sealedWalk, alone},
	{"sealed/walk is stable", sealedStable, alone},
	{"sealed/reseal replaces what has not changed", resealReplaces, alone},
	{"sealed/reseal does not disturb repeats", resealRepeats, shared},
	{"sealed/reseal while walking", resealWalking, alone},
	{"sealed/reseal never overwrites a newer value", resealRace, shared},

	{"leak/redeemed tickets are erased", leakTickets, alone},
	{"leak/replaced values are erased", leakReplaced, alone},

	{"sweep/nothing to do", sweepNothing, alone},
	{"sweep/bad arguments are refused", sweepArguments, shared},
	{"sweep/tickets are erased at expiry", sweepTickets, alone},
	{"sweep/tickets of dead tokens", sweepDeadTickets, alone},
	{"sweep/tokens are deleted after retention", sweepTokens, alone},
	{"sweep/budget of a deleted ancestor still binds", sweepBudget, alone},
	{"sweep/tombstone of a deleted ancestor still binds", sweepTombstone, alone},
	{"sweep/outdated generations", sweepGenerations, alone},
	{"sweep/identities are remembered long enough", sweepIdentities, alone},
	{"sweep/batches are bounded", sweepBounded, alone},
	{"sweep/racing uses", sweepRace, alone},

	{"repeat/after a context that had ended", repeatEndedContext, shared},
	{"repeat/after a context that ends in between", repeatEndingContext, shared},
	{"repeat/with other tickets", repeatWithOtherTickets, shared},

	{"mixed/steps of all kinds on one tree", mixedSteps, shared},
}
