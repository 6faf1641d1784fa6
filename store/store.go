package store

import "context"

// Store keeps the state of an issuer. The contract in the package comment holds for every
// method: each one is atomic, durable, repeatable and safe for concurrent use.
type Store interface {
	Tokens
	Grants
	Nodes
	Tickets
	Belongings
	Records
}

// Tokens are the steps that concern tokens.
//
// Each step that takes a [Presented] token checks it first:
//
//   - The step returns [ErrNotFound] if there is no such token, or if Sweep has erased
//     its key because it expired. It returns [ErrRevoked] if the token is not live.
//   - It returns [ErrForged] if the generation was never issued, or if it is the current
//     one and the sum is not that of the current token.
//   - It accepts an outdated generation as long as three conditions hold: the grace of
//     the rotation lasts, the sum is that of the outdated token, and no step has seen the
//     successor yet. The grace includes its last instant.
//   - Within the grace, it returns [ErrForged] if the sum is not that of the outdated
//     token.
//   - In all other cases it returns a [*StaleError] for an outdated generation. Reuse is
//     false within the grace, and true afterwards.
//   - The first step that succeeds with the current generation of a rotated token
//     confirms that generation, and erases the wrapped keys and the successors of the
//     outdated ones. From then on no step accepts these. Only a repeat of the rotation
//     still succeeds, as the comment of Rotate says.
//
// [ErrRevoked] takes precedence over [*StaleError]. All of these errors take precedence
// over every other obstacle, such as a taken id, an exhausted budget or a ticket. Only an
// [*ArgumentError] may come first.
type Tokens interface {
	// CreateRoot stores a grant and its first token, at the instant token.Created. A
	// repeat succeeds and changes nothing. The store recognises a repeat by the ids, the
	// owner and the sum.
	//
	// It returns [ErrExists] if something else is stored under one of the ids, and the
	// errors that [TicketChanges] names. It returns [*ArgumentError] if the token names
	// another grant or owner than the grant has.
	CreateRoot(ctx context.Context, grant Grant, token Token, tickets TicketChanges) error

	// CreateChild charges the parent with the use and stores the child below it, or
	// neither.
	//
	// It returns the errors of Spend, and an [*ArgumentError] if the use asks for a lease, a
	// ticket or the state. It returns [ErrExists] if something else is stored under the
	// child's id, and [ErrDepth] if the parent has too many ancestors. It
	// returns [*ArgumentError] if the child's clauses draw on clauses that the parent
	// does not have, or if the child names another grant or owner than the parent.
	//
	// A child may be created while its parent or an ancestor is being revoked. Then the
	// store either refuses the child, or creates it and the tombstone applies to it as to
	// every other descendant.
	//
	// A repeat with the same id of the use behaves like a repeat of Spend. It returns
	// [ErrExists] if it names another child.
	CreateChild(ctx context.Context, parent Presented, use Use, child Token) (Spent, error)

	// Lookup returns the state of a token. It spends nothing. The only thing that it may
	// write is the confirmation of a rotation.
	Lookup(ctx context.Context, token Presented, now Micros) (State, error)

	// Spend charges a use. It takes the first candidate clause that has budget left on
	// all its counters, and spends each of these counters. It appends the event, makes
	// the ticket changes, and returns which clause it took. If no candidate has budget
	// left, it changes nothing and returns an [*ExhaustedError].
	//
	// A repeat with the same id changes nothing and returns the same clause. After Refund
	// it returns [ErrRefunded]. Spend returns [ErrExists] if the id was used for another
	// token.
	//
	// A use that is charged, now or by an earlier call, may ask for more in the same step:
	//
	//   - With Fetch, Spend returns the ticket, as ResolveTicket would after the use. A use
	//     that is charged now, and returns the ticket, has FetchedComment in its event.
	//   - With Lease, Spend takes the lease on the grant, as BeginRefresh does, if nothing
	//     is in the way. In the way are a dead grant, another lease, lapsed or not, a
	//     doubt, a spare, a suspicion, and a settled process of the caller. Then the use is
	//     charged all the same, and the caller calls BeginRefresh. The holder of the lease
	//     gets it again, prolonged as by BeginRefresh. Spend does not take the lease if it
	//     returns the ticket that Fetch names.
	//   - With State, Spend returns what Lookup would return after the use, except for steps
	//     that run at the same time. Its counters include this use and every use that was
	//     charged before Spend was called. Of the uses that are charged meanwhile, they may
	//     include any.
	//
	// If Spend returns an error, it takes no lease, unless the error is one that it does
	// not name.
	Spend(ctx context.Context, token Presented, use Use) (Spent, error)

	// Refund gives back what the use charged, once, and withdraws its event. A child that
	// the use created stays, and so do its ticket changes. Refunding again changes
	// nothing.
	//
	// Refunding an unknown use gives nothing back, but from then on Spend returns
	// [ErrRefunded] for its id. So a caller can call off a Spend whose answer was lost,
	// or that is still on its way.
	Refund(ctx context.Context, use UseID, now Micros) error

	// Rotate replaces the presented generation by the next.
	//
	// If the generation was already replaced, its grace lasts and no step has seen the
	// successor yet, Rotate changes nothing and returns the stored successor. So every
	// repeat, and every parallel holder of the same token, gets the same one.
	//
	// Even afterwards, repeating a rotation succeeds without a change as long as To is
	// the current generation. The store recognises the repeat by To.Sum. In all other
	// cases Rotate returns a [*StaleError] for an outdated generation.
	Rotate(ctx context.Context, rotation Rotation) (Rotated, error)

	// Revoke puts a tombstone on a token and erases what the token opens: its wrapped
	// keys and successors, short tokens and codes. Once it has returned, the token is not
	// live on any node. With Recursive the same holds for each of its descendants,
	// created before or after. Without Recursive the descendants stay live, but a
	// recursive tombstone of an ancestor still ends them.
	//
	// The tombstone and the erasure of the token itself are one step. A store may erase
	// what the descendants open in further steps. If Revoke returns an error in between,
	// the tombstone may hold already, and Revoke, called again, or Sweep erases the rest.
	// Once Revoke has returned nil, nothing is left, not even of a child that was created
	// at the same time.
	//
	// One key stays for a while. If no live token is left and By is the revoked token
	// itself, a caller that loses the answer needs Revoked.Key again, to revoke the
	// refresh token at the provider. So the key stays until a call with Settled, or until
	// the first Sweep more than ten minutes after the revocation.
	//
	// The token and its descendants stay listed, with their descriptions, counters and
	// histories, until Sweep finds their retention over. Live is false then.
	//
	// A later call can make a tombstone recursive. No call takes that back. Revoking
	// again succeeds, appends no event, and reports the state at that time. Revoke does
	// not check whether By is live. It returns [ErrNotFound] if there is no such token.
	Revoke(ctx context.Context, revocation Revocation) (Revoked, error)
}

// Grants are the steps that concern refresh tokens. Each returns [ErrNotFound] if there
// is no such grant.
type Grants interface {
	// BeginRefresh takes the lease on a grant for TTL. It returns a [*BusyError] while
	// another lease is in force, a [*SuspectError] during the pause of a suspect grant,
	// and [ErrDead] if the grant is dead. It returns [ErrConflict] if the caller's
	// process was settled: the process needs a new id.
	//
	// A lease is in force until and including Until. It also ends when its process is
	// settled, and after the last instant that a heartbeat of its process has promised.
	// A lease that ended in any of these ways leaves a [Doubt].
	//
	// The holder may call BeginRefresh again with the same lease. That prolongs the lease
	// to Now+TTL, never shortens it, and returns the present state. By then a doubt may
	// have been resolved or settled. No pause keeps the holder out.
	BeginRefresh(ctx context.Context, begin Begin) (Refresh, error)

	// CommitRefresh stores a new refresh token. It succeeds even if the lease has lapsed
	// or tokens were revoked, because the provider has forgotten the old refresh token.
	//
	// If the commit names the current generation, its token becomes the current one of
	// the next generation. If the grant has moved on, the store keeps the token as a
	// spare, so that a late commit overwrites nothing. Either way a doubt that this lease
	// left is resolved, a suspicion is over, and a dead grant is alive again.
	//
	// With Ends, the same step ends the lease.
	//
	// A repeat with the same lease and token succeeds and changes nothing, except that with
	// Ends it ends a lease that is not ended yet. CommitRefresh returns [ErrConflict] if the
	// grant has not reached the generation.
	CommitRefresh(ctx context.Context, commit Commit) error

	// EndRefresh ends the lease with an outcome; see [Outcome]. A lease that merely lapsed
	// ends as if it were in force. A relaxed end may get lost in a crash; see [End].
	//
	// If another lease has followed, EndRefresh only resolves the doubt that this one
	// left: its holder says that it has no refresh token that the store lacks. So a
	// caller that has one must let its lease lapse instead.
	EndRefresh(ctx context.Context, end End) error

	// Grant returns the refresh token of a grant, dead or not. It takes no lease.
	Grant(ctx context.Context, grant GrantID) (RefreshState, error)

	// ReplaceGrant stores the refresh token of a new login of the same owner as the next
	// generation. It drops the spares and Worked, ends a suspicion, revives a dead grant,
	// and resolves any doubt. It deletes the tickets of the kind [TicketAccess] of all tokens
	// of the grant, because the user may have agreed to less than before. A lease in force
	// stays, but can no longer make the grant suspect or dead.
	//
	// It returns [ErrConflict] if the generation is not the current one, [*ArgumentError]
	// if the grant has another owner, and the errors that [TicketChanges] names. A repeat
	// with the same lease and token succeeds and changes nothing, except that it may delete
	// tickets of the kind [TicketAccess] again.
	ReplaceGrant(ctx context.Context, replacement Replacement) error
}

// Nodes are the steps by which the processes that refresh grants learn which of the others
// are gone, and whether these have left refresh tokens to recover.
//
// A process sends heartbeats while it lives. Once they stop, others take its leases over
// without waiting, but its doubts stay: the spill of its node may hold a refresh token.
// When that spill was replayed or given up, somebody settles the process.
type Nodes interface {
	// Beat is a heartbeat: it promises that the process lives until and including until.
	// It never takes an earlier promise back. The first call makes the process known.
	//
	// until must lie further ahead than the next heartbeat will take, by at least the
	// greatest difference between the clocks of the processes. Otherwise another process
	// takes leases of a live one over. No refresh token is lost then, except that the
	// doubts of a volatile process count as settled too early.
	//
	// Beat returns [ErrConflict] if the process was settled: a process that still lives
	// takes a new id. It returns [ErrExists] if a process with other particulars has this
	// id.
	Beat(ctx context.Context, process Process, until Micros) error

	// Settle records for good that the processes are dead, and that nothing of them is
	// left to recover: their spill was replayed or given up. Their leases end at once,
	// and their doubts count as settled. That includes a lease that a step takes for one of
	// them at the same time. A refresh token that arrives all the same is accepted, as from
	// any lease that lapsed.
	//
	// Settling again changes nothing. Settle also records ids that are not known, so that
	// a heartbeat that is still on its way comes too late.
	Settle(ctx context.Context, processes []ProcessID, now Micros) error

	// Doubts returns the doubts that the leases of a process have left, in no particular
	// order, and most of them if there are more.
	//
	// A process that lives has to look for its own: the end of a lease may get lost in a
	// crash, and a use may take a lease after its caller has given up. Only the process
	// knows that it has no refresh token from such a lease, and says so with EndRefresh.
	// Until then others may wait for it. Doubts returns an [*ArgumentError] if the process
	// is zero or most is below 1.
	Doubts(ctx context.Context, process ProcessID, most int) ([]DoubtRef, error)

	// Processes returns the processes that are known, settled or not, in the order of
	// their ids. With the cursor of the next page it works as the methods of [Records].
	Processes(ctx context.Context, page Page) ([]ProcessInfo, string, error)
}

// Tickets are the steps that concern codes and short tokens.
type Tickets interface {
	// ChangeTickets makes all of the changes or none. It returns the errors that
	// [TicketChanges] names.
	ChangeTickets(ctx context.Context, changes TicketChanges, now Micros) error

	// ResolveTicket returns the first of the named tickets that is known, whatever its
	// status. It changes nothing. It takes several ids because one code has an id for
	// each look-up key. It returns [ErrTicketNotFound] if none is known,
	// [ErrTicketExpired] if the ticket has expired, and [ErrTicketTaken] if somebody took
	// or consumed it. With an error it returns no contents.
	ResolveTicket(ctx context.Context, kind TicketKind, ids []TicketID, now Micros) (Ticket, error)

	// TakeTicket redeems a ticket that is not pending. Exactly one taker succeeds, and it
	// succeeds again if it repeats the call. If the event has a name, TakeTicket appends
	// it to the history of the ticket's token.
	//
	// TakeTicket erases key and payload, so read them with ResolveTicket first. They do
	// not change between the two calls, because only a pending ticket can be completed.
	//
	// It returns [ErrTicketTaken] to every other taker. It returns [ErrTicketNotFound]
	// and [ErrTicketExpired] as ResolveTicket does, [ErrConflict] for a pending ticket,
	// and [*ArgumentError] for a short token or the ticket of an SSH key.
	TakeTicket(ctx context.Context, ref TicketRef, taker UseID, event Event, now Micros) error
}

// Belongings are the steps that concern what users keep besides tokens. No use of a token
// waits for them.
type Belongings interface {
	// Items returns everything that the owner keeps. The caller bounds how much that is.
	Items(ctx context.Context, owner OwnerID) (Items, error)

	// ChangeItems makes all of the changes or none, in the order of the fields. With Put or
	// Delete, the owner's revision becomes the next one.
	//
	// It returns [ErrConflict] if it names items in Put or Delete and the revision is not the
	// current one: the caller reads the items again and decides anew. It returns [ErrExists]
	// if another owner has an item with the same id. It returns [ErrNotFound] if a link names
	// an item that the owner does not have after Put and Delete, or if the changes need a
	// token that is not stored. It returns the errors that [TicketChanges] names.
	//
	// A repeat succeeds and changes nothing as long as no other change with Put or Delete
	// has followed. After that it returns [ErrConflict], like every outdated change. So a
	// caller that lost an answer looks for its own items before it decides anew.
	//
	// A link stays as long as its token or a descendant of that token is stored. Sweep
	// deletes all other links. It spares a link that was made while its token was not stored
	// for [Remembered]: until then the token may still be created.
	ChangeItems(ctx context.Context, changes ItemChanges) error

	// Links returns the links of the tokens, in no particular order. It ignores tokens that
	// have none. A token that is named twice counts once. A token that is deleted still has
	// its links as long as a descendant is stored.
	Links(ctx context.Context, tokens []TokenID) ([]Link, error)
}

// Records are the steps for lists, histories and housekeeping. A method that takes a
// [Page] also returns the cursor of the next page, which is empty after the last page. It
// returns an [*ArgumentError] if the page is not well formed.
type Records interface {
	// Token describes one token, live or not. It returns [ErrNotFound] if there is no
	// such token.
	Token(ctx context.Context, id TokenID) (TokenInfo, error)

	// List returns the owner's tokens, live or not, in order of creation.
	List(ctx context.Context, owner OwnerID, page Page) ([]TokenInfo, string, error)

	// Count returns how many tokens are stored for the owner, live or not, and most if
	// there are more. It may count a token that List does not show, as long as something
	// of it is stored. Count returns an [*ArgumentError] if most is below 1.
	Count(ctx context.Context, owner OwnerID, most int) (int, error)

	// Subtree returns a token and its descendants, live or not, in order of creation,
	// parents before children. The subtree of an unknown token is empty.
	Subtree(ctx context.Context, root TokenID, page Page) ([]TokenInfo, string, error)

	// Events returns the histories of the tokens, merged, the newest event first. Events
	// of the same instant come in the reverse order of their recording.
	Events(ctx context.Context, tokens []TokenID, page Page) ([]EventRecord, string, error)

	// Sweep deletes what nobody needs any more, in bounded batches. It never deletes what
	// a live token needs: counters and tombstones stay as long as a descendant that is
	// not itself deletable refers to them.
	//
	// Before anything else, Sweep erases what still opens and should not, tickets first:
	//
	//   - key and payload of each ticket that has expired,
	//   - the wrapped keys and successors of each token that has expired,
	//   - outdated generations whose grace has ended,
	//   - whatever an interrupted Revoke has left.
	//
	// So they are gone after the first Sweep that begins after that instant and does not
	// reach its limit before. Meanwhile no step returns such tickets and generations, and
	// the caller accepts no expired token. Descriptions stay until the retention ends.
	// Sweep deletes a ticket one day after it expired; until then the store can tell that
	// it expired. Sweep deletes a process 30 days after it was settled or its heartbeat
	// lapsed, but not while a lease or a doubt names it. Sweep returns an
	// [*ArgumentError] if the arguments are not well formed.
	Sweep(ctx context.Context, cleaning Cleaning) (Cleaned, error)

	// Sealed returns all sealed values with their places, page by page. It has no clock,
	// so it also returns what has expired and is not erased yet.
	Sealed(ctx context.Context, page Page) ([]SealedItem, string, error)

	// Reseal replaces sealed values and returns how many it replaced. It skips values
	// that have changed or are gone. It returns [*ArgumentError] if Old or New is empty.
	Reseal(ctx context.Context, items []Reseal) (int, error)

	// DeleteOwner deletes everything about a user: tokens, grants, tickets of these
	// tokens, histories, items, and the links of these items and tokens. Once it has
	// returned nil, no token of the user is usable and nothing about them is left. The
	// revision is 0 again. Deleting again succeeds.
	DeleteOwner(ctx context.Context, owner OwnerID) error
}
