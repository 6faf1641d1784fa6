package qr_test

import (
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	zxing "github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/internal/qr"
)

// contents are of the kinds that are drawn: consent URLs and transfer codes.
var contents = []string{
	"ABCDEFGH",
	"https://mytoken.example.org/c/kJ3xP0wQz8sLmNbV",
	"https://mytoken.example.org/c/" + strings.Repeat("x", 300),
	"https://mytoken.example.org/ü?a=1&b=<2>",
}

// TestText: a reader of another project reads what Text draws.
func TestText(t *testing.T) {
	for _, content := range contents {
		text, err := qr.Text(content)
		require.NoError(t, err)
		var rows [][]bool
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "\x1b[30;107m"), "\x1b[0m")
			var upper, lower []bool
			for _, r := range line {
				upper = append(upper, r == '█' || r == '▀')
				lower = append(lower, r == '█' || r == '▄')
			}
			rows = append(rows, upper, lower)
		}
		require.Equal(t, content, read(t, rows))
	}
}

// TestSVG: the same reader reads what SVG draws. The drawing passes a content security
// policy that allows no inline style.
func TestSVG(t *testing.T) {
	for _, content := range contents {
		svg, err := qr.SVG(content)
		require.NoError(t, err)
		require.NotContains(t, string(svg), "style")
		require.NotContains(t, string(svg), content)
		require.Equal(t, content, read(t, raster(t, svg)))
	}
}

func TestTooLong(t *testing.T) {
	secret := strings.Repeat("secret", 1000)
	_, err := qr.Text(secret)
	require.EqualError(t, err, "qr: 6000 bytes do not fit into a code")
	_, err = qr.SVG(secret)
	require.EqualError(t, err, "qr: 6000 bytes do not fit into a code")
}

// raster reads the runs of dark modules of a drawing.
func raster(t *testing.T, svg []byte) [][]bool {
	t.Helper()
	var drawing struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	require.NoError(t, xml.Unmarshal(svg, &drawing))
	var side int
	_, err := fmt.Sscanf(drawing.ViewBox, "0 0 %d", &side)
	require.NoError(t, err)
	rows := make([][]bool, side)
	for y := range rows {
		rows[y] = make([]bool, side)
	}
	require.Len(t, drawing.Paths, 2)
	require.Equal(t, "#000", drawing.Paths[1].Fill)
	for _, run := range strings.Split(drawing.Paths[1].D, "M")[1:] {
		var x, y, length int
		_, err := fmt.Sscanf(run, "%d %dh%d", &x, &y, &length)
		require.NoError(t, err)
		for i := range length {
			rows[y][x+i] = true
		}
	}
	return rows
}

// read decodes a drawing, enlarged as a camera would see it.
func read(t *testing.T, rows [][]bool) string {
	t.Helper()
	const zoom = 4
	picture := image.NewGray(image.Rect(0, 0, len(rows[0])*zoom, len(rows)*zoom))
	for y := range len(rows) * zoom {
		for x := range len(rows[0]) * zoom {
			shade := color.Gray{Y: 255}
			if rows[y/zoom][x/zoom] {
				shade.Y = 0
			}
			picture.SetGray(x, y, shade)
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	require.NoError(t, err)
	result, err := zxing.NewQRCodeReader().Decode(bitmap, nil)
	require.NoError(t, err)
	return result.GetText()
}
