package timeline

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// painter writes one SVG. Horizontal positions are shares of the width, so that the
// drawing fits its place without scaling the texts.
type painter struct {
	scale
	width int // of the drawing without margins, for which texts are shortened
	lanes []lane
	notes [][]string // lines below the name, by lane; nil if all notes are beside the names
	out   strings.Builder
}

func (p *painter) printf(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// wide returns the width of a text, rather too much than too little.
func wide(text string, char float64) float64 { return float64(len([]rune(text))) * char }

// arrange puts the note of each lane beside its name. If one has too little room for
// that, it puts all notes below the names.
func (p *painter) arrange() {
	room, beside := float64(p.width), true
	for _, l := range p.lanes {
		beside = beside && wide(l.name, boldWidth)+wide("  "+strings.Join(l.note, ", "), charWidth) <= room
	}
	if beside {
		return
	}
	for _, l := range p.lanes {
		var lines []string
		for i, part := range l.note {
			if n := len(lines); i > 0 && wide(lines[n-1]+", "+part, charWidth) <= room {
				lines[n-1] += ", " + part
			} else {
				lines = append(lines, part)
			}
		}
		p.notes = append(p.notes, lines)
	}
}

// barDrop returns the distance from the top of a lane to its bar.
func (p *painter) barDrop(lane int) int {
	drop := textDrop + textGap
	if p.notes != nil {
		drop += len(p.notes[lane]) * lineSize
	}
	return drop
}

// top returns where a lane begins, or what follows the last one.
func (p *painter) top(lane int) int {
	top := edge
	for i := range lane {
		top += p.barDrop(i) + barSize + laneGap
	}
	return top
}

// open writes everything before the lanes.
func (p *painter) open(file bool) {
	height := p.top(len(p.lanes)) + axisSize
	if p.zone() != "" {
		height += lineSize
	}
	const look = `role="img" font-size="%d" fill="currentColor" stroke="none"`
	title, rest, _ := strings.Cut(p.f.Describe(p.style), "\n")
	texts := "<title>" + escape(title) + "</title>\n<desc>" + escape(rest) + "</desc>\n"
	if !file {
		p.printf(`<svg class="forecast" width="100%%" height="%d" `+look+">\n%s", height, fontSize, texts)
		return
	}
	across, high := p.width+2*margin, height+2*margin
	p.printf(`<svg class="forecast" xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" color="black" font-family="sans-serif" `+look+">\n%s",
		across, high, fontSize, texts)
	p.printf(`<rect width="%d" height="%d" fill="white"/>`+"\n", across, high)
	p.printf(`<svg x="%d" y="%[1]d" width="%d" height="%d" overflow="visible">`+"\n", margin, p.width, height)
}

// lane draws a lane: its texts, its base line and its bars.
func (p *painter) lane(i int) {
	l, top := &p.lanes[i], p.top(i)
	p.printf(`<g class="%s"><title>%s</title>`+"\n", l.class, escape(l.title))
	p.printf(`<text y="%d" font-weight="bold">%s</text>`+"\n", top+textDrop, escape(clip(l.name, int(float64(p.width)/boldWidth))))
	if p.notes == nil {
		p.printf(`<text x="100%%" y="%d" text-anchor="end">%s</text>`+"\n", top+textDrop, escape(strings.Join(l.note, ", ")))
	} else {
		for n, line := range p.notes[i] {
			p.printf(`<text y="%d">%s</text>`+"\n", top+textDrop+(n+1)*lineSize, escape(clip(line, int(float64(p.width)/charWidth))))
		}
	}
	top += p.barDrop(i)
	p.printf(`<line x2="100%%" y1="%d" y2="%[1]d" stroke="currentColor" stroke-opacity="0.5"/>`+"\n", top+barSize/2)
	for _, b := range visible(l.bars) {
		p.bar(b, top)
	}
	p.printf("</g>\n")
}

// thinnest is the share of a bar that is always visible: two pixels on a phone.
const thinnest = 0.006

// visible widens bars that are too thin to see: one second stays visible in a year. It then
// joins bars of one kind that nobody could tell apart, such as those of each night of a
// year.
func visible(bars []bar) []bar {
	var drawn []bar
	for _, b := range bars {
		if b.right-b.left < thinnest {
			b.right = min(b.left+thinnest, 1)
			b.left = b.right - thinnest
		}
		if n := len(drawn); n > 0 && drawn[n-1].kind == b.kind && b.left-drawn[n-1].right < thinnest/2 {
			drawn[n-1].right = max(drawn[n-1].right, b.right)
			continue
		}
		drawn = append(drawn, b)
	}
	return drawn
}

// bar draws a bar.
func (p *painter) bar(b bar, top int) {
	box := fmt.Sprintf(`class="%s" x="%s" y="%d" width="%s" height="%d" stroke="currentColor"`, b.kind, percent(b.left), top, percent(b.right-b.left), barSize)
	switch b.kind {
	case "open":
		p.printf("<rect %s/>\n", box)
	case "gap":
		p.printf(`<rect %s fill-opacity="0.1" stroke-opacity="0.6" stroke-dasharray="3 3"/>`+"\n", box)
	case "unknown":
		p.printf(`<rect %s fill="none"/><line x1="%s" x2="%s" y1="%d" y2="%[4]d" stroke="currentColor" stroke-width="%d" stroke-dasharray="2 5"/>`+"\n",
			box, percent(b.left), percent(b.right), top+barSize/2, barSize)
	default:
		p.printf(`<rect %s fill="none"/>`+"\n", box)
	}
}

// axis draws the ticks, the zone, and as many labels of ticks as fit.
func (p *painter) axis() {
	y := p.top(len(p.lanes)) - laneGap/2
	p.printf(`<g class="axis">` + "\n")
	p.printf(`<line x2="100%%" y1="%d" y2="%[1]d" stroke="currentColor"/>`+"\n", y)
	if zone := p.zone(); zone != "" {
		p.printf(`<text class="zone" y="%d">Times are in %s</text>`+"\n", y+axisSize-7+lineSize, escape(zone))
	}
	next := 0.0
	for _, tick := range p.ticks(int(float64(p.width) / charWidth)) {
		share := p.share(tick.at)
		x, size := share*float64(p.width), wide(tick.label, charWidth)
		p.printf(`<line x1="%s" x2="%[1]s" y1="%d" y2="%d" stroke="currentColor"/>`, percent(share), y, y+5)
		p.printf(`<line x1="%s" x2="%[1]s" y2="%d" stroke="currentColor" stroke-opacity="0.3" stroke-dasharray="1 4"/>`+"\n", percent(share), y)
		left, anchor := x-size/2, "middle"
		switch {
		case left < 0:
			left, anchor = x, "start"
		case x+size/2 > float64(p.width):
			left, anchor = x-size, "end"
		}
		if left < next {
			continue
		}
		next = left + size + charWidth
		p.printf(`<text x="%s" y="%d" text-anchor="%s">%s</text>`+"\n", percent(share), y+axisSize-7, anchor, escape(tick.label))
	}
	p.printf("</g>\n")
}

// percent writes a share with at most four decimals of a percent.
func percent(share float64) string {
	text := strconv.FormatFloat(100*share, 'f', 4, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}

// escape makes text safe in XML and HTML.
func escape(text string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(text)); err != nil {
		return "" // a strings.Builder never fails
	}
	return out.String()
}
