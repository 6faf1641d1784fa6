package pages

import (
	"slices"
	"strconv"
	"strings"
)

// mostRights is how many rights a line of a summary names. The page lists all of them.
const mostRights = 8

// whatFor says in short which rights at the provider a token is for. Sensitive ones have
// a line of their own. It says nothing if the rights are not known.
func whatFor(scopes []scopeView) []fact {
	var sensitive, others []scopeView
	for _, s := range scopes {
		if s.Sensitive {
			sensitive = append(sensitive, s)
		} else {
			others = append(others, s)
		}
	}
	out := fact{Label: "What for", Warn: len(sensitive) > 0}
	if len(sensitive) > 0 {
		out.Lines = append(out.Lines, rightsLine("Sensitive: ", sensitive))
	}
	if len(others) > 0 {
		out.Lines = append(out.Lines, rightsLine("", others))
	}
	if len(out.Lines) == 0 {
		return nil
	}
	return []fact{out}
}

// rightsLine names rights by their titles, and those that nobody has described by their
// own names.
func rightsLine(text string, scopes []scopeView) line {
	var titles, names []string
	for _, s := range scopes {
		switch {
		case s.Title == "":
			names = append(names, s.Name)
		case !slices.Contains(titles, s.Title): // two scopes may be for two folders
			titles = append(titles, s.Title)
		}
	}
	more := len(titles) + len(names) - mostRights
	titles = titles[:min(len(titles), mostRights)]
	names = names[:min(len(names), mostRights-len(titles))]
	l := line{Text: text + strings.Join(titles, "; ")}
	for i, name := range names {
		before := "; "
		if i == 0 && len(titles) == 0 {
			before = ""
		}
		l.Items = append(l.Items, item{before, name})
	}
	if more > 0 {
		l.More = "; " + strconv.Itoa(more) + " more, see below"
	}
	return l
}
