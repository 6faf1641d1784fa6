package rest

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// maxFormFields bounds the fields of a form with an editor.
const maxFormFields = 1024

// parseForm reads the form of a page.
func parseForm(data []byte) (url.Values, error) {
	if bytes.Count(data, []byte("&")) >= maxFormFields {
		return nil, errTooMany
	}
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, errForm
	}
	return values, nil
}

// edited is what an editor was sent back with.
type edited struct {
	editor   *Editor
	list     restriction.List
	rotation *mytoken.Rotation
	problems []Problem
	// again says that the user did not decide: the page is to be shown again.
	again bool
	// judged says that list is what the fields say.
	judged bool
	// failed is the status of an error; 0: none, or one of a field.
	failed int
}

// readEditor reads the fields of an editor, for what was asked for. If bounded,
// nothing that goes beyond that is let through: a token must not become more
// powerful by what the user changes on a page that says what somebody else wants.
func (c *call) readEditor(values url.Values, asked restriction.List, bounded bool) *edited {
	all := draftsOf(values)
	action := values.Get("edit")
	out := &edited{again: action != ""}
	changed := true
	switch number, removes := strings.CutPrefix(action, "remove-"); {
	case removes:
		if n, err := strconv.Atoi(number); err == nil && n >= 1 && n <= len(all) {
			all = slices.Delete(all, n-1, n)
		}
	case action == "add" && len(all) < maxEditedClauses:
		all = append(all, freshDraft(asked, bounded))
	default:
		changed = false
	}
	e := c.newEditor(all, asked, nil)
	e.Narrows, e.Open = bounded && len(asked) > 0, true
	out.editor = e
	out.readRotation(values)
	e.Lifetime.Value = values.Get(e.Lifetime.ID)
	if changed { // the user is not finished: nothing is judged
		return out
	}
	out.readClauses(c, all, asked)
	return out
}

// freshDraft is a new clause: empty, or where it must be within one that was asked
// for, the first of these.
func freshDraft(asked restriction.List, bounded bool) draft {
	if bounded && len(asked) > 0 {
		return drafts(asked[:1])[0]
	}
	return draft{}
}

// draftsOf are the clauses in a form.
func draftsOf(values url.Values) []draft {
	n, err := strconv.Atoi(values.Get("clauses"))
	if err != nil || n < 0 {
		return nil
	}
	all := make([]draft, min(n, maxEditedClauses))
	for i := range all {
		id := "clause-" + strconv.Itoa(i+1)
		all[i].origin, _ = strconv.Atoi(values.Get(id + "-origin")) // what is no number is no clause
		all[i].texts = make(map[string]string)
		for _, f := range clauseFields {
			all[i].texts[f.key] = values.Get(id + "-" + f.key)
		}
	}
	return all
}

// readClauses makes a list of the clauses, and says what is wrong with them.
func (out *edited) readClauses(c *call, all []draft, asked restriction.List) {
	e := out.editor
	for i, d := range all {
		clause, problems := d.read(asked)
		if len(problems) == 0 && e.Narrows {
			problems = c.beyond(clause, asked)
		}
		for _, p := range problems {
			out.problems = append(out.problems, e.fail(i, p.key, p.text))
		}
		out.list = append(out.list, clause)
	}
	if len(all) == 0 && e.Narrows {
		out.problem(Problem{"add-clause", "Without a clause there would be no restriction. That is more than was asked for."})
	}
	if len(out.problems) > 0 {
		return
	}
	shorter, err := e.shorten(out.list, c.issuer.Now())
	if err != nil {
		e.Lifetime.Error = "No clause is left: all of them begin later."
		out.problem(Problem{e.Lifetime.ID, e.Lifetime.Error})
		return
	}
	out.list = shorter
	if len(shorter) == 0 {
		out.list = nil
	}
	out.judged = true
}

// beyond says in which fields a clause allows more than each of those that were
// asked for.
func (c *call) beyond(clause restriction.Clause, asked restriction.List) []fieldProblem {
	n := restriction.Narrow(asked, restriction.List{clause}, restriction.NarrowOptions{Conditions: c.issuer.RestrictionOptions().Conditions})
	if n.OK() {
		return nil
	}
	var problems []fieldProblem
	for _, key := range n.Dropped[0].Keys {
		problems = append(problems, fieldProblem{key, "allows more than was asked for"})
	}
	if len(problems) == 0 {
		problems = []fieldProblem{{"", "allows more than was asked for"}}
	}
	return problems
}

func (out *edited) problem(p Problem) { out.problems = append(out.problems, p) }

// blame notes an error that the user can do something about, and reports whether
// it is one: something that he wrote, or a provider that does not answer.
func (out *edited) blame(err error) bool {
	if err == nil || errors.Is(err, issuer.ErrUnknownProvider) {
		return false
	}
	var (
		upstream *issuer.UpstreamError
		request  *issuer.RequestError
		told     = problemOf(err)
		shown    = Problem{Text: told.text}
	)
	switch {
	case errors.As(err, &upstream):
		shown.Text = "Your provider does not answer as it should. Please try again later."
	case told.code != wire.ErrorInvalidRequest:
		return false
	case errors.As(err, &request) && slices.Contains([]string{"name", "capabilities", "restrictions", "rotation"}, request.Field):
		shown.Field = request.Field
	}
	out.problem(shown)
	out.failed = told.status
	return true
}

// status is that of the page that is shown again.
func (out *edited) status() int {
	switch {
	case len(out.problems) == 0:
		return http.StatusOK
	case out.failed != 0:
		return out.failed
	}
	return http.StatusBadRequest
}

func (out *edited) readRotation(values url.Values) {
	on := func(name string) bool { return values.Get(name) != "" }
	r := mytoken.Rotation{OnAT: on("rotation-on_AT"), OnOther: on("rotation-on_other"), AutoRevoke: on("rotation-auto_revoke")}
	fields := &out.editor.Rotation
	fields.OnAT, fields.OnOther, fields.AutoRevoke = r.OnAT, r.OnOther, r.AutoRevoke
	fields.Lifetime.Value = strings.TrimSpace(values.Get(fields.Lifetime.ID))
	if text := fields.Lifetime.Value; text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if r.Lifetime = n; err != nil || r.Validate() != nil {
			fields.Lifetime.Error = "not a number of seconds, or too many"
			out.problem(Problem{fields.Lifetime.ID, "Rotation: " + fields.Lifetime.Error})
		}
	}
	if r != (mytoken.Rotation{}) {
		out.rotation = &r
	}
}
