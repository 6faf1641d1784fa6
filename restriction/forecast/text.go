package forecast

import (
	"strings"
	"time"
)

// The narrowest and widest text, in characters.
const (
	narrowest = 40
	widest    = 1000
)

// Text draws the forecast for a terminal of so many characters: a bar for each
// clause, an axis, and the sentences of [Forecast.Describe] below, which are not
// broken. A width below 40 counts as 40, one above 1000 as 1000.
//
// In a bar, █ is open, ▒ depends on a condition that cannot tell or on rotation, ─ is open
// with no uses left, and · is closed. A character stands for all of its time:
// it is open if the clause is at any instant of it.
func (f *Forecast) Text(width int, s Style) string {
	width = min(max(width, narrowest), widest)
	t := textDrawing{f: f, style: &s}
	for i := range f.Clauses {
		t.labels = max(t.labels, len([]rune(s.label(f, i))))
	}
	t.labels = min(t.labels, width/3)
	t.cells = width - t.labels - 2
	var text strings.Builder
	for i := range f.Clauses {
		text.WriteString(t.label(s.label(f, i)) + t.bar(&f.Clauses[i]) + "\n")
	}
	text.WriteString(t.axis())
	text.WriteString("\n" + f.Describe(s))
	return text.String()
}

type textDrawing struct {
	f             *Forecast
	style         *Style
	labels, cells int // characters
}

func (t *textDrawing) label(text string) string {
	text = clip(text, t.labels)
	return text + strings.Repeat(" ", t.labels-len([]rune(text))+2)
}

// bar draws one clause.
func (t *textDrawing) bar(c *Clause) string {
	cells := make([]State, t.cells)
	for _, span := range c.Spans {
		if span.State == Closed {
			continue
		}
		first, last := t.cell(span.From), t.cell(span.Until.Add(-time.Nanosecond))
		for i := first; i <= last; i++ {
			cells[i] = max(cells[i], span.State)
		}
	}
	var bar strings.Builder
	for _, state := range cells {
		switch {
		case state == Closed:
			bar.WriteRune('·')
		case c.Spent():
			bar.WriteRune('─')
		case state == Unknown:
			bar.WriteRune('▒')
		default:
			bar.WriteRune('█')
		}
	}
	return bar.String()
}

// cell is the character in which an instant lies.
func (t *textDrawing) cell(at time.Time) int {
	return min(int(t.f.share(at)*float64(t.cells)), t.cells-1)
}

// axis draws the ticks and their labels, as many as fit.
func (t *textDrawing) axis() string {
	marks := []rune(strings.Repeat(" ", t.cells))
	labels := []rune(strings.Repeat(" ", t.labels+2+t.cells))
	next := 0
	for _, tick := range t.f.ticks(t.style, max(t.cells/t.style.room(), 1)) {
		at := t.cell(tick.at)
		marks[at] = '|'
		label := []rune(tick.label)
		begin := min(t.labels+2+at, len(labels)-len(label))
		if begin < next {
			continue
		}
		copy(labels[begin:], label)
		next = begin + len(label) + 1
	}
	indent := strings.Repeat(" ", t.labels+2)
	return strings.TrimRight(indent+string(marks), " ") + "\n" + strings.TrimRight(string(labels), " ") + "\n"
}

// share is where in the forecast an instant lies, from 0 to 1.
func (f *Forecast) share(t time.Time) float64 {
	whole := float64(f.seconds())
	part := float64(t.Unix()-f.From.Unix()) + float64(t.Nanosecond())/float64(time.Second)
	return min(max(part/whole, 0), 1)
}
