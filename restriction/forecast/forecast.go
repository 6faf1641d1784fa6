package forecast

import (
	"slices"
	"time"
)

// Forecast is what a token admits over time. It shares no memory with its Token, except
// the conditions in Facts.
type Forecast struct {
	// From and Until bound the forecast, in whole seconds. From is included, Until is
	// not.
	From, Until time.Time

	// Counted reports whether the token came with counters. Without them, each Left is an
	// upper bound.
	Counted bool

	// Life says when the token itself ends. If rotation moves its end, no clause is Open
	// after Life.Idle, because nobody may have used the token in time to renew it.
	Life     Life
	Rotation Rotation // of the token; zero if it does not rotate

	// Clauses are those of the token, in its order. A token without restrictions has one
	// clause here, without limits and with the index [restriction.NoClause].
	Clauses []Clause

	// Windows cover the forecast. They are adjacent, in order, and as long as possible.
	Windows []Window
}

// Window is a time during which nothing changes. From is included, Until is not.
type Window struct {
	From, Until time.Time
	Clauses     []int // indices in Forecast.Clauses of open clauses with uses left
	Unknown     []int // indices of unknown clauses with uses left
}

// Gap reports whether the token admits nothing in the window, whatever the request.
func (w *Window) Gap() bool { return len(w.Clauses) == 0 && len(w.Unknown) == 0 }

// New returns what the token admits between two instants. It rounds them outwards to
// whole seconds. If until is zero, the forecast reaches past every time that the token
// states. It reaches one day further if the token does not end, or a week further than the
// first time of a schedule that does not end.
//
// The seconds of nbf and exp are both included, as in [restriction.Policy.Evaluate]. New
// does not forecast uses that spend nothing ([restriction.Uncounted]).
//
// For a token that rotates, New assumes that nobody uses it before from. It also assumes
// that the holder keeps each new generation and uses that one from then on.
//
// New returns [ErrHorizon], [ErrCounters], [ErrRotation] or an error of
// [restriction.Compile]. It is a pure function of its arguments.
func New(t Token, from, until time.Time) (*Forecast, error) {
	policy, err := t.compile()
	if err != nil {
		return nil, err
	}
	facts := policy.Facts()
	h, err := t.horizon(facts, from, until)
	if err != nil {
		return nil, err
	}
	f := &Forecast{From: h.from, Until: h.until, Counted: t.Used != nil, Life: t.Life()}
	if t.Rotation != nil {
		f.Rotation = *t.Rotation
	}
	f.Clauses = t.clauses(facts, horizon{h.from, h.until.Add(time.Second)}, h.until)
	f.Windows = f.windows()
	return f, nil
}

// At returns the window at an instant. It returns false outside of the forecast.
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

// Gaps returns the windows in which the token admits nothing.
func (f *Forecast) Gaps() []Window {
	return slices.DeleteFunc(slices.Clone(f.Windows), func(w Window) bool { return !w.Gap() })
}

// windows cuts the time wherever a clause changes, and joins equal neighbours.
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
