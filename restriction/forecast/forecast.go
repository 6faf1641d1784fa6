package forecast

import (
	"slices"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// Forecast is what a token admits over time. It shares no memory with the Token
// that it was made of.
type Forecast struct {
	// From and Until bound the time that was looked at: From is included, Until
	// is not. Both are whole seconds.
	From, Until time.Time

	// Counted reports whether the used counts were given. If not, what is left
	// is what is left at most.
	Counted bool

	// Life is until when the token lives. If rotation moves its end, every clause
	// is Unknown at best after Life.Idle: it depends on whether the token is
	// used, and so rotated, in time.
	Life     Life
	Rotation Rotation // of the token; zero if it does not rotate

	// Clauses are those of the token, in its order. A token without
	// restrictions has one that limits nothing, with the index
	// [restriction.NoClause].
	Clauses []Clause

	// Windows are maximal, adjacent and in order, and cover the whole time.
	Windows []Window
}

// Clause is one clause of a token over time.
type Clause struct {
	Index  int                // in the token, or restriction.NoClause
	Limits restriction.Clause // what it states
	Left   Left               // uses; nil is no limit
	// NoAT says that the token lacks the capability AT, so that the clause admits
	// no access tokens, however many uses are left.
	NoAT bool

	// Spans are adjacent and cover the whole time. They are about time and
	// conditions, and do not consider whether uses are left.
	Spans []Span
	// After is the state at the end of the forecast, which is not part of it.
	After State

	// Never says why the clause admits nothing whatever the request is, or nil:
	// a [restriction.ClauseError] without its index.
	Never error
	// CannotTell are the keys whose conditions cannot tell at some time.
	CannotTell []string
	// Lookups are the keys that depend on look-ups of names or countries. A
	// forecast looks nothing up and assumes that the place is right.
	Lookups []string
}

// Spent reports whether the clause has neither AT nor other uses left. Without
// the capability AT it has no AT uses.
func (c *Clause) Spent() bool {
	at, limitedAT := c.Left.Of(restriction.AT)
	other, limitedOther := c.Left.Of(restriction.Other)
	return (c.NoAT || limitedAT && at <= 0) && limitedOther && other <= 0
}

// At returns the state of the clause at an instant. Outside of the forecast it
// is Closed.
func (c *Clause) At(t time.Time) State { return timeline(c.Spans).at(t) }

// Window is a time during which nothing changes: from From, included, until
// Until, excluded.
type Window struct {
	From, Until time.Time
	Clauses     []int // positions in Forecast.Clauses of those that are open and not spent
	Unknown     []int // of those that a condition or rotation leaves open, and not spent
}

// Gap reports whether nothing is admitted in the window, whatever the request.
func (w *Window) Gap() bool { return len(w.Clauses) == 0 && len(w.Unknown) == 0 }

// New tells what the token admits from one instant until another, rounded
// outwards to whole seconds. A zero until is after everything that the token
// says about time, and a day later if the token does not end.
//
// Time counts as [restriction.Policy.Evaluate] counts it: the second of nbf and
// that of exp are both included. Uses that spend nothing are not forecast. Of the
// capabilities, AT is looked at: other uses need different ones, and some none.
//
// Rotation is taken at its best: a holder keeps each successor that he gets, and
// uses it from then on. Between now and from, nobody uses the token.
//
// The error is an [ErrHorizon], an [ErrCounters], an [ErrRotation] or one of
// [restriction.Compile]. New is a pure function of its arguments.
func New(t Token, from, until time.Time) (*Forecast, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	h, err := t.horizon(from, until)
	if err != nil {
		return nil, err
	}
	f := &Forecast{From: h.from, Until: h.until, Counted: t.Used != nil, Life: t.Life()}
	if t.Rotation != nil {
		f.Rotation = *t.Rotation
	}
	f.Clauses = t.clauses(horizon{h.from, h.until.Add(time.Second)}, h.until)
	f.Windows = f.windows()
	return f, nil
}

// At returns the window at an instant, or false outside of the forecast.
func (f *Forecast) At(t time.Time) (Window, bool) {
	if t.Before(f.From) || !t.Before(f.Until) {
		return Window{}, false
	}
	i, found := slices.BinarySearchFunc(f.Windows, t, func(w Window, t time.Time) int { return w.From.Compare(t) })
	if !found {
		i--
	}
	return f.Windows[i], true
}

// Gaps returns the windows in which nothing is admitted.
func (f *Forecast) Gaps() []Window {
	return slices.DeleteFunc(slices.Clone(f.Windows), func(w Window) bool { return !w.Gap() })
}

// windows cuts the time wherever a clause changes.
func (f *Forecast) windows() []Window {
	cuts := []time.Time{f.From, f.Until}
	for i := range f.Clauses {
		for _, s := range f.Clauses[i].Spans {
			cuts = append(cuts, s.From)
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)

	var windows []Window
	for i, from := range cuts[:len(cuts)-1] {
		w := Window{From: from, Until: cuts[i+1]}
		for n := range f.Clauses {
			if f.Clauses[n].Spent() {
				continue
			}
			switch f.Clauses[n].At(from) {
			case Open:
				w.Clauses = append(w.Clauses, n)
			case Unknown:
				w.Unknown = append(w.Unknown, n)
			}
		}
		if n := len(windows); n > 0 && windows[n-1].same(&w) {
			windows[n-1].Until = w.Until
			continue
		}
		windows = append(windows, w)
	}
	return windows
}

func (w *Window) same(other *Window) bool {
	return slices.Equal(w.Clauses, other.Clauses) && slices.Equal(w.Unknown, other.Unknown)
}
