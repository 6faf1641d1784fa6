package forecast

import (
	"fmt"
	"strings"
	"time"
)

// Drawing says how an SVG is made. The zero Drawing is for a page that has the
// SVG in its HTML.
type Drawing struct {
	// Width is in units of the view box; 0 is 480, less than 240 is 240 and more
	// than 4800 is 4800. Text is 15 units high, so that 480 units are readable
	// on a screen of 360 pixels.
	Width int

	// File makes an image file of it: with the XML namespace, a size of its
	// own, a white background and black ink, so that it can be read on dark
	// pages too. Otherwise there is no background, the ink is currentColor, and
	// the size is up to the page.
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
	thinnest  = 2   // a bar, so that a second can be seen
)

// SVG draws the forecast as a lane for each clause over an axis, and one for
// the gaps in which nothing is admitted. The same arguments give the same
// bytes.
//
// A filled bar is open, a hatched one depends on a condition that cannot tell or
// on rotation, an outlined one is open with no uses left, and a cross-hatched one
// is a gap: it needs no colour. There is no style sheet, no style attribute, no
// identifier, no script and no reference, so that it suits a page with a strict
// content security policy, also several times; the class of the whole is
// "forecast". Title and description carry what [Forecast.Describe] tells. Foreign
// text is escaped.
func (f *Forecast) SVG(s Style, d Drawing) []byte {
	const usual, least, most = 480, 240, 4800
	if d.Width == 0 {
		d.Width = usual
	}
	p := &painter{f: f, style: &s, width: min(max(d.Width, least), most), gaps: f.Gaps()}
	lanes := len(f.Clauses)
	if len(p.gaps) > 0 {
		lanes++
	}
	p.axisTop = margin + lanes*laneSize
	p.open(d.File)
	p.ticks()
	for i := range f.Clauses {
		p.clause(i)
	}
	p.gapLane(len(f.Clauses))
	p.printf("</svg>\n")
	return []byte(p.out.String())
}

// painter writes one SVG.
type painter struct {
	f       *Forecast
	style   *Style
	gaps    []Window
	width   int
	axisTop int
	out     strings.Builder
}

func (p *painter) printf(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// open writes what stands before the lanes.
func (p *painter) open(file bool) {
	height := p.axisTop + axisSize
	size := ""
	if file {
		size = fmt.Sprintf(` xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" color="black"`, p.width, height)
	}
	p.printf(`<svg class="forecast"%s viewBox="0 0 %d %d" role="img" font-family="sans-serif" font-size="%d" fill="currentColor" stroke="none">`+"\n",
		size, p.width, height, fontSize)
	title, rest, _ := strings.Cut(p.f.Describe(*p.style), "\n")
	p.printf("<title>%s</title>\n<desc>%s</desc>\n", escape(title), escape(rest))
	if file {
		p.printf(`<rect width="%d" height="%d" fill="white"/>`+"\n", p.width, height)
	}
}

// clause draws the lane of a clause.
func (p *painter) clause(i int) {
	c := &p.f.Clauses[i]
	top := margin + i*laneSize
	p.printf(`<g class="clause"><title>%s</title>`+"\n", escape(p.f.sentence(p.style, i)))
	p.labels(top, p.style.label(p.f, i), p.note(c))
	p.line(top)
	for _, span := range c.Spans {
		switch {
		case span.State == Closed:
		case c.Spent():
			p.bar("spent", top, span.From, span.Until)
		default:
			p.bar(span.State.String(), top, span.From, span.Until)
		}
	}
	p.printf("</g>\n")
}

// gapLane draws when nothing is admitted, if ever.
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

// labels writes the name of a lane, and on the right a note.
func (p *painter) labels(top int, name, note string) {
	room := int(float64(p.width-2*margin)/charWidth) - 2
	note = clip(note, room*3/5)
	p.printf(`<text x="%d" y="%d" font-weight="bold">%s</text>`, margin, top+textDrop, escape(clip(name, room-len([]rune(note)))))
	p.printf(`<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", p.width-margin, top+textDrop, escape(note))
}

// note tells in few words when a clause is open and what is left.
func (p *painter) note(c *Clause) string {
	var note []string
	first, n := Span{}, 0
	for _, span := range c.Spans {
		if span.State != Closed {
			if n++; n == 1 {
				first = span
			}
		}
	}
	switch {
	case c.Never != nil:
		return "never"
	case n == 0:
		return "not in this time"
	case n == 1 && first.Until.Equal(p.f.Until) && c.After == first.State:
		note = append(note, "from "+p.style.short(first.From))
	default:
		note = append(note, p.times(n, first.From, first.Until))
	}
	if c.Spent() {
		return strings.Join(append(note, "used up"), ", ")
	}
	return strings.Join(append(note, c.marks()...), ", ")
}

// times tells one time, or how many there are.
func (p *painter) times(n int, from, until time.Time) string {
	if n > 1 {
		return fmt.Sprintf("%d times", n)
	}
	return p.style.shortBetween(from, until)
}
