package timeline

import (
	"fmt"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// Drawing says how [SVG] draws. The zero Drawing suits a page that includes the SVG in
// its HTML.
type Drawing struct {
	// Width is in units of the view box. 0 means 480. SVG takes a width below 240 as 240,
	// and one above 4800 as 4800. Text is 15 units high, so a drawing of 480 units is
	// readable on a screen of 360 pixels.
	Width int

	// File makes an image file: it has the XML namespace, a size of its own, a white
	// background and black ink, so it is readable on dark pages too. Otherwise the SVG
	// has no background, its ink is currentColor, and the page sets the size.
	File bool
}

// Measures in units of the view box.
const (
	margin    = 10
	laneSize  = 50 // from one lane to the next
	textDrop  = 16 // from the top of a lane to the base line of its text
	barDrop   = 24 // from the top of a lane to its bar
	barSize   = 14
	axisSize  = 34
	fontSize  = 15
	charWidth = 8.6 // of fontSize, on the safe side
	thinnest  = 2   // width of the thinnest bar, so that a second is visible
)

// SVG draws the forecast: a lane for each clause, a lane for the gaps in which the token
// admits nothing, and an axis.
//
// The drawing needs no colour. A filled bar is open, and a hatched bar depends on
// rotation or on a condition that nobody can forecast. An outlined bar is open without
// uses left, and a cross-hatched bar is a gap.
//
// The SVG has no style sheet, style attribute, identifier, script or reference. So it
// works under a strict content security policy, and several times on one page. Its root
// element has the class "forecast". Its title and description hold the sentences of
// [forecast.Forecast.Describe]. SVG escapes all text from the token.
func SVG(f *forecast.Forecast, s forecast.Style, d Drawing) []byte {
	const usual, least, most = 480, 240, 4800
	if d.Width == 0 {
		d.Width = usual
	}
	p := &painter{scale: scale{f, s}, width: min(max(d.Width, least), most), gaps: f.Gaps()}
	lanes := len(f.Clauses)
	if len(p.gaps) > 0 {
		lanes++
	}
	p.axisTop = margin + lanes*laneSize
	p.open(d.File)
	p.axis()
	for i := range f.Clauses {
		p.clause(i)
	}
	p.gapLane(len(f.Clauses))
	p.printf("</svg>\n")
	return []byte(p.out.String())
}

// painter writes one SVG.
type painter struct {
	scale
	gaps    []forecast.Window
	width   int
	axisTop int
	out     strings.Builder
}

func (p *painter) printf(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// open writes everything before the lanes.
func (p *painter) open(file bool) {
	height := p.axisTop + axisSize
	size := ""
	if file {
		size = fmt.Sprintf(` xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" color="black"`, p.width, height)
	}
	p.printf(`<svg class="forecast"%s viewBox="0 0 %d %d" role="img" font-family="sans-serif" font-size="%d" fill="currentColor" stroke="none">`+"\n",
		size, p.width, height, fontSize)
	title, rest, _ := strings.Cut(p.f.Describe(p.style), "\n")
	p.printf("<title>%s</title>\n<desc>%s</desc>\n", escape(title), escape(rest))
	if file {
		p.printf(`<rect width="%d" height="%d" fill="white"/>`+"\n", p.width, height)
	}
}

// clause draws the lane of a clause.
func (p *painter) clause(i int) {
	c := &p.f.Clauses[i]
	top := margin + i*laneSize
	p.printf(`<g class="clause"><title>%s</title>`+"\n", escape(p.f.Sentence(p.style, i)))
	p.labels(top, p.f.Label(p.style, i), p.note(c))
	p.line(top)
	for _, span := range c.Spans {
		switch {
		case span.State == forecast.Closed:
		case c.Spent():
			p.bar("spent", top, span.From, span.Until)
		default:
			p.bar(span.State.String(), top, span.From, span.Until)
		}
	}
	p.printf("</g>\n")
}

// gapLane draws the times in which the token admits nothing, if there are any.
func (p *painter) gapLane(lane int) {
	if len(p.gaps) == 0 {
		return
	}
	top := margin + lane*laneSize
	p.printf(`<g class="gaps"><title>When nothing is admitted</title>` + "\n")
	p.labels(top, "nothing", p.times(len(p.gaps), p.gaps[0].From, p.gaps[0].Until))
	p.line(top)
	for _, w := range p.gaps {
		p.bar("gap", top, w.From, w.Until)
	}
	p.printf("</g>\n")
}

// labels writes the name of a lane on the left and a note on the right.
func (p *painter) labels(top int, name, note string) {
	room := int(float64(p.width-2*margin)/charWidth) - 2
	note = clip(note, room*3/5)
	p.printf(`<text x="%d" y="%d" font-weight="bold">%s</text>`, margin, top+textDrop, escape(clip(name, room-len([]rune(note)))))
	p.printf(`<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", p.width-margin, top+textDrop, escape(note))
}

// note says in few words when a clause is open and how many uses are left.
func (p *painter) note(c *forecast.Clause) string {
	var open []forecast.Span
	for _, span := range c.Spans {
		if span.State != forecast.Closed {
			open = append(open, span)
		}
	}
	var note []string
	switch {
	case c.Never != nil:
		return "never"
	case len(open) == 0:
		return "not in this period"
	case len(open) == 1 && open[0].Until.Equal(p.f.Until) && c.After == open[0].State:
		note = append(note, "from "+p.short(open[0].From))
	default:
		note = append(note, p.times(len(open), open[0].From, open[0].Until))
	}
	if c.Spent() {
		return strings.Join(append(note, "used up"), ", ")
	}
	if n, limited := c.Left.Of(restriction.AT); c.NoAT {
		note = append(note, "no AT")
	} else if limited {
		note = append(note, fmt.Sprintf("%d AT", n))
	}
	if n, limited := c.Left.Of(restriction.Other); limited {
		note = append(note, fmt.Sprintf("%d other", n))
	}
	return strings.Join(note, ", ")
}

// times writes a single span of time, or the number of spans.
func (p *painter) times(n int, from, until time.Time) string {
	if n > 1 {
		return fmt.Sprintf("%d times", n)
	}
	return p.between(from, until)
}
