package issuer

import (
	"time"

	"github.com/mytoken-go/sdk/mytoken"
)

// ChildRotation says what the rotation of a token means for its children. Rotation tells
// when somebody else uses a copy of a token. A child that does not rotate would let the
// holder of such a copy go on unnoticed, and outlive it.
type ChildRotation uint8

// The values of [Config.ChildRotation].
const (
	// ChildrenInherit gives a child at least the rotation of its parent: it rotates when
	// either asks for it, revokes its tree if either asks for it, and its generations
	// have the shorter of the two lifetimes.
	ChildrenInherit ChildRotation = iota
	// ChildrenEndWithGeneration lets a child without rotation of its own end with the
	// presented generation of its parent, if the generations of the parent have a
	// lifetime. Otherwise it is like ChildrenInherit.
	ChildrenEndWithGeneration
	// ChildrenFree gives a child the rotation of its own request, as the reference server
	// does. Whoever steals a rotating token can then make a child that does not rotate.
	ChildrenFree
)

// childRotation is the rule for one child.
type childRotation struct {
	parent *mytoken.Rotation
	free   bool
	end    time.Time // of the child; zero if the parent's rotation sets none
}

// childRotation returns the rule for a child that asks for a rotation, which may be nil.
func (i *Issuer) childRotation(parent *mytoken.Token, asked *mytoken.Rotation) childRotation {
	r := childRotation{parent: parent.Rotation(), free: i.cfg.ChildRotation == ChildrenFree}
	own := asked != nil && *asked != mytoken.Rotation{}
	end := parent.ExpiresAt()
	if i.cfg.ChildRotation == ChildrenEndWithGeneration && !own && r.parent != nil && r.parent.Lifetime > 0 && !end.IsZero() {
		r.free, r.end = true, end
	}
	return r
}

// apply returns the rotation of the child.
func (r childRotation) apply(asked *mytoken.Rotation) *mytoken.Rotation {
	if r.free || r.parent == nil || *r.parent == (mytoken.Rotation{}) {
		return asked
	}
	out := *r.parent
	if asked != nil {
		out.OnAT, out.OnOther, out.AutoRevoke = out.OnAT || asked.OnAT, out.OnOther || asked.OnOther, out.AutoRevoke || asked.AutoRevoke
		if out.Lifetime == 0 || asked.Lifetime > 0 && asked.Lifetime < out.Lifetime {
			out.Lifetime = asked.Lifetime
		}
	}
	return &out
}

// lifetime returns the maximum lifetime of the child, given that of its provider, where 0
// means no maximum.
func (r childRotation) lifetime(now time.Time, most time.Duration) time.Duration {
	if r.end.IsZero() {
		return most
	}
	// The parent is valid until and including the second of its end. 0 would mean no
	// maximum.
	left := max(r.end.Sub(now), time.Nanosecond)
	if most <= 0 {
		return left
	}
	return min(most, left)
}
