package timeline

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// x returns the horizontal position of an instant.
func (p *painter) x(t time.Time) float64 {
	return margin + p.share(t)*float64(p.width-2*margin)
}

// line draws the base line of a lane.
func (p *painter) line(top int) {
	y := top + barDrop + barSize/2
	p.printf(`<path d="M%d %dH%d" stroke="currentColor" stroke-opacity="0.5"/>`+"\n", margin, y, p.width-margin)
}

// bar draws a span. kind is "open", "unknown", "spent" or "gap".
func (p *painter) bar(kind string, top int, from, until time.Time) {
	left, right := p.x(from), p.x(until)
	if right-left < thinnest {
		right = min(left+thinnest, float64(p.width-margin))
		left = right - thinnest
	}
	r := box{left, float64(top + barDrop), right - left, barSize}
	if kind == "open" {
		p.printf(`<rect class="open" %s/>`+"\n", r)
		return
	}
	p.printf(`<rect class="%s" %s fill="none" stroke="currentColor"/>`, kind, r)
	const wide, narrow = 7, 5
	switch kind {
	case "unknown":
		p.hatch(r.hatch(wide, false))
	case "gap":
		p.hatch(r.hatch(narrow, false) + r.hatch(narrow, true))
	}
	p.printf("\n")
}

func (p *painter) hatch(path string) {
	if path != "" {
		p.printf(`<path d="%s" stroke="currentColor" stroke-opacity="0.6" fill="none"/>`, path)
	}
}

// axis draws the ticks and as many of their labels as fit.
func (p *painter) axis() {
	y, end := p.axisTop, p.width-margin
	p.printf(`<g class="axis">` + "\n")
	p.printf(`<path d="M%d %dH%d" stroke="currentColor"/>`+"\n", margin, y, end)
	chars := int(float64(p.width-2*margin) / charWidth)
	next := 0.0
	for _, tick := range p.ticks(chars) {
		x := p.x(tick.at)
		p.printf(`<path d="M%s %dV%d" stroke="currentColor"/>`, number(x), y, y+5)
		p.printf(`<path d="M%s %dV%d" stroke="currentColor" stroke-opacity="0.3" stroke-dasharray="1 4"/>`+"\n", number(x), margin, y)
		half := float64(len([]rune(tick.label))) * charWidth / 2
		at, anchor := x, "middle"
		switch {
		case x-half < 0:
			at, anchor = margin, "start"
		case x+half > float64(p.width):
			at, anchor = float64(end), "end"
		}
		left := at - half
		if anchor == "start" {
			left = at
		} else if anchor == "end" {
			left = at - 2*half
		}
		if left < next {
			continue
		}
		next = left + 2*half + charWidth
		p.printf(`<text x="%s" y="%d" text-anchor="%s">%s</text>`+"\n", number(at), y+axisSize-14, anchor, escape(tick.label))
	}
	p.printf("</g>\n")
}

// box is a rectangle.
type box struct{ x, y, w, h float64 }

func (b box) String() string {
	return fmt.Sprintf(`x="%s" y="%s" width="%s" height="%s"`, number(b.x), number(b.y), number(b.w), number(b.h))
}

// hatch returns a path of parallel diagonal lines within the box. distance lies between
// two lines. Falling lines go down from left to right. An SVG pattern would need an
// identifier that is unique on the page; lines need none.
func (b box) hatch(distance float64, falling bool) string {
	var path strings.Builder
	for start := b.x - b.h + distance; start < b.x+b.w; start += distance {
		left, right := max(start, b.x), min(start+b.h, b.x+b.w)
		if left >= right {
			continue
		}
		from, to := b.y+b.h-(left-start), b.y+b.h-(right-start)
		if falling {
			from, to = b.y+(left-start), b.y+(right-start)
		}
		path.WriteString("M" + number(left) + " " + number(from) + "L" + number(right) + " " + number(to))
	}
	return path.String()
}

// number writes a coordinate with at most two decimals.
func number(n float64) string {
	text := strconv.FormatFloat(n, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// escape makes text safe in XML and HTML.
func escape(text string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(text)); err != nil {
		return "" // a strings.Builder never fails
	}
	return out.String()
}
