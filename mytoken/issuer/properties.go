package issuer

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// Properties are what a token is requested with (protocol section 5.4).
//
// nil and empty differ: nil stands for what is said below, a list without
// entries is refused, because it is most likely what was left of a longer one.
// An HTTP edge, where absent and empty mean the same, passes nil for both.
type Properties struct {
	// Name is a name for humans, at most MaxNameLength characters, none of
	// them a control character.
	Name string
	// Capabilities: nil means capability.Default() for a first token, and all
	// of the parent's for a child.
	Capabilities capability.Set
	// Restrictions: nil means unrestricted for a first token, and the parent's
	// for a child.
	Restrictions restriction.List
	// Rotation: nil means that the token is not rotated. It is not inherited.
	Rotation *mytoken.Rotation
}

// ResponseType is the form in which a new token is handed out (protocol
// section 1.12).
type ResponseType string

// The response types. Every other value behaves as ResponseToken.
const (
	ResponseToken        ResponseType = "token"
	ResponseShortToken   ResponseType = "short_token"
	ResponseTransferCode ResponseType = "transfer_code"
)

// Response says in which form a new token is wanted.
type Response struct {
	Type ResponseType
	// MaxLength, if positive, overrides Type: the token if it is not longer,
	// in bytes; else a short token if that is not longer; else a transfer
	// code.
	MaxLength int
}

// normal returns r without what has no meaning.
func (r Response) normal() Response {
	if r.Type != ResponseShortToken && r.Type != ResponseTransferCode {
		r.Type = ResponseToken
	}
	r.MaxLength = max(r.MaxLength, 0)
	return r
}

// choose picks the form for a compact token of the given length.
func (r Response) choose(length, shortLength int) ResponseType {
	switch {
	case r.MaxLength > 0 && length <= r.MaxLength:
		return ResponseToken
	case r.MaxLength > 0 && shortLength <= r.MaxLength:
		return ResponseShortToken
	case r.MaxLength > 0:
		return ResponseTransferCode
	case r.Type == ResponseShortToken, r.Type == ResponseTransferCode:
		return r.Type
	}
	return ResponseToken
}

// clone returns a copy that shares nothing with p. Empty stays empty, and nil
// nil.
func (p Properties) clone() Properties {
	p.Capabilities = slices.Clone(p.Capabilities)
	p.Restrictions = p.Restrictions.Clone()
	p.Rotation = cloneRotation(p.Rotation)
	return p
}

func cloneRotation(r *mytoken.Rotation) *mytoken.Rotation {
	if r == nil {
		return nil
	}
	copied := *r
	return &copied
}

// firstProperties returns a checked copy of what a first token is requested
// with, the default filled in and equal clauses merged.
func (i *Issuer) firstProperties(p Properties) (Properties, error) {
	p = p.clone()
	if p.Capabilities == nil {
		p.Capabilities = capability.Default()
	}
	if err := p.check(i, i.now()); err != nil {
		return p, err
	}
	if err := p.checkKnown(); err != nil {
		return p, err
	}
	p.Restrictions = restriction.Merge(p.Restrictions) // quadratic, so after the limits
	return p, nil
}

// checkKnown refuses capabilities that nobody knows, for a first token (D32): a
// child gets only what its parent has.
func (p *Properties) checkKnown() error {
	if unknown := p.Capabilities.Unknown(); len(unknown) > 0 {
		return &RequestError{Field: "capabilities", Reason: fmt.Sprintf("unknown capability %q", string(unknown[0]))}
	}
	return nil
}

// maxRestrictionBytes bounds the JSON text of the restrictions of a token that
// is issued. It leaves room in MaxTokenBytes for the other claims, for an end
// that a maximum lifetime adds to each clause, and for base64.
const maxRestrictionBytes = 140 << 10

// check refuses properties that must not be issued: names that are too long
// (D85), lists that became empty, restrictions that make no sense or that this
// issuer cannot evaluate (D26, D29), and tokens that could never be used. Limits
// come first.
func (p *Properties) check(i *Issuer, now time.Time) error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	if p.Capabilities != nil && len(p.Capabilities) == 0 {
		return &RequestError{Field: "capabilities", Reason: "a list without entries"}
	}
	if err := p.Capabilities.Validate(); err != nil {
		return requestError("capabilities", err)
	}
	if err := i.checkRestrictions(p.Restrictions); err != nil {
		return err
	}
	if p.Rotation != nil {
		if err := p.Rotation.Validate(); err != nil {
			return requestError("rotation", err)
		}
	}
	return p.checkTimes(now)
}

func requestError(field string, err error) error {
	return &RequestError{Field: field, Reason: err.Error(), cause: err}
}

func checkName(name string) error {
	switch {
	case len(name) > utf8.UTFMax*MaxNameLength || utf8.RuneCountInString(name) > MaxNameLength:
		return &RequestError{Field: "name", Reason: fmt.Sprintf("longer than %d characters", MaxNameLength)}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return &RequestError{Field: "name", Reason: "not UTF-8, or with control characters"}
	}
	return nil
}

func (i *Issuer) checkRestrictions(list restriction.List) error {
	if list != nil && len(list) == 0 {
		return &RequestError{Field: "restrictions", Reason: "a list without clauses"}
	}
	if err := list.Validate(); err != nil {
		return requestError("restrictions", err)
	}
	if err := i.cfg.Restrictions.Check(list); err != nil {
		return requestError("restrictions", err)
	}
	if text, err := list.AppendJSON(nil); err != nil {
		return requestError("restrictions", err)
	} else if len(text) > maxRestrictionBytes {
		return &RequestError{Field: "restrictions", Reason: fmt.Sprintf("more than %d bytes", maxRestrictionBytes)}
	}
	return nil
}

// checkTimes refuses what would be dead from birth: restrictions that have all
// ended, and a first generation that ends before the first of them begins.
func (p *Properties) checkTimes(now time.Time) error {
	begin, last := p.Restrictions.Bounds(now)
	if last != 0 && last < now.Unix() {
		return &RequestError{Field: "restrictions", Reason: "token would already be expired"}
	}
	if end := p.Rotation.Expiry(now); !end.IsZero() && end.Unix() < begin {
		return &RequestError{Field: "rotation", Reason: fmt.Sprintf(
			"a lifetime of %d seconds ends before the restrictions begin, at %s", p.Rotation.Lifetime, time.Unix(begin, 0).UTC().Format(time.RFC3339))}
	}
	return nil
}
