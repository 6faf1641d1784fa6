package timeline_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/timeline"
)

var update = flag.Bool("update", false, "write the golden files")

// epoch is the present of the tests.
var epoch = time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)

func newForecast(t *testing.T, token forecast.Token, until time.Time) *forecast.Forecast {
	t.Helper()
	f, err := forecast.New(token, epoch, until)
	require.NoError(t, err)
	return f
}

// fourPhases returns the job of the README.
func fourPhases(t *testing.T) *forecast.Forecast {
	t.Helper()
	list, err := restriction.Phases(epoch,
		restriction.First(time.Hour).Scopes("compute.submit"),
		restriction.First(2*time.Hour).Scopes("storage.read"),
		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage.write"),
	)
	require.NoError(t, err)
	return newForecast(t, forecast.Token{Restrictions: list}, time.Time{})
}

// TestDrawings compares the drawings of the job with the files that the README shows.
func TestDrawings(t *testing.T) {
	f := fourPhases(t)
	style := forecast.Style{Start: epoch, Title: "A job in four phases"}
	for name, got := range map[string][]byte{
		"fourphase.txt": []byte(timeline.Text(f, 80, style)),
		"fourphase.svg": timeline.SVG(f, style, timeline.Drawing{Width: 640, File: true}),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			require.NoError(t, os.WriteFile(path, got, 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), string(got),
			"%s differs; go test -run TestDrawings -update writes it", name)
	}
}

// TestHostileText checks that text from a token becomes neither markup nor an escape
// sequence.
func TestHostileText(t *testing.T) {
	hostile := "</text><script>alert(1)</script>\"' onload=x &amp;\x1b[31m\u202e\x00"
	list := restriction.List{{
		Scopes: []string{hostile}, Audiences: []string{hostile}, Hosts: []string{hostile, "192.0.2.1"},
		Extra: []restriction.Extra{{Key: hostile, Value: []byte("1")}},
	}}
	f := newForecast(t, forecast.Token{Restrictions: list, Elsewhere: true}, epoch.Add(time.Minute))
	for _, style := range []forecast.Style{{Title: hostile}, {Labels: []string{hostile}}} {
		for _, drawing := range []timeline.Drawing{{}, {File: true, Width: 1000}} {
			svg := timeline.SVG(f, style, drawing)
			for _, bad := range []string{"<script", "\x1b", "\x00", "\u202e", "style=", "<style", "id="} {
				assert.NotContains(t, string(svg), bad)
			}
			requireXML(t, svg)
			assert.Equal(t, svg, timeline.SVG(f, style, drawing), "the same arguments give the same bytes")
		}
		assert.False(t, strings.ContainsAny(timeline.Text(f, 80, style), "\x1b\x00\u202e"))
	}
}

func requireXML(t *testing.T, svg []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// TestNotes checks what a lane says about uses, and that its title counts clauses as the
// style says.
func TestNotes(t *testing.T) {
	list := restriction.List{
		{Expires: epoch.Unix() + 9, UsagesAT: restriction.Usages(3), UsagesOther: restriction.Usages(2)},
		{Expires: epoch.Unix() + 9, UsagesAT: restriction.Usages(0), UsagesOther: restriction.Usages(0)},
	}
	svg := func(capabilities capability.Set, first int) string {
		f := newForecast(t, forecast.Token{Restrictions: list, Capabilities: capabilities}, time.Time{})
		return string(timeline.SVG(f, forecast.Style{First: first}, timeline.Drawing{Width: 1000}))
	}
	all := svg(capability.Default(), 1)
	for _, want := range []string{"3 access tokens, 2 other uses", "used up", "Clause 1: ", "Clause 2: "} {
		assert.Contains(t, all, want)
	}
	assert.NotContains(t, all, "Clause 0: ")
	assert.Contains(t, svg(capability.Set{capability.Tokeninfo}, 0), "no access tokens, 2 other uses")
	assert.Contains(t, svg(nil, 0), "Clause 0: ")
}

// TestAxes draws forecasts of very different lengths. Each axis has marks, and no line is
// wider than asked for.
func TestAxes(t *testing.T) {
	const width = 60
	zone := time.FixedZone("east", 2*60*60)
	for _, style := range []forecast.Style{{}, {Location: zone}, {Start: epoch}, {Start: epoch.Add(time.Minute)}} {
		for span := time.Second; span < 90*365*24*time.Hour; span *= 3 {
			f := newForecast(t, forecast.Token{}, epoch.Add(span).Truncate(time.Second))
			lines := strings.Split(timeline.Text(f, width, style), "\n")
			assert.Contains(t, lines[1], "|", "%v: the axis", span)
			for _, line := range lines[:3] {
				assert.LessOrEqual(t, len([]rune(line)), width, line)
			}
			requireXML(t, timeline.SVG(f, style, timeline.Drawing{Width: 1, File: true}))
		}
	}
}

// TestFitsAPhone checks that every text of a drawing for pages fits on a phone, for times
// near and far, and that the drawing does not scale: its texts are 14 pixels high.
func TestFitsAPhone(t *testing.T) {
	const room = 38 // characters of 14 pixels in 300 pixels
	long := strings.Repeat("storage.read ", 9)
	for _, style := range []forecast.Style{{}, {Start: epoch}, {Location: time.FixedZone("NZDT", 13*60*60)}} {
		for _, exp := range []time.Duration{time.Minute, time.Hour, 25 * time.Hour, 500 * 24 * time.Hour, 100_000 * time.Hour} {
			list := restriction.List{
				{Expires: epoch.Add(exp).Unix(), Scopes: strings.Fields(long)[:1], UsagesAT: restriction.Usages(1000)},
				{NotBefore: epoch.Add(exp / 2).Unix(), Expires: epoch.Add(exp).Unix() + 1, UsagesAT: restriction.Usages(1000), UsagesOther: restriction.Usages(1000)},
			}
			f := newForecast(t, forecast.Token{Restrictions: list}, epoch.Add(2*exp))
			svg := string(timeline.SVG(f, forecast.Style{Start: style.Start, Location: style.Location, Labels: []string{long}}, timeline.Drawing{}))
			assert.Contains(t, svg, `width="100%"`)
			assert.Contains(t, svg, `font-size="14"`)
			assert.NotContains(t, svg, "viewBox")
			texts := regexp.MustCompile(`<text([^>]*)>([^<]*)</text>`).FindAllStringSubmatch(svg, -1)
			require.Greater(t, len(texts), 6)
			for _, text := range texts {
				shown := html.UnescapeString(text[2])
				assert.LessOrEqual(t, len([]rune(shown)), room, text[0])
				assert.True(t, !strings.HasSuffix(shown, "…") || strings.HasPrefix(shown, "storage.read"), "a time is cut off: %s", shown)
			}
		}
	}
}

// TestZone checks that the axis names the zone of absolute times, and both names if the
// clocks change.
func TestZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, test := range []struct {
		style forecast.Style
		span  time.Duration
		want  string
	}{
		{forecast.Style{}, time.Hour, "UTC"}, {forecast.Style{Location: berlin}, time.Hour, "CET"},
		{forecast.Style{Location: berlin}, 90 * 24 * time.Hour, "CET, CEST"}, {forecast.Style{Start: epoch}, time.Hour, ""},
	} {
		f := newForecast(t, forecast.Token{}, epoch.Add(test.span))
		zone := regexp.MustCompile(`class="zone"[^>]*>Times are in ([^<]*)<`).FindStringSubmatch(string(timeline.SVG(f, test.style, timeline.Drawing{})))
		axis := strings.Split(timeline.Text(f, 80, test.style), "\n")[2]
		if test.want == "" {
			assert.Empty(t, zone)
			assert.True(t, strings.HasPrefix(axis, "  "), axis)
			continue
		}
		require.NotNil(t, zone)
		assert.Equal(t, test.want, zone[1])
		assert.True(t, strings.HasPrefix(axis, strings.Fields(test.want)[0]), axis)
	}
}

// TestShortTimes checks how lanes name spans where there is little room: with the day
// once, and with the year if it is not this one.
func TestShortTimes(t *testing.T) {
	day := 24 * time.Hour
	for want, span := range map[string][2]time.Duration{
		">1 Mar 09:00 to 10:00<":       {time.Hour, 2 * time.Hour},
		">1 Mar 09:00 to 2 Mar 08:00<": {time.Hour, day},
		">1 Mar 2030 to 1 Mar 2031<":   {time.Hour, 365 * day},
		">29 Apr 2031 to 30 Apr 2031<": {424 * day, 425 * day},
		">1 Mar 2030 09:00 to 10:00<":  {time.Hour, 2 * time.Hour}, // of a forecast of years
		">1 Mar 2030 to 4 Mar 2030<":   {time.Hour, 3 * day},
		">from 2 Mar 2030<":            {day, 2000 * day},
	} {
		until := epoch.Add(2 * span[1])
		if strings.Contains(want, "2030") {
			until = epoch.Add(1000 * day)
		}
		list := restriction.List{{NotBefore: epoch.Add(span[0]).Unix(), Expires: epoch.Add(span[1]).Unix()}}
		svg := timeline.SVG(newForecast(t, forecast.Token{Restrictions: list}, until), forecast.Style{}, timeline.Drawing{})
		assert.Contains(t, string(svg), want)
	}
}
