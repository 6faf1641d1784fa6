package rules

import (
	"bytes"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// Token is the part of a token that decides who may present it and what may be created
// below it.
type Token struct {
	ID        store.TokenID
	Grant     store.GrantID
	Owner     store.OwnerID
	Ancestors []store.TokenID // parent first
	Clauses   int
	Live      bool // neither revoked nor below a recursive tombstone

	Seq       uint64       // current generation
	Sum       store.Sum    // of the current generation
	Key       store.Sealed // of the current generation; empty once it is erased
	Confirmed uint64       // nobody may present older generations
}

// Generation is an outdated generation, kept until its grace ends. Key and Successor are
// empty once the next generation is confirmed.
type Generation struct {
	Sum       store.Sum
	Key       store.Sealed
	Successor store.Sealed
	Until     store.Micros // last instant of the grace
}

// Find returns an outdated generation of a token, or nil if the store has forgotten it.
type Find func(seq uint64) (*Generation, error)

// Answer is the result of [Present] for a generation that the store accepts.
type Answer struct {
	Key      store.Sealed
	Outdated bool
	// Confirms says that the store must record the current generation as confirmed.
	Confirms bool
}

// Present decides whether a store accepts a presented generation. t is nil if the token
// is unknown. If the store must refuse it, Present returns [store.ErrNotFound],
// [store.ErrRevoked], [store.ErrForged] or a [*store.StaleError]. Present also returns
// the errors of find.
func Present(t *Token, p store.Presented, now store.Micros, find Find) (Answer, error) {
	switch {
	case t == nil:
		return Answer{}, store.ErrNotFound
	case !t.Live:
		return Answer{}, store.ErrRevoked
	case len(t.Key) == 0:
		return Answer{}, store.ErrNotFound
	case p.Seq == 0 || p.Seq > t.Seq, p.Seq == t.Seq && p.Sum != t.Sum:
		return Answer{}, store.ErrForged
	case p.Seq == t.Seq:
		return Answer{Key: bytes.Clone(t.Key), Confirms: t.Confirmed < t.Seq}, nil
	}
	g, err := inGrace(p, now, find)
	switch {
	case err != nil:
		return Answer{}, err
	case g == nil:
		return Answer{}, t.stale(p, true)
	case p.Seq < t.Confirmed:
		return Answer{}, t.stale(p, false)
	}
	return Answer{Key: bytes.Clone(g.Key), Outdated: true}, nil
}

// inGrace returns the outdated generation while its grace lasts, and nil afterwards. It
// returns [store.ErrForged] for a wrong sum within the grace.
func inGrace(p store.Presented, now store.Micros, find Find) (*Generation, error) {
	g, err := find(p.Seq)
	switch {
	case err != nil:
		return nil, err
	case g == nil || now > g.Until:
		return nil, nil
	case g.Sum != p.Sum:
		return nil, store.ErrForged
	}
	return g, nil
}

func (t *Token) stale(p store.Presented, reuse bool) error {
	return &store.StaleError{Presented: p.Seq, Current: t.Seq, Reuse: reuse}
}

// Rotate decides about a rotation. If the generation was already replaced, Rotate returns
// the answer. If the store must replace it now, Rotate returns nil; see [Token.Replace].
// It returns the errors of [Present].
func Rotate(t *Token, r *store.Rotation, find Find) (*store.Rotated, error) {
	if t == nil || !t.Live || len(t.Key) == 0 || r.From.Seq >= t.Seq {
		_, err := Present(t, r.From, r.Now, find)
		return nil, err
	}
	from, err := inGrace(r.From, r.Now, find)
	if err != nil {
		return nil, err
	}
	own := r.To.Seq == t.Seq && r.To.Sum == t.Sum
	if r.To.Seq != t.Seq {
		to, err := find(r.To.Seq)
		if err != nil {
			return nil, err
		}
		own = to != nil && to.Sum == r.To.Sum
	}
	switch {
	case from != nil && r.From.Seq >= t.Confirmed:
		return &store.Rotated{Successor: bytes.Clone(from.Successor), Fresh: own}, nil
	case own:
		return &store.Rotated{Successor: bytes.Clone(r.Successor), Fresh: true}, nil
	}
	return nil, t.stale(r.From, from == nil)
}

// Replace makes the next generation the current one and confirms the presented one. It
// returns the outdated generation to keep, or nil if there is no grace.
func (t *Token) Replace(r *store.Rotation) *Generation {
	var old *Generation
	if r.Grace > 0 {
		old = &Generation{Sum: t.Sum, Key: t.Key, Successor: bytes.Clone(r.Successor), Until: r.Now.Add(r.Grace)}
	}
	t.Confirmed = t.Seq
	t.Seq, t.Sum, t.Key = r.To.Seq, r.To.Sum, bytes.Clone(r.Key)
	return old
}

// RevokedKeyKept is how long a store keeps the key of the last token of a grant after its
// revocation, unless the caller settles the revocation earlier. It is much longer than a
// caller needs to repeat a call whose answer was lost.
const RevokedKeyKept = 10 * time.Minute

// KeepsKey reports whether a store keeps the key of the revoked token for the caller.
// liveLeft is as in [store.Revoked].
func KeepsKey(r *store.Revocation, liveLeft bool) bool {
	return !liveLeft && !r.Settled && r.By.ID == r.Token
}

// CheckChild checks that a store may create a token below t. It returns a
// [*store.ArgumentError] if the token is not complete, if its clauses do not fit, or if
// grant or owner differ.
func (t *Token) CheckChild(child *store.Token) error {
	if err := child.Check(t.Clauses); err != nil {
		return err
	}
	if child.Grant != t.Grant || child.Owner != t.Owner {
		return argument("a child must have its parent's grant and owner")
	}
	return nil
}

// CheckDepth returns [store.ErrDepth] if t has as many ancestors as a token may have.
func (t *Token) CheckDepth() error {
	if len(t.Ancestors) >= store.MaxDepth {
		return store.ErrDepth
	}
	return nil
}

func argument(reason string) error { return &store.ArgumentError{Reason: reason} }
