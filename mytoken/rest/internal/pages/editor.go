package pages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// maxEditedClauses is how many clauses an editor shows. Users edit a longer list as JSON.
const maxEditedClauses = 24

// editor is the fields with which a user changes restrictions and rotation.
type editor struct {
	Clauses  []clauseFields
	Rotation rotationFields
	// Lifetime is the field that makes all clauses expire sooner, one of Lifetimes.
	Lifetime  field
	Lifetimes []lifetimeChoice
	Action    string   // where the form is sent
	Narrows   bool     // no clause may allow more than was asked for
	Scopes    []string // what a login requests if no clause names scopes
	Full      bool     // there is no room for another clause
	Open      bool     // the user is editing
	// Shown is when the page was made, in Unix seconds. Lifetimes count from then.
	Shown int64
}

// clauseFields are the fields of one clause.
type clauseFields struct {
	Number int    // from 1
	ID     string // of the group; the ids of its fields begin with it
	Origin int    // number of the clause that was asked for and became this one; 0 if it is new
	// Fields has a field for each key that the issuer supports, by its name in protocol
	// section 2.1.
	Fields map[string]*field
	Kept   []line // the embedding program's own conditions in words; no field changes them
	Error  string // about the clause as a whole
}

// rotationFields are the fields for the rotation of a token.
type rotationFields struct {
	OnAT, OnOther, AutoRevoke bool
	Lifetime                  field // seconds
}

// field is an input. Its id is its name too. Note says what the service makes of the
// value.
type field struct{ ID, Value, Error, Note string }

// lifetimeChoice is a lifetime in seconds, and in words.
type lifetimeChoice struct{ Value, Text string }

var lifetimeChoices = []lifetimeChoice{
	{"", "as the cases say"}, {"3600", "1 hour"}, {"28800", "8 hours"}, {"86400", "1 day"}, {"604800", "7 days"},
	{"2592000", "30 days"}, {"7776000", "90 days"}, {"31536000", "1 year"},
}

// draft is a clause as the fields of a form show it.
type draft struct {
	origin int
	texts  map[string]string // by key
}

// drafts returns the texts with which a user edits clauses.
func drafts(list restriction.List) []draft {
	out := make([]draft, 0, len(list))
	for i := range list {
		d := draft{origin: i + 1, texts: make(map[string]string)}
		for _, k := range editedKeys {
			d.texts[k.key] = k.write(&list[i])
		}
		out = append(out, d)
	}
	return out
}

// newEditor shows clauses and rotation in fields. A draft keeps the embedding program's
// own keys of the clause in asked that it comes from.
func (p *Pages) newEditor(all []draft, asked restriction.List, rotation *mytoken.Rotation) *editor {
	e := &editor{Lifetimes: lifetimeChoices, Lifetime: field{ID: "lifetime"}, Full: len(all) >= maxEditedClauses, Shown: p.cfg.Issuer.Now().Unix()}
	supported := p.cfg.Issuer.RestrictionKeys()
	for i, d := range all {
		fields := clauseFields{Number: i + 1, ID: fmt.Sprintf("clause-%d", i+1), Origin: d.origin, Fields: make(map[string]*field)}
		for _, k := range editedKeys {
			if slices.Contains(supported, k.key) {
				fields.Fields[k.key] = &field{ID: fields.ID + "-" + k.key, Value: legibleLines(d.texts[k.key])}
			}
		}
		if extra := extraOf(d, asked); extra != nil {
			fields.Kept = p.clauses(restriction.List{{Extra: extra}}, nil)[0].Lines
		}
		e.Clauses = append(e.Clauses, fields)
	}
	e.Rotation.Lifetime.ID = "rotation-lifetime"
	if r := rotation; r != nil {
		e.Rotation.OnAT, e.Rotation.OnOther, e.Rotation.AutoRevoke = r.OnAT, r.OnOther, r.AutoRevoke
		if r.Lifetime > 0 {
			e.Rotation.Lifetime.Value = strconv.FormatUint(r.Lifetime, 10)
		}
	}
	return e
}

// extraOf returns the embedding program's own keys of the clause that a draft comes from.
func extraOf(d draft, asked restriction.List) []restriction.Extra {
	if d.origin < 1 || d.origin > len(asked) {
		return nil
	}
	return asked[d.origin-1].Clone().Extra
}

// editable reports whether the fields of an editor can express a list.
func editable(list restriction.List) bool {
	if len(list) > maxEditedClauses {
		return false
	}
	for i, d := range drafts(list) {
		for _, text := range d.texts {
			if legibleLines(text) != text { // a field would not hold what was asked for
				return false
			}
		}
		c, problems := d.read(list)
		if len(problems) > 0 || !c.Equal(&list[i]) {
			return false
		}
	}
	return true
}

// legibleLines is [legible.Show] for the text of a field, which may have several lines.
func legibleLines(text string) string {
	var out strings.Builder
	for {
		at := strings.IndexAny(text, "\r\n\t")
		if at < 0 {
			return out.String() + legible.Show(text)
		}
		out.WriteString(legible.Show(text[:at]) + text[at:at+1])
		text = text[at+1:]
	}
}

// keyLabels name the fields in messages.
var keyLabels = map[string]string{
	restriction.KeyNotBefore: "from", restriction.KeyExpires: "until", restriction.KeyScope: "rights", restriction.KeyAudience: "services",
	restriction.KeyHosts: "addresses", restriction.KeyGeoIPAllow: "countries", restriction.KeyGeoIPDisallow: "countries that are not allowed",
	restriction.KeyUsagesAT: "access tokens", restriction.KeyUsagesOther: "other uses", restriction.KeySchedule: "times",
}

// fail marks a mistake in a field of a clause, or in the clause if it has no such field.
func (e *editor) fail(clause int, m mistake) problem {
	c := &e.Clauses[clause]
	m.text = legible.Show(m.text)
	text := fmt.Sprintf("Case %d: %s", c.Number, m.text)
	if label := keyLabels[m.key]; label != "" {
		text = fmt.Sprintf("Case %d, %s: %s", c.Number, label, m.text)
	}
	if f := c.Fields[m.key]; f != nil {
		f.Error = m.text
		return problem{f.ID, text}
	}
	c.Error = m.text
	return problem{c.ID, text}
}

// shorten limits clauses to the chosen lifetime, which counts from a time. It returns an
// error if none is left.
func (e *editor) shorten(list restriction.List, from time.Time) (restriction.List, error) {
	seconds, err := strconv.ParseInt(e.Lifetime.Value, 10, 32)
	if e.Lifetime.Value == "" || err != nil {
		return list, nil
	}
	shorter, _, err := list.LimitLifetime(from, time.Duration(seconds)*time.Second)
	return shorter, err
}
