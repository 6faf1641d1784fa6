// Package qr draws QR codes (ISO/IEC 18004): as text for terminals, as SVG for pages.
package qr

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

// quiet is the margin that the standard requires, in modules.
const quiet = 4

// code is a square of modules, the dark and light dots. Outside it everything is light.
type code struct {
	barcode.Barcode
	size int
}

// encode makes the smallest code that readers can still read with 15 % of it damaged. It
// returns an error if the content does not fit. The error does not show the content.
func encode(content string) (code, error) {
	made, err := qr.Encode(content, qr.M, qr.Unicode)
	if err != nil {
		return code{}, fmt.Errorf("qr: %d bytes do not fit into a code", len(content))
	}
	return code{made, made.Bounds().Dx()}, nil
}

func (c code) dark(x, y int) bool {
	if x < 0 || y < 0 || x >= c.size || y >= c.size {
		return false
	}
	r, _, _, _ := c.At(x, y).RGBA()
	return r == 0
}

// Text draws a code for a terminal, with two modules in a character. ANSI sequences set
// black on white. It returns an error if the content is too long.
func Text(content string) (string, error) {
	c, err := encode(content)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for y := -quiet; y < c.size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -quiet; x < c.size+quiet; x++ {
			switch upper, lower := c.dark(x, y), c.dark(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}

// SVG draws a code for a page. It uses only presentation attributes, so that a content
// security policy can forbid inline styles. Equal contents give equal bytes. The caller
// labels the drawing. SVG returns an error if the content is too long for a code.
func SVG(content string) ([]byte, error) {
	c, err := encode(content)
	if err != nil {
		return nil, err
	}
	side := c.size + 2*quiet
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, side, side)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="`, side, side)
	for y := range c.size {
		for x := 0; x < c.size; x++ {
			if !c.dark(x, y) {
				continue
			}
			run := 1
			for c.dark(x+run, y) {
				run++
			}
			fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
			x += run
		}
	}
	b.WriteString(`"/></svg>`)
	return []byte(b.String()), nil
}
