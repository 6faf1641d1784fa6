package timeline

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/plain"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Drawing says how [SVG] draws. The zero Drawing suits a page that includes the SVG in
// its HTML.
type Drawing struct {
	// Width is the width in pixels for which SVG shortens texts. 0 means 300, so that all
	// texts fit on a phone. SVG takes a width below 240 as 240, and one above 4800 as
	// 4800.
	Width int

	// File makes an image file: it has the XML namespace, the size Width, a white
	// background and black ink, so it is readable on dark pages too. Otherwise the SVG is
	// as wide as its place in the page, has no background, and its ink is currentColor.
	File bool
}

// Measures in pixels.
const (
	margin    = 10 // around the drawing in a file
	edge      = 2  // above the first lane; bars may reach so far beyond both sides
	textDrop  = 15 // from the top of a lane to the base line of its first text
	lineSize  = 18 // from one line of text to the next
	textGap   = 7  // from the base line of the last text to the bar
	barSize   = 14
	laneGap   = 12 // from a bar to the next lane
	axisSize  = 26
	fontSize  = 14
	charWidth = 7.8 // of fontSize, on the safe side
	boldWidth = 8.6
)

// SVG draws the forecast: a lane for each clause, a lane for the gaps in which the token
// admits nothing, and an axis, which names the zone of absolute times. Texts stand above
// the bars. They are 14 pixels high however wide the drawing is.
//
// The drawing needs no colour. A filled bar is open, and a striped bar depends on rotation
// or on a condition that nobody can forecast. An empty outline is open without uses left,
// and a pale bar with a dashed outline is a gap.
//
// The SVG has no style sheet, style attribute, identifier, script or reference. So it
// works under a strict content security policy, and several times on one page. Its root
// element has the class "forecast" and the role "img". Its title and description hold the
// sentences of [forecast.Forecast.Describe]. SVG escapes all text from the token.
func SVG(f *forecast.Forecast, s forecast.Style, d Drawing) []byte {
	const usual, least, most = 300, 240, 4800
	if d.Width == 0 {
		d.Width = usual
	}
	p := &painter{scale: scale{f, s}, width: min(max(d.Width, least), most)}
	if d.File {
		p.width -= 2 * margin
	}
	for i := range f.Clauses {
		p.lanes = append(p.lanes, p.clause(i))
	}
	if gaps := f.Gaps(); len(gaps) > 0 {
		p.lanes = append(p.lanes, p.gaps(gaps))
	}
	p.arrange()
	p.open(d.File)
	p.axis()
	for i := range p.lanes {
		p.lane(i)
	}
	if d.File {
		p.printf("</svg>\n")
	}
	p.printf("</svg>\n")
	return []byte(p.out.String())
}

// lane is what a lane shows.
type lane struct {
	class, title string
	name         string
	note         []string // when, and how often
	bars         []bar
}

// bar is a span of time in a lane. kind is "open", "unknown", "spent" or "gap".
type bar struct {
	kind        string
	left, right float64 // shares of the forecast
}

// clause returns the lane of a clause.
func (p *painter) clause(i int) lane {
	c := &p.f.Clauses[i]
	l := lane{class: "clause", title: p.f.Sentence(p.style, i), name: p.f.Label(p.style, i), note: p.note(c)}
	for _, span := range c.Spans {
		switch kind := span.State.String(); {
		case span.State == forecast.Closed:
		case c.Spent():
			l.bars = append(l.bars, bar{"spent", p.share(span.From), p.share(span.Until)})
		default:
			l.bars = append(l.bars, bar{kind, p.share(span.From), p.share(span.Until)})
		}
	}
	return l
}

// gaps returns the lane of the times in which the token admits nothing.
func (p *painter) gaps(all []forecast.Window) lane {
	from := all[0].From
	if !from.Equal(p.f.From) {
		from = p.style.End(from) // of what came before
	}
	l := lane{class: "gaps", title: "When nothing is admitted", name: "nothing admitted", note: []string{p.times(len(all), from, all[0].Until)}}
	for _, w := range all {
		l.bars = append(l.bars, bar{"gap", p.share(w.From), p.share(w.Until)})
	}
	return l
}

// note says in few words when a clause is open and how many uses are left.
func (p *painter) note(c *forecast.Clause) []string {
	var open []forecast.Span
	for _, span := range c.Spans {
		if span.State != forecast.Closed {
			open = append(open, span)
		}
	}
	var note []string
	switch {
	case c.Never != nil:
		return []string{"never"}
	case len(open) == 0:
		return []string{"not in this period"}
	case len(open) == 1 && open[0].Until.Equal(p.f.Until) && c.After == open[0].State:
		note = append(note, "from "+p.short(open[0].From))
	default:
		note = append(note, p.times(len(open), open[0].From, open[0].Until))
	}
	if c.Spent() {
		return append(note, "used up")
	}
	if n, limited := c.Left.Of(restriction.AT); c.NoAT {
		note = append(note, "no access tokens")
	} else if limited {
		note = append(note, plain.Count(n, "access token"))
	}
	if n, limited := c.Left.Of(restriction.Other); limited {
		note = append(note, plain.Count(n, "other use"))
	}
	return note
}

// times writes a single span of time, or the number of spans.
func (p *painter) times(n int, from, until time.Time) string {
	if n > 1 {
		return fmt.Sprintf("%d times", n)
	}
	return p.between(from, until)
}
