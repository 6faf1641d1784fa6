package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/plain"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
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

// childProperties returns the properties of a child, and for each of its clauses the
// parent's clause that it draws on (protocol sections 2.6, 2.8, 3.3). Whatever the
// request asks for and the policy does, the properties are within the parent, or there is
// an error (P1).
func (i *Issuer) childProperties(ctx context.Context, parent *mytoken.Token, provider *Provider, used []restriction.Usage, req DeriveRequest) (mytoken.Properties, []int, error) {
	props := req.Properties.Clone()
	now := i.Now()
	props.Restrictions = props.Restrictions.Normalize(now) // before anything compares them
	req.Properties.Restrictions = props.Restrictions
	err := cmp.Or(checkResponse(req.Response), i.checkProperties(&props, now))
	if err != nil {
		return props, nil, err
	}
	if props.Capabilities, err = childCapabilities(parent.Capabilities(), &req); err != nil {
		return props, nil, err
	}
	// Whole seconds, because the end of a generation is one.
	rotation, second := i.childRotation(parent, props.Rotation), now.Truncate(time.Second)
	most := rotation.lifetime(second, provider.MaxLifetime)
	narrowed, err := i.childRestrictions(parent.Restrictions(), used, second, most, &req)
	if err != nil {
		return props, nil, err
	}
	props.Restrictions, props.Rotation = narrowed.List, rotation.apply(props.Rotation)
	reviewed, err := i.review(ctx, Issuance{
		Kind: PolicyDerive, Provider: provider.Upstream, Subject: parent.OIDCSubject(), Parent: parent, Properties: &props, CountFrom: now, Client: req.Client,
	})
	if err != nil {
		return props, nil, err
	}
	if !reviewed.Capabilities.Within(parent.Capabilities()) {
		return props, nil, &PolicyError{cause: errors.New("the policy's capabilities are wider than the parent's")}
	}
	if !reviewed.Restrictions.Equal(narrowed.List) {
		if narrowed = i.narrow(parent.Restrictions(), reviewed.Restrictions, used); !narrowed.OK() {
			return props, nil, &PolicyError{cause: errors.New("the policy's restrictions are wider than the parent's")}
		}
		if narrowed, _, err = narrowed.LimitLifetime(second, most); err != nil {
			return props, nil, requestError("restrictions", err)
		}
	}
	if !i.cfg.IndependentBudgets {
		narrowed = narrowed.Merge() // a limit must not count twice
	}
	reviewed.Restrictions, reviewed.Rotation = narrowed.List, rotation.apply(reviewed.Rotation)
	usable := narrowed.List
	if !i.cfg.IndependentBudgets {
		usable = withoutSpent(parent.Restrictions(), narrowed, used)
	}
	return reviewed, narrowed.Draws, cmp.Or(checkUses(reviewed.Capabilities, usable), checkTimes(&reviewed, now))
}

// withoutSpent returns the clauses of a child with the numbers of access tokens that it
// can get: at most what its parent has left.
func withoutSpent(parent restriction.List, child restriction.Narrowed, used []restriction.Usage) restriction.List {
	list := child.List.Clone()
	for n, draws := range child.Draws {
		if draws == restriction.NoClause || parent[draws].UsagesAT == nil {
			continue
		}
		left := max(*parent[draws].UsagesAT-used[draws].AT, 0)
		if own := list[n].UsagesAT; own == nil || *own > left {
			list[n].UsagesAT = &left
		}
	}
	return list
}

// childRestrictions returns the restrictions of a child that ends after most, if that is
// above 0.
func (i *Issuer) childRestrictions(parent restriction.List, used []restriction.Usage, now time.Time, most time.Duration, req *DeriveRequest) (restriction.Narrowed, error) {
	wanted := req.Properties.Restrictions
	if len(wanted) > 0 && !req.Adjust && !req.Verbatim {
		return i.intersect(parent, wanted, used, now, most)
	}
	narrowed := i.narrow(parent, wanted, used)
	if err := narrowed.Err(); err != nil && !req.Adjust {
		return narrowed, restrictionsError(RequestNotNarrower, err)
	}
	limited, shortened, err := narrowed.LimitLifetime(now, most)
	if err != nil {
		return narrowed, nothingLeft(now.Add(most), err)
	}
	if shortened && !req.Adjust && len(wanted) > 0 { // a request for none cannot be cut (D22)
		return narrowed, tooLong(wanted, now.Add(most))
	}
	return limited, nil
}

// intersect gives a child all that is wanted. The maximum lifetime is a bound like those
// of the parent: it cuts a clause that leaves out its end, and refuses a later one.
func (i *Issuer) intersect(parent, wanted restriction.List, used []restriction.Usage, now time.Time, most time.Duration) (restriction.Narrowed, error) {
	narrowed, err := restriction.Intersect(parent, wanted, now, i.narrowOptions(used))
	if err != nil {
		return narrowed, restrictionsError(RequestNotNarrower, err)
	}
	if most > 0 {
		limited, _, err := i.narrow(parent, nil, used).LimitLifetime(now, most)
		if err != nil {
			return narrowed, nothingLeft(now.Add(most), err)
		}
		left := make([]restriction.Usage, len(limited.List))
		for n, draws := range limited.Draws {
			if draws != restriction.NoClause {
				left[n] = used[draws]
			}
		}
		if narrowed, err = restriction.Intersect(limited.List, wanted, now, i.narrowOptions(left)); err != nil {
			return narrowed, &RequestError{Field: "restrictions", Code: RequestTooLong, cause: err, Reason: fmt.Sprintf(
				"the maximum lifetime ends at %s: %s", instant(now.Add(most)), restriction.Reason(err))}
		}
		for n, draws := range narrowed.Draws {
			narrowed.Draws[n] = limited.Draws[draws]
		}
	}
	return narrowed, i.checkCommon(narrowed.List, parent, wanted)
}

func restrictionsError(code RequestCode, err error) error {
	return &RequestError{Field: "restrictions", Code: code, Reason: restriction.Reason(err), cause: err}
}

// nothingLeft is the error for restrictions that all begin after the maximum lifetime.
func nothingLeft(end time.Time, err error) error {
	return &RequestError{Field: "restrictions", cause: err, Reason: "no clause begins before the maximum lifetime ends, at " + instant(end)}
}

// tooLong says which clause exceeds the maximum lifetime.
func tooLong(wanted restriction.List, end time.Time) error {
	for n := range wanted {
		c := restriction.ClauseError{Clause: n, Key: restriction.KeyExpires}
		switch last := end.Unix(); {
		case wanted[n].NotBefore > last:
			c.Key, c.Err = restriction.KeyNotBefore, fmt.Errorf("it is after the end of the maximum lifetime, %s; choose an earlier time", instant(end))
		case wanted[n].Expires == 0:
			c.Err = fmt.Errorf("it is missing, and the maximum lifetime ends at %s; state it", instant(end))
		case wanted[n].Expires > last:
			c.Err = fmt.Errorf("%s is after the end of the maximum lifetime, %s; choose an earlier time", instant(time.Unix(wanted[n].Expires, 0)), instant(end))
		default:
			continue
		}
		return restrictionsError(RequestTooLong, &c)
	}
	return &RequestError{Field: "restrictions", Code: RequestTooLong, Reason: "they exceed the maximum lifetime"}
}

// childCapabilities chooses the capabilities of a child (protocol section 3.3).
func childCapabilities(parent capability.Set, req *DeriveRequest) (capability.Set, error) {
	if err := checkKnown(&req.Properties); err != nil {
		return nil, err
	}
	refuse := func(lacks string) error {
		return &RequestError{Field: "capabilities", Code: RequestNoCapability, Reason: fmt.Sprintf(
			"the parent has %s, and %s; ask for some of what it has", capabilityNames(parent), lacks)}
	}
	child, dropped := capability.Narrow(parent, req.Properties.Capabilities)
	switch {
	case len(child) == 0:
		return nil, refuse("none of " + capabilityNames(req.Properties.Capabilities))
	case len(dropped) > 0 && !req.Adjust && !req.Verbatim:
		return nil, refuse("not " + capabilityNames(dropped))
	}
	return child, nil
}

// capabilityNames lists capabilities for a text.
func capabilityNames(set capability.Set) string {
	return plain.Few(len(set), 8, " ", func(i int) string { return clip.Name(string(set[i])) })
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (i *Issuer) narrow(parent, wanted restriction.List, used []restriction.Usage) restriction.Narrowed {
	return restriction.Narrow(parent, wanted, i.narrowOptions(used))
}

func (i *Issuer) narrowOptions(used []restriction.Usage) restriction.NarrowOptions {
	return restriction.NarrowOptions{
		Conditions: i.cfg.Restrictions.Conditions, Used: used, IndependentBudgets: i.cfg.IndependentBudgets,
	}
}
