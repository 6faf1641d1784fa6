package timeline

import (
	"strings"
	"time"

	"github.com/mytoken-go/sdk/restriction/forecast"
)

// The narrowest and widest text, in characters.
const (
	narrowest = 40
	widest    = 1000
)

// Text draws the forecast for a terminal that is width characters wide: a bar for each
// clause, an axis, and the sentences of [forecast.Forecast.Describe]. The axis names the
// zone of absolute times. Text does not wrap the sentences. It takes a width below 40 as
// 40, and one above 1000 as 1000.
//
// In a bar, █ is open, ▒ depends on rotation or on a condition that nobody can forecast,
// ─ is open without uses left, and · is closed. Each character stands for a span of time.
// It shows █ if the clause is open at any instant of that span.
func Text(f *forecast.Forecast, width int, s forecast.Style) string {
	width = min(max(width, narrowest), widest)
	t := textDrawing{scale: scale{f, s}}
	t.labels = len([]rune(t.zone()))
	for i := range f.Clauses {
		t.labels = max(t.labels, len([]rune(f.Label(s, i))))
	}
	t.labels = min(t.labels, width/3)
	t.cells = width - t.labels - 2
	var text strings.Builder
	for i := range f.Clauses {
		text.WriteString(t.label(f.Label(s, i)) + t.bar(&f.Clauses[i]) + "\n")
	}
	text.WriteString(t.axis())
	text.WriteString("\n" + f.Describe(s))
	return text.String()
}

// textDrawing writes one text.
type textDrawing struct {
	scale
	labels, cells int // widths of both columns, in characters
}

func (t *textDrawing) label(text string) string {
	text = clip(text, t.labels)
	return text + strings.Repeat(" ", t.labels-len([]rune(text))+2)
}

// bar draws one clause.
func (t *textDrawing) bar(c *forecast.Clause) string {
	cells := make([]forecast.State, t.cells)
	for _, span := range c.Spans {
		if span.State == forecast.Closed {
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
		case state == forecast.Closed:
			bar.WriteRune('·')
		case c.Spent():
			bar.WriteRune('─')
		case state == forecast.Unknown:
			bar.WriteRune('▒')
		default:
			bar.WriteRune('█')
		}
	}
	return bar.String()
}

// cell returns the position of the character that stands for an instant.
func (t *textDrawing) cell(at time.Time) int {
	return min(int(t.share(at)*float64(t.cells)), t.cells-1)
}

// axis draws the ticks and as many of their labels as fit.
func (t *textDrawing) axis() string {
	marks := []rune(strings.Repeat(" ", t.cells))
	labels := []rune(strings.Repeat(" ", t.labels+2+t.cells))
	next := copy(labels, []rune(clip(t.zone(), t.labels)))
	for _, tick := range t.ticks(t.cells) {
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
