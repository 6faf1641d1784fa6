package rest

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// maxEditedClauses is how many clauses an editor shows. What is longer is edited
// as JSON.
const maxEditedClauses = 24

// Editor is the fields with which a user changes restrictions and rotation
// without a script: its buttons send the form, and the page comes back changed.
type Editor struct {
	Clauses  []ClauseFields
	Rotation RotationFields
	// Lifetime is the field that makes all clauses end sooner, one of Lifetimes.
	Lifetime  Field
	Lifetimes []LifetimeChoice
	// Action is where the form is sent.
	Action string
	// Narrows says that no clause may allow more than was asked for.
	Narrows bool
	// Scopes are those that the provider is asked for if no clause says which.
	Scopes []string
	// Full says that no further clause fits.
	Full bool
	// Open says that the user is at it.
	Open bool
}

// ClauseFields are the fields of one clause.
type ClauseFields struct {
	// Number counts from 1; ID is the id of the group, and begins those of its
	// fields.
	Number int
	ID     string
	// Origin is the number of the clause that was asked for and that this one
	// comes from, 0 if it is new.
	Origin int
	// Fields are those of the keys that the issuer supports, by their names in
	// protocol section 2.1.
	Fields map[string]*Field
	// Kept are the lines in words of what the embedding program defines, which
	// no field changes.
	Kept []string
	// Error is wrong with the clause as a whole.
	Error string
}

// RotationFields are the fields for the rotation of a token.
type RotationFields struct {
	OnAT, OnOther, AutoRevoke bool
	Lifetime                  Field // seconds
}

// Field is an input with its id, which is its name too, its text, and what is
// wrong with it.
type Field struct{ ID, Value, Error string }

// LifetimeChoice is how long a token may live at most.
type LifetimeChoice struct{ Value, Text string }

var lifetimeChoices = []LifetimeChoice{
	{"", "as the clauses say"}, {"3600", "1 hour"}, {"28800", "8 hours"}, {"86400", "1 day"}, {"604800", "7 days"},
	{"2592000", "30 days"}, {"7776000", "90 days"}, {"31536000", "1 year"},
}

// draft is a clause as it stands in the fields of a form.
type draft struct {
	origin int
	texts  map[string]string // by key
}

// drafts are the texts with which clauses are edited.
func drafts(list restriction.List) []draft {
	out := make([]draft, 0, len(list))
	for i := range list {
		d := draft{origin: i + 1, texts: make(map[string]string)}
		for _, f := range clauseFields {
			d.texts[f.key] = f.write(&list[i])
		}
		out = append(out, d)
	}
	return out
}

// newEditor shows clauses and rotation in fields, for what was asked for.
func (c *call) newEditor(all []draft, asked restriction.List, rotation *mytoken.Rotation) *Editor {
	e := &Editor{Lifetimes: lifetimeChoices, Lifetime: Field{ID: "lifetime"}, Full: len(all) >= maxEditedClauses}
	keys := c.issuer.RestrictionKeys()
	for i, d := range all {
		fields := ClauseFields{Number: i + 1, ID: fmt.Sprintf("clause-%d", i+1), Origin: d.origin, Fields: make(map[string]*Field)}
		for _, f := range clauseFields {
			if slices.Contains(keys, f.key) {
				fields.Fields[f.key] = &Field{ID: fields.ID + "-" + f.key, Value: d.texts[f.key]}
			}
		}
		if extra := extraOf(d, asked); extra != nil {
			fields.Kept = clauseLines(&restriction.Clause{Extra: extra})
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

// extraOf are the embedding program's keys of the clause that a draft comes from.
func extraOf(d draft, asked restriction.List) []restriction.Extra {
	if d.origin < 1 || d.origin > len(asked) {
		return nil
	}
	return asked[d.origin-1].Clone().Extra
}

// editable reports whether the fields of an editor can say all that a list says.
func editable(list restriction.List) bool {
	if len(list) > maxEditedClauses {
		return false
	}
	for i, d := range drafts(list) {
		c, problems := d.read(list)
		if len(problems) > 0 || !c.Equal(&list[i]) {
			return false
		}
	}
	return true
}

// fail marks what is wrong with a field of a clause, or with the clause.
func (e *Editor) fail(clause int, key, text string) Problem {
	c := &e.Clauses[clause]
	if f := c.Fields[key]; f != nil {
		f.Error = text
		return Problem{Field: f.ID, Text: fmt.Sprintf("Clause %d: %s", c.Number, text)}
	}
	c.Error = text
	return Problem{Field: c.ID, Text: fmt.Sprintf("Clause %d: %s", c.Number, text)}
}

// shorten makes a list end after the chosen lifetime.
func (e *Editor) shorten(list restriction.List, now time.Time) (restriction.List, error) {
	seconds, err := strconv.ParseInt(e.Lifetime.Value, 10, 32)
	if e.Lifetime.Value == "" || err != nil {
		return list, nil
	}
	shorter, _, err := list.LimitLifetime(now, time.Duration(seconds)*time.Second)
	return shorter, err
}
