package forecast

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/plain"
	"github.com/mytoken-go/sdk/restriction"
)

// Describe writes the forecast in sentences, one per line. It says in words what package
// timeline draws. It escapes control and format characters of the token.
// Escape the result for HTML.
func (f *Forecast) Describe(s Style) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s.\n", s.title(), s.between(f.From, f.Until))
	if !f.Life.Fixed() && f.Life.Idle.Before(f.Until) {
		fmt.Fprintf(&text, "After %s the token lives on only if it is used in time: %s.\n", s.Instant(f.Life.Idle), f.Rotation.words())
	}
	for i := range f.Clauses {
		text.WriteString(f.Sentence(s, i) + ".\n")
	}
	const most = 8
	gaps := f.Gaps()
	for _, gap := range gaps[:min(len(gaps), most)] {
		text.WriteString("Nothing is admitted " + f.gap(&s, &gap) + ".\n")
	}
	if more := len(gaps) - most; more > 0 {
		fmt.Fprintf(&text, "Nothing is admitted %s more.\n", plain.Count(int64(more), "time"))
	}
	return text.String()
}

// words says which uses keep a token alive, and for how long.
func (r *Rotation) words() string {
	uses := "each use that is no access token"
	switch {
	case r.OnAT && r.OnOther:
		uses = "each use"
	case r.OnAT:
		uses = "each access token"
	}
	const most = 100 * 365 * 24 * 60 * 60
	return fmt.Sprintf("%s gives it another %s", uses, strings.TrimPrefix(offset(int64(min(r.seconds(), most))), "+"))
}

// Sentence describes f.Clauses[i] in one sentence, without a full stop.
func (f *Forecast) Sentence(s Style, i int) string {
	c := &f.Clauses[i]
	name := "No restriction"
	if c.Index != restriction.NoClause {
		name = fmt.Sprintf("%s %d", cmp.Or(s.Clause, "Clause"), c.Index+s.First)
	}
	if label := s.label(i); label != "" && label != name {
		name += " (" + label + ")"
	}
	parts := []string{name + ": " + f.when(&s, c)}
	if c.Limits.Schedule != nil {
		parts = append(parts, c.Limits.Schedule.String())
	}
	for _, term := range c.Limits.Terms() {
		parts = append(parts, term.What+" "+list(term.Entries))
	}
	parts = append(parts, c.uses(f.Counted)...)
	isSchedule := func(key string) bool { return key == restriction.KeySchedule }
	if slices.ContainsFunc(c.CannotTell, isSchedule) {
		parts = append(parts, "changes too often to forecast all of this period")
	}
	if keys := slices.DeleteFunc(slices.Clone(c.CannotTell), isSchedule); len(keys) > 0 {
		parts = append(parts, "depends on "+list(keys)+", which nobody can forecast")
	}
	if len(c.Lookups) > 0 {
		parts = append(parts, "depends on look-ups for "+list(c.Lookups))
	}
	return strings.Join(parts, "; ")
}

// Label names f.Clauses[i] in few words: by its label in s, or else by its scopes.
func (f *Forecast) Label(s Style, i int) string {
	scopes := f.Clauses[i].Limits.Scopes
	switch label := s.label(i); {
	case label != "":
		return label
	case len(scopes) > 0:
		return legible.Show(strings.Join(scopes, " "))
	case scopes != nil:
		return "no scope"
	}
	return "any scope"
}

// when says at which times a clause is open.
func (f *Forecast) when(s *Style, c *Clause) string {
	if c.Never != nil {
		return "never, " + legible.Show(c.Never.Key+": "+c.Never.Err.Error())
	}
	const few, most = 2, 8
	var open, unknown []string
	for _, span := range c.Spans {
		switch span.State {
		case Open:
			open = append(open, f.span(s, c, span))
		case Unknown:
			unknown = append(unknown, "perhaps "+f.span(s, c, span))
		}
	}
	all := append(open, unknown...)
	switch n := len(all); {
	case n == 0:
		return "not in this period"
	case n > few && c.Limits.Schedule != nil: // which says more than a list of times
		first, last := c.edges()
		return fmt.Sprintf("%s from %s", plain.Count(int64(n), "time"), s.between(first, last))
	case n > most:
		all = append(all[:most], fmt.Sprintf("and %d more times", n-most))
	}
	return strings.Join(all, ", ")
}

// edges returns when a clause opens first and closes last. It opens at some time.
func (c *Clause) edges() (first, last time.Time) {
	for _, span := range c.Spans {
		if span.State == Closed {
			continue
		}
		if first.IsZero() {
			first = span.From
		}
		last = span.Until
	}
	return first, last
}

// span says when a clause is open, and whether it stays open after the forecast.
func (f *Forecast) span(s *Style, c *Clause, span Span) string {
	switch {
	case !span.Until.Equal(f.Until) || c.After != span.State:
		return "from " + s.between(span.From, span.Until)
	case span.From.Equal(f.From):
		return "all the time"
	}
	return "from " + s.Instant(span.From) + " on"
}

// uses says how many uses of each limited kind are left.
func (c *Clause) uses(counted bool) []string {
	left := func(n int64, what string) string {
		switch {
		case n <= 0:
			return "no " + what + "s left"
		case counted:
			return plain.Count(n, what) + " left"
		}
		return "at most " + plain.Count(n, what) + " left"
	}
	var parts []string
	if n, limited := c.Left.Of(restriction.AT); c.NoAT {
		parts = append(parts, "no access tokens without the capability AT")
	} else if limited {
		parts = append(parts, left(n, "access token"))
	}
	if n, limited := c.Left.Of(restriction.Other); limited {
		parts = append(parts, left(n, "other use"))
	}
	return parts
}
