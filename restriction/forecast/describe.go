package forecast

import (
	"fmt"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// Describe tells the forecast in sentences, one to a line: the text equivalent
// of the drawings, for readers who do not see them. Foreign text in it is safe
// for terminals, and has to be escaped for pages.
func (f *Forecast) Describe(s Style) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s.\n", s.title(), s.between(f.From, f.Until))
	if !f.Life.Fixed() && f.Life.Idle.Before(f.Until) {
		fmt.Fprintf(&text, "After %s the token lives on only if it is used in time: %s.\n", s.instant(f.Life.Idle), f.Rotation.words())
	}
	for i := range f.Clauses {
		text.WriteString(f.sentence(&s, i) + ".\n")
	}
	gaps := f.Gaps()
	for i := range gaps {
		text.WriteString("Nothing is admitted from " + s.between(gaps[i].From, gaps[i].Until) + ".\n")
	}
	return text.String()
}

// words tells which uses keep a token alive, and for how long.
func (r *Rotation) words() string {
	uses := "each use that is no access token"
	switch {
	case r.OnAT && r.OnOther:
		uses = "each use"
	case r.OnAT:
		uses = "each access token"
	}
	return fmt.Sprintf("%s gives it another %s", uses, strings.TrimPrefix(offset(time.Duration(min(r.seconds(), 100*365*24*60*60))*time.Second), "+"))
}

// sentence tells one clause.
func (f *Forecast) sentence(s *Style, i int) string {
	c := &f.Clauses[i]
	parts := []string{c.name(s) + ": " + f.when(s, c)}
	if i < len(s.Labels) && s.Labels[i] != "" {
		parts[0] = c.name(s) + " (" + printable(s.Labels[i]) + "): " + f.when(s, c)
	}
	parts = append(parts, c.limits()...)
	parts = append(parts, c.uses(f.Counted)...)
	if len(c.CannotTell) > 0 {
		parts = append(parts, "depends on "+list(c.CannotTell)+", which cannot tell")
	}
	if len(c.Lookups) > 0 {
		parts = append(parts, "depends on look-ups for "+list(c.Lookups))
	}
	return strings.Join(parts, "; ")
}

func (c *Clause) name(s *Style) string {
	if c.Index == restriction.NoClause {
		return "No restriction"
	}
	return fmt.Sprintf("Clause %d", c.Index+s.First)
}

// when tells the times of a clause.
func (f *Forecast) when(s *Style, c *Clause) string {
	if c.Never != nil {
		return "never, " + printable(c.Never.Error())
	}
	const most = 8
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
		return "not in this time"
	case n > most:
		all = append(all[:most], fmt.Sprintf("and %d more times", n-most))
	}
	return strings.Join(all, ", ")
}

// span tells when a clause is open, and whether it stays so.
func (f *Forecast) span(s *Style, c *Clause, span Span) string {
	if !span.Until.Equal(f.Until) || c.After != span.State {
		return "from " + s.between(span.From, span.Until)
	}
	if span.From.Equal(f.From) {
		return "all the time"
	}
	return "from " + s.instant(span.From) + " on"
}

// limits tells what a clause restricts besides time and uses.
func (c *Clause) limits() []string {
	var parts []string
	for _, l := range []struct {
		what    string
		entries []string
	}{
		{"scopes", c.Limits.Scopes},
		{"audiences", c.Limits.Audiences},
		{"hosts", c.Limits.Hosts},
		{"countries", c.Limits.GeoIPAllow},
		{"countries other than", c.Limits.GeoIPDisallow},
	} {
		if l.entries != nil {
			parts = append(parts, l.what+" "+list(l.entries))
		}
	}
	return parts
}

// uses tells what is left.
func (c *Clause) uses(counted bool) []string {
	return c.left("no access tokens without the capability AT", " access tokens", " other uses", func(n int64, what string) string {
		switch {
		case n <= 0:
			return "no" + what + " left"
		case counted:
			return fmt.Sprintf("%d%s left", n, what)
		}
		return fmt.Sprintf("at most %d%s left", n, what)
	})
}

// marks tells what is left where there is little room.
func (c *Clause) marks() []string {
	return c.left("no AT", " AT", " other", func(n int64, what string) string { return fmt.Sprint(max(n, 0), what) })
}

// left tells, for each kind of use that is limited, how many are left, and
// whether one is lacking altogether.
func (c *Clause) left(lacking, at, other string, tell func(n int64, what string) string) []string {
	var parts []string
	if n, limited := c.Left.Of(restriction.AT); c.NoAT {
		parts = append(parts, lacking)
	} else if limited {
		parts = append(parts, tell(n, at))
	}
	if n, limited := c.Left.Of(restriction.Other); limited {
		parts = append(parts, tell(n, other))
	}
	return parts
}

// list writes entries, the first of many.
func list(entries []string) string {
	const most, longest = 8, 64
	if len(entries) == 0 {
		return "none"
	}
	var shown []string
	for i, entry := range entries {
		if i == most {
			shown = append(shown, fmt.Sprintf("and %d more", len(entries)-most))
			break
		}
		shown = append(shown, clip(printable(entry), longest))
	}
	return strings.Join(shown, " ")
}
