package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// Form is what a user sent with the fields of a page.
type Form struct {
	// Properties are what the fields say. Use them only if [Form.Decided] reports true.
	Properties mytoken.Properties

	pages    *Pages
	editor   *editor // nil if the user edited JSON
	problems []problem
	again    bool // the user is still editing
	judged   bool // Properties have the restrictions of the editor
	status   int  // of an error that [Form.Blame] noted; else 0

	// shown is when the page was made on which the user decided, or now while the user is
	// still editing. Lifetimes count from then, so that the token ends when the page said.
	shown  time.Time
	issued *mytoken.Properties // see Foresee
}

// Decided reports whether the user has sent the form for good and it has no mistake so
// far. Otherwise, show the page again.
func (f *Form) Decided() bool { return !f.again && len(f.problems) == 0 }

// Judged reports whether Properties are complete, so that the service can tell what it
// would issue for them.
func (f *Form) Judged() bool {
	return f.judged && len(f.problems) == 0 && len(f.Properties.Capabilities) > 0
}

// Foresee notes what the service would issue for Properties. The page then shows that,
// and marks what differs.
func (f *Form) Foresee(issued *mytoken.Properties) { f.issued = issued }

// Blame notes an error that the user can correct. The field is the wire name of what is
// wrong, and status the HTTP status of the answer.
func (f *Form) Blame(status int, field, text string) {
	if !slices.Contains([]string{"name", "capabilities", "restrictions", "rotation", "tags"}, field) {
		field = ""
	}
	f.fail(field, text)
	f.status = status
}

func (f *Form) fail(field, text string) {
	f.problems = append(f.problems, problem{field, legible.Show(text)})
}

// Status is the HTTP status of the page that shows the form again.
func (f *Form) Status() int {
	switch {
	case len(f.problems) == 0:
		return http.StatusOK
	case f.status != 0:
		return f.status
	}
	return http.StatusBadRequest
}

// readCapabilities reads the name and the chosen capabilities, at least one.
func (f *Form) readCapabilities(values url.Values, ifNone string) {
	f.Properties.Name, f.Properties.Capabilities = values.Get("name"), nil
	for _, name := range values["capabilities"] {
		f.Properties.Capabilities = append(f.Properties.Capabilities, capability.Capability(name))
	}
	f.Properties.Capabilities = f.Properties.Capabilities.Dedup()
	if len(f.Properties.Capabilities) == 0 && !f.again {
		f.fail("capabilities", ifNone)
	}
}

// readEditor reads the fields of an editor. If bounded is true, a clause that allows more
// than was asked for is a mistake. A user's change to somebody else's request must not
// make the token more powerful.
func (f *Form) readEditor(values url.Values, request mytoken.Properties, bounded bool) {
	asked := request.Restrictions
	all := draftsOf(values)
	action := values.Get("edit")
	f.again = action != ""
	f.shown = f.pages.cfg.Issuer.Now()
	if at, err := strconv.ParseInt(values.Get("shown"), 10, 64); err == nil && !f.again && at < f.shown.Unix() {
		f.shown = time.Unix(at, 0)
	}
	changed := true
	switch number, removes := strings.CutPrefix(action, "remove-"); {
	case removes:
		if n, err := strconv.Atoi(number); err == nil && n >= 1 && n <= len(all) {
			all = slices.Delete(all, n-1, n)
		}
	case action == "add" && len(all) < maxEditedClauses:
		fresh := draft{}
		if bounded && len(asked) > 0 { // a new clause has to fit within one of these
			fresh = drafts(asked[:1])[0]
		}
		all = append(all, fresh)
	default:
		changed = false
	}
	f.editor = f.pages.newEditor(all, asked, nil)
	f.editor.Narrows, f.editor.Open = bounded && len(asked) > 0, true
	f.readRotation(values, request.Rotation)
	f.editor.Lifetime.Value = values.Get(f.editor.Lifetime.ID)
	f.Properties.Restrictions = nil
	if !changed { // no verdict while the user adds and removes clauses
		f.readClauses(all, asked)
	}
}

// draftsOf returns the clauses in a form.
func draftsOf(values url.Values) []draft {
	n, err := strconv.Atoi(values.Get("clauses"))
	if err != nil || n < 0 {
		return nil
	}
	all := make([]draft, min(n, maxEditedClauses))
	for i := range all {
		id := "clause-" + strconv.Itoa(i+1)
		all[i].origin, _ = strconv.Atoi(values.Get(id + "-origin")) // other text is 0: a new clause
		all[i].texts = make(map[string]string)
		for _, k := range editedKeys {
			all[i].texts[k.key] = values.Get(id + "-" + k.key)
		}
	}
	return all
}

// readClauses makes a list of the clauses, or marks their mistakes.
func (f *Form) readClauses(all []draft, asked restriction.List) {
	e := f.editor
	var list restriction.List
	for i, d := range all {
		clause, mistakes := d.read(asked)
		clause = restriction.List{clause}.Normalize(f.shown)[0]
		if len(mistakes) == 0 && e.Narrows {
			mistakes = f.pages.beyond(clause, asked)
		}
		for _, m := range mistakes {
			f.problems = append(f.problems, e.fail(i, m))
		}
		list = append(list, clause)
	}
	if len(all) == 0 && e.Narrows {
		f.fail("add-clause", "Without a case there would be no restriction. That is more than was asked for.")
	}
	if e.Narrows && len(f.problems) == 0 && !restriction.WithinBudgets(list, asked, f.pages.cfg.Issuer.RestrictionOptions().Conditions) {
		f.fail("add-clause", "Together, the cases allow more uses than were asked for. Lower their limits, or remove a case.")
	}
	if len(f.problems) > 0 {
		return
	}
	shorter, err := e.shorten(list, f.shown)
	if err != nil {
		e.Lifetime.Error = "No case is left: all of them begin later."
		f.fail(e.Lifetime.ID, e.Lifetime.Error)
		return
	}
	if len(shorter) > 0 {
		f.Properties.Restrictions = shorter
	}
	f.judged = true
}

// beyond returns the fields in which a clause allows more than was asked for.
func (p *Pages) beyond(clause restriction.Clause, asked restriction.List) []mistake {
	options := restriction.NarrowOptions{Conditions: p.cfg.Issuer.RestrictionOptions().Conditions}
	n := restriction.Narrow(asked, restriction.List{clause}, options)
	if n.OK() {
		return nil
	}
	keys := n.Dropped[0].Keys
	if len(keys) == 0 {
		keys = []string{""}
	}
	var mistakes []mistake
	for _, key := range keys {
		mistakes = append(mistakes, mistake{key, "allows more than was asked for"})
	}
	return mistakes
}

// readRotation reads the rotation that the user chose. A lifetime and the revocation of
// old tokens are part of it, and choose none by themselves. A request for a token of a
// fixed lifetime stays as it is.
func (f *Form) readRotation(values url.Values, asked *mytoken.Rotation) {
	on := func(name string) bool { return values.Get(name) != "" }
	r := mytoken.Rotation{OnAT: on("rotation-on_AT"), OnOther: on("rotation-on_other"), AutoRevoke: on("rotation-auto_revoke")}
	fields := &f.editor.Rotation
	fields.OnAT, fields.OnOther, fields.AutoRevoke = r.OnAT, r.OnOther, r.AutoRevoke
	fields.Lifetime.Value = legible.Show(strings.TrimSpace(values.Get(fields.Lifetime.ID)))
	if text := fields.Lifetime.Value; text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if r.Lifetime = n; err != nil || r.Validate() != nil {
			fields.Lifetime.Error = "not a number of seconds, or too many"
			f.fail(fields.Lifetime.ID, "Rotation: "+fields.Lifetime.Error)
		}
	}
	f.Properties.Rotation = nil
	if rotates(&r) || asked != nil && r == *asked {
		f.Properties.Rotation = &r
	}
}
