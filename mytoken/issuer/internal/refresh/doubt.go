package refresh

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

const (
	// inDoubtRetry is how long a client is asked to wait for the outcome of an interrupted
	// refresh, which an operator or a restart settles.
	inDoubtRetry = 10 * time.Second
	// mostKept bounds what is remembered of leases, so that a long outage costs no memory.
	mostKept = 4096
)

// errInDoubt says that an interrupted refresh of another node may have got a new refresh
// token, and that the provider must not see the old one.
var errInDoubt = errors.New("issuer: another node was interrupted while it refreshed this login: start it again, or give it up with Issuer.Abandon")

// open returns the doubts that nothing has settled yet. A doubt is given up by itself
// after AbandonAfter.
func (r *Refresher) open(doubts []store.Doubt) []store.Doubt {
	now := r.Clock()
	return slices.DeleteFunc(slices.Clone(doubts), func(d store.Doubt) bool {
		return d.Settled || now.Sub(d.Lapsed.Time()) > r.AbandonAfter
	})
}

// resolve does what this process can do about doubts: it commits what the spill holds,
// settles dead processes of its own node, and ends its own leases that hold nothing.
func (l *lease) resolve(ctx context.Context, doubts []store.Doubt) {
	r := l.r
	committed := l.replay(ctx)
	if slices.ContainsFunc(doubts, func(d store.Doubt) bool { return d.Node == r.node.id && !r.node.id.IsZero() && !r.is(d.Process) }) {
		if err := r.settleDead(ctx); err != nil {
			l.notify(ctx, Event{Kind: CommitFailed, Err: err})
		}
	}
	r.endPending(ctx, l.req.Grant)
	for _, d := range doubts {
		if r.is(d.Process) && r.holdsNothing(d.Lease) || committed[d.Lease] {
			_ = r.endDoubt(ctx, store.DoubtRef{Grant: l.req.Grant, Lease: d.Lease}) // the next one tries again
		}
	}
}

// holdsNothing reports whether this process, if it held the lease, works under it no more
// and has no refresh token from it that the store may lack.
func (r *Refresher) holdsNothing(lease store.LeaseID) bool {
	return !r.isActive(lease) && !r.spill.holds(lease)
}

// endDoubt says that nothing will arrive from a lease any more.
func (r *Refresher) endDoubt(ctx context.Context, d store.DoubtRef) error {
	return r.Ledger.EndRefresh(ctx, store.End{Grant: d.Grant, Lease: d.Lease, Generation: 1, Outcome: store.RefreshUnknown})
}

// mostDoubts is how many doubts of its own a process looks at with each heartbeat.
const mostDoubts = 1000

// endOwnDoubts ends the leases of this process that are in doubt although it holds nothing
// from them: a crash of the store has undone their end, or a use took its lease when its
// request was over. An idle lease holds nothing either; a slow use may have let it lapse.
// Nobody else can tell, and others may wait for this process.
func (r *Refresher) endOwnDoubts(ctx context.Context) {
	r.id.mu.Lock()
	p, known := r.id.process, r.id.beaten
	r.id.mu.Unlock()
	if p == nil || !known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.StepTimeout)
	defer cancel()
	doubts, err := r.Ledger.Doubts(ctx, p.ID, mostDoubts)
	for _, d := range doubts {
		if r.idle.withdraw(d.Grant, d.Lease) {
			r.deactivate(d.Lease)
		}
		if err == nil && r.holdsNothing(d.Lease) {
			if err = r.endDoubt(ctx, d); errors.Is(err, store.ErrNotFound) {
				err = nil // the data of the user was deleted meanwhile
			}
		}
	}
	if err != nil && store.IsDefinite(err) { // the ledger tells that the store is away
		r.Logger.WarnContext(ctx, "mytoken", "kind", "lease_not_ended", "error", errtext.ForLog(err))
	}
}

// forgives reports whether the provider accepts a refresh token that it has replaced. A
// provider that does not takes it for stolen, and revokes the login.
func (r *Refresher) forgives(p *oidcupstream.Provider) bool {
	return p.Reuse() == oidcupstream.ReuseTolerates || r.neverRotates(p)
}

// inDoubt is the failure of a request for a grant with open doubts. The observer is told
// once of each.
func (l *lease) inDoubt(ctx context.Context, doubts []store.Doubt) error {
	left := time.Duration(0)
	for _, d := range doubts {
		left = max(left, d.Lapsed.Time().Add(l.r.AbandonAfter).Sub(l.r.Clock()))
		if l.r.firstTime(d.Lease) {
			name := "an unknown node"
			if !d.Node.IsZero() {
				name = "node " + hex.EncodeToString(d.Node[:])
			}
			l.notify(ctx, Event{Kind: InDoubt, Err: errInDoubt, Detail: fmt.Sprintf("%s held the login until %s", name, d.Lapsed.Time().UTC().Format(time.RFC3339))})
		}
	}
	return &Failure{Reason: Busy, RetryAfter: min(left, inDoubtRetry), Err: errInDoubt}
}

// firstTime reports whether it is called with a lease for the first time, as far as it
// remembers.
func (r *Refresher) firstTime(lease store.LeaseID) bool {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	if r.kept.told[lease] {
		return false
	}
	if len(r.kept.told) >= mostKept {
		clear(r.kept.told)
	}
	r.kept.told[lease] = true
	return true
}

// pendingEnd is the end of a lease that the store has not taken. Its grant is zero if only
// the token is known whose use may have taken the lease.
type pendingEnd struct {
	store.End
	token store.TokenID
}

// keepEnd remembers the end of a lease that the store did not take. Else the lease would
// leave a doubt for as long as this process lives.
func (r *Refresher) keepEnd(e pendingEnd) {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	if len(r.kept.ends) < mostKept {
		r.kept.ends[e.Lease] = e
	}
}

func (r *Refresher) hasPendingEnds() bool {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return len(r.kept.ends) > 0
}

// endPending ends the leases of a grant again, or of all grants if the id is zero, that
// the store did not end the first time.
func (r *Refresher) endPending(ctx context.Context, grant store.GrantID) {
	r.kept.mu.Lock()
	var ends []pendingEnd
	for _, e := range r.kept.ends {
		if grant.IsZero() || e.Grant.IsZero() || e.Grant == grant {
			ends = append(ends, e)
		}
	}
	r.kept.mu.Unlock()
	for _, e := range ends {
		if !r.endAgain(ctx, e) {
			return // the store is still away
		}
		r.kept.mu.Lock()
		delete(r.kept.ends, e.Lease)
		r.kept.mu.Unlock()
	}
}

// endAgain reports whether the store has taken the end of a lease, or never will.
func (r *Refresher) endAgain(ctx context.Context, e pendingEnd) bool {
	ctx, cancel := context.WithTimeout(ctx, r.StepTimeout)
	defer cancel()
	if e.Grant.IsZero() {
		info, err := r.Ledger.Token(ctx, e.token)
		if err != nil {
			return store.IsDefinite(err)
		}
		e.Grant = info.Grant
		r.idle.ends(e.Grant, e.token)
		defer r.idle.ended(e.Grant, e.token)
	}
	err := r.Ledger.EndRefresh(ctx, e.End)
	return err == nil || store.IsDefinite(err)
}

// activate and deactivate record which leases this process still works under.
func (r *Refresher) activate(lease store.LeaseID) {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	r.kept.active[lease] = true
}

func (r *Refresher) deactivate(lease store.LeaseID) {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	delete(r.kept.active, lease)
}

func (r *Refresher) isActive(lease store.LeaseID) bool {
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return r.kept.active[lease]
}
