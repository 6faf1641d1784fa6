package profile

import (
	"fmt"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/restriction"
)

// Check returns an error for an expanded piece that makes no sense. The payload is an
// array of clauses, an array of names, a rotation object, or the tags of a profile.
type Check func(t Type, payload []byte) error

// Times returns the Unix seconds that the text of a time stands for.
type Times func(text string) (int64, error)

// profileMembers are the members that a profile may have (protocol section 5.4).
var profileMembers = []string{
	"oidc_issuer", "restrictions", "capabilities", "name", "response_type", "max_token_len", "rotation", "application_name", "error_on_restrictions", string(Tags),
}

// check expands a piece and judges it, and each part of a profile.
func (s *Set) check(k key, check Check) error {
	n, err := s.expand(k)
	if err != nil {
		return err
	}
	if k.typ != Profiles {
		return checkPart(k.typ, n, check)
	}
	for _, m := range n.members {
		if !slices.Contains(profileMembers, m.name) {
			return failed("a profile has no member '%s'", clip.Name(m.name))
		}
		if t, ok := ParseType(m.name); ok || t == Tags {
			if err := checkPart(t, m.value, check); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPart(t Type, n *node, check Check) error {
	if t == Restrictions {
		n = union(elements(n))
	}
	if (t == Restrictions || t == Capabilities) && len(n.items) == 0 {
		return failed("%s: empty", t)
	}
	if check == nil {
		return nil
	}
	return check(t, n.appendJSON(nil, false))
}

// absolute replaces the texts of times in restrictions by numbers.
func absolute(n *node, t Type, times Times) (*node, error) {
	switch {
	case t == Profiles && n.get("restrictions") != nil:
		list, err := absolute(n.get("restrictions"), Restrictions, times)
		if err != nil {
			return nil, err
		}
		return n.with("restrictions", list), nil
	case t == Restrictions && n.isArray():
		out := &node{kind: '['}
		for _, item := range n.items {
			clause, err := absolute(item, t, times)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, clause)
		}
		return out, nil
	case t == Restrictions && n.isObject():
		for _, name := range []string{restriction.KeyNotBefore, restriction.KeyExpires} {
			value := n.get(name)
			if !value.isText() {
				continue
			}
			seconds, err := times(value.text)
			if err != nil {
				return nil, err
			}
			n = n.with(name, &node{kind: '0', scalar: fmt.Appendf(nil, "%d", seconds)})
		}
	}
	return n, nil
}

// TimesAt returns the [Times] of requests at an instant (protocol section 2.2). A nil
// location is UTC.
func TimesAt(now time.Time, location *time.Location) Times {
	return func(text string) (int64, error) {
		clause := (&node{kind: '{'}).with(restriction.KeyExpires, textNode(text))
		list, err := restriction.ParseRequest((&node{kind: '[', items: []*node{clause}}).appendJSON(nil, false),
			restriction.RequestOptions{Now: now, Location: location})
		if err != nil {
			return 0, err
		}
		return list[0].Expires, nil
	}
}
