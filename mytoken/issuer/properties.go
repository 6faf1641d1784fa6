package issuer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/tagging"
	"github.com/mytoken-go/sdk/restriction"
)

// checkResponse refuses a form that does not exist. A caller that asked for another form
// than it gets could not use the answer.
func checkResponse(r mytoken.Response) error {
	switch r.Type {
	case "", mytoken.ResponseToken, mytoken.ResponseShortToken, mytoken.ResponseTransferCode:
	default:
		return &RequestError{Field: "response_type", Reason: fmt.Sprintf("'%s' is none of %s, %s and %s", clip.Name(string(r.Type)),
			mytoken.ResponseToken, mytoken.ResponseShortToken, mytoken.ResponseTransferCode)}
	}
	if r.MaxLength < 0 {
		return &RequestError{Field: "max_token_len", Reason: fmt.Sprintf("%d is negative; leave it out for any length", r.MaxLength)}
	}
	return nil
}

// chooseForm returns the form for a compact token of the given length.
func chooseForm(r mytoken.Response, length, shortLength int) mytoken.ResponseType {
	switch {
	case r.MaxLength > 0 && length <= r.MaxLength:
		return mytoken.ResponseToken
	case r.MaxLength > 0 && shortLength <= r.MaxLength:
		return mytoken.ResponseShortToken
	case r.MaxLength > 0:
		return mytoken.ResponseTransferCode
	case r.Type == mytoken.ResponseShortToken, r.Type == mytoken.ResponseTransferCode:
		return r.Type
	}
	return mytoken.ResponseToken
}

// firstProperties returns a checked copy of the properties for a first token, with the
// default capabilities filled in and equal clauses merged. What counts from the creation of
// the token counts from a time: when the page was shown that told the user, or now.
func (i *Issuer) firstProperties(p mytoken.Properties, from time.Time) (mytoken.Properties, error) {
	p = p.Clone()
	if p.Capabilities == nil {
		p.Capabilities = capability.Default()
	}
	p.Restrictions = p.Restrictions.Normalize(from)
	if err := i.checkProperties(&p, i.Now()); err != nil {
		return p, err
	}
	if err := checkKnown(&p); err != nil {
		return p, err
	}
	if err := checkUses(p.Capabilities, p.Restrictions); err != nil {
		return p, err
	}
	p.Restrictions = restriction.Merge(p.Restrictions)
	return p, nil
}

// checkKnown refuses a request for unknown capabilities (D32), also below a known name: the
// child of a tokeninfo token must not have tokeninfo:foo, whatever that will mean one day. A
// child that asks for none inherits those that its parent has.
func checkKnown(p *mytoken.Properties) error {
	if unknown := p.Capabilities.Unknown(); len(unknown) > 0 {
		return &RequestError{Field: "capabilities", Code: RequestUnknownCapability, Reason: fmt.Sprintf("unknown capability %q", string(unknown[0]))}
	}
	return nil
}

// checkProperties refuses properties that must not be issued: a name that is too long
// (D85), a list that became empty, restrictions that make no sense or that this issuer
// cannot evaluate (D26, D29), and a token that could never be used. It checks limits
// first.
func (i *Issuer) checkProperties(p *mytoken.Properties, now time.Time) error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	var err error
	if p.Tags, err = checkTags(p.Tags); err != nil {
		return err
	}
	if p.Capabilities != nil && len(p.Capabilities) == 0 {
		return &RequestError{Field: "capabilities", Reason: "the list has no entries; leave it out for the default"}
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
	return checkTimes(p, now)
}

// checkUses refuses capabilities that the limits of all clauses make useless. The limits of
// a child are what its parent has left. An uncounted use, such as introspection, needs no
// limit above 0.
func checkUses(capabilities capability.Set, list restriction.List) error {
	none := func(limit func(*restriction.Clause) *int64) bool {
		for i := range list {
			if n := limit(&list[i]); n == nil || *n > 0 {
				return false
			}
		}
		return len(list) > 0
	}
	useless := func(key, what string) error {
		return &RequestError{Field: "restrictions", Reason: fmt.Sprintf("%s leaves nothing in any clause, so %s could never be used; raise the limit or leave the capability out", key, what)}
	}
	switch at := capabilities.Allows(capability.AT); {
	case at && none(func(c *restriction.Clause) *int64 { return c.UsagesAT }):
		return useless(restriction.KeyUsagesAT, "the capability AT")
	case !at && !capabilities.Allows(capability.TokeninfoIntrospect) && none(func(c *restriction.Clause) *int64 { return c.UsagesOther }):
		return useless(restriction.KeyUsagesOther, "the token")
	}
	return nil
}

func checkName(name string) error {
	if utf8.RuneCountInString(name) > mytoken.MaxNameLength {
		return &RequestError{Field: "name", Reason: fmt.Sprintf("longer than %d characters", mytoken.MaxNameLength)}
	}
	return checkText("name", name)
}

// maxTextBytes bounds texts that are cut before they are kept or shown.
const maxTextBytes = 8 << 10

// checkText refuses a text that is too long to be meant, and a text that somebody typed
// if it has control or format characters. Package legible has the rule.
func checkText(field, text string) error {
	if err := checkLength(field, text); err != nil {
		return err
	}
	if reason := legible.Refuse(text); reason != "" {
		return &RequestError{Field: field, Reason: reason}
	}
	return nil
}

func checkLength(field, text string) error {
	if len(text) > maxTextBytes {
		return &RequestError{Field: field, Reason: fmt.Sprintf("%d bytes, at most %d are allowed", len(text), maxTextBytes)}
	}
	return nil
}

func (i *Issuer) checkRestrictions(list restriction.List) error {
	if list != nil && len(list) == 0 {
		return &RequestError{Field: "restrictions", Reason: "the list has no clauses; leave it out instead"}
	}
	if most := i.cfg.Limits.Clauses; len(list) > most {
		return &RequestError{Field: "restrictions", Reason: fmt.Sprintf("%d clauses, at most %d are allowed", len(list), most)}
	}
	if err := list.Validate(); err != nil {
		return requestError("restrictions", err)
	}
	if err := i.cfg.Restrictions.Check(list); err != nil {
		return requestError("restrictions", err)
	}
	if text, err := list.AppendJSON(nil); err != nil {
		return requestError("restrictions", err)
	} else if most := i.cfg.Limits.RestrictionBytes; len(text) > most {
		return &RequestError{Field: "restrictions", Reason: fmt.Sprintf("%d bytes, at most %d are allowed", len(text), most)}
	}
	return nil
}

// checkCommon refuses more than the limits allow. A child may have what its parent has,
// with what was wanted.
func (i *Issuer) checkCommon(list, parent, wanted restriction.List) error {
	if most := max(i.cfg.Limits.Clauses, len(parent)); len(list) > most {
		return &RequestError{Field: "restrictions", Reason: fmt.Sprintf(
			"what they have in common with the parent's are %d clauses, at most %d are allowed; state more keys in each clause, or ask for fewer clauses", len(list), most)}
	}
	var bytes [3]int
	for n, l := range []restriction.List{list, parent, wanted} {
		text, err := l.AppendJSON(nil)
		if err != nil {
			return requestError("restrictions", err)
		}
		bytes[n] = len(text)
	}
	if most := max(i.cfg.Limits.RestrictionBytes, bytes[1]+bytes[2]); bytes[0] > most {
		return &RequestError{Field: "restrictions", Reason: fmt.Sprintf(
			"what they have in common with the parent's are %d bytes, at most %d are allowed; state more keys in each clause, or ask for fewer clauses", bytes[0], most)}
	}
	return nil
}

// checkTimes refuses a token that could never be used: all its clauses have ended or admit
// nothing any more, or its first generation ends before the first of them begins.
func checkTimes(p *mytoken.Properties, now time.Time) error {
	begin, last := p.Restrictions.Bounds(now)
	if last != 0 && last < now.Unix() {
		n := slices.IndexFunc(p.Restrictions, func(c restriction.Clause) bool { return c.Expires == last })
		return restrictionsError(RequestExpired, &restriction.ClauseError{Clause: n, Key: restriction.KeyExpires, Err: fmt.Errorf(
			"%s is in the past, and no other clause ends later; choose a later time", instant(time.Unix(last, 0)))})
	}
	first, err := firstTime(p.Restrictions, now)
	if err != nil {
		return err
	}
	if begin = max(begin, first); begin == noTime {
		return restrictionsError(RequestExpired, &restriction.ClauseError{Key: restriction.KeySchedule, Err: errors.New(
			"no clause admits anything from now until it ends; choose a later end or another schedule")})
	}
	if end := p.Rotation.Expiry(now); !end.IsZero() && end.Unix() < begin {
		return &RequestError{Field: "rotation", Reason: fmt.Sprintf(
			"a lifetime of %d seconds ends before the restrictions begin, at %s; choose a longer one", p.Rotation.Lifetime, instant(time.Unix(begin, 0)))}
	}
	return nil
}

// noTime stands for no second.
const noTime = math.MaxInt64

// firstTime returns the first second, from now on, in which the times of a clause admit a
// use. Only schedules need such a search: without them, it returns 0.
func firstTime(list restriction.List, now time.Time) (int64, error) {
	times, recurs := make(restriction.List, len(list)), false
	for n, c := range list {
		if c.NotBefore == 0 && c.Expires == 0 && c.Schedule == nil { // admits at all times
			return 0, nil
		}
		recurs = recurs || c.Schedule != nil
		times[n] = restriction.Clause{NotBefore: c.NotBefore, Expires: c.Expires, Schedule: c.Schedule}
	}
	if !recurs {
		return 0, nil
	}
	policy, err := restriction.Compile(times, restriction.Options{})
	if err != nil {
		return 0, requestError("restrictions", err)
	}
	earliest := policy.Explain(&restriction.Request{Now: now, Kind: restriction.Uncounted}).Earliest
	if earliest.IsNever() {
		return noTime, nil
	}
	first, _ := earliest.Time()
	return max(first.Unix(), 0), nil
}

// maxTagsOfRequest bounds the tags that a request for a token may have.
const maxTagsOfRequest = 64

// checkTag checks a tag of a request, and trims it.
func checkTag(field string, tag mytoken.Tag) (mytoken.Tag, error) {
	var wrong string
	if tag.Name, wrong = tagging.Name(tag.Name); wrong != "" {
		return tag, &RequestError{Field: field, Reason: wrong}
	}
	if tag.Color, wrong = tagging.Color(tag.Color); wrong != "" {
		return tag, &RequestError{Field: "color", Reason: wrong}
	}
	return tag, nil
}

// checkTags checks the tags of a request for a token, and returns each once.
func checkTags(tags []mytoken.Tag) ([]mytoken.Tag, error) {
	if len(tags) > maxTagsOfRequest {
		return nil, &RequestError{Field: "tags", Reason: fmt.Sprintf("%d, at most %d are allowed", len(tags), maxTagsOfRequest)}
	}
	var out []mytoken.Tag
	for _, tag := range tags {
		tag, err := checkTag("tags", tag)
		if err != nil {
			return nil, err
		}
		if at := slices.IndexFunc(out, func(have mytoken.Tag) bool { return have.Name == tag.Name }); at >= 0 {
			out[at].Children = out[at].Children || tag.Children
			continue
		}
		out = append(out, tag)
	}
	return out, nil
}
