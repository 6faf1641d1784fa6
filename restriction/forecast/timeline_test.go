package forecast_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

var update = flag.Bool("update", false, "write the golden files")

// fourPhases is the job of the README.
func fourPhases(t testing.TB) *forecast.Forecast {
	list := mustPhases(t,
		restriction.First(time.Hour).Scopes("compute.submit"),
		restriction.First(2*time.Hour).Scopes("storage.read"),
		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage.write"),
	)
	return mustForecast(t, forecast.Token{Restrictions: list}, epoch, time.Time{})
}

// TestTimelines compares the drawings of the four-phase job with the files that
// the README shows.
func TestTimelines(t *testing.T) {
	f := fourPhases(t)
	style := forecast.Style{Start: epoch, Title: "A job in four phases"}
	for name, got := range map[string][]byte{
		"fourphase.txt": []byte(f.Text(80, style)),
		"fourphase.svg": f.SVG(style, forecast.Drawing{Width: 640, File: true}),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
			t.Errorf("%s differs; go test -run TestTimelines -update writes it:\n%s", name, got)
		}
	}
}

// TestHostileText: what a stranger writes into a clause is neither markup nor an
// escape sequence.
func TestHostileText(t *testing.T) {
	hostile := "</text><script>alert(1)</script>\"' onload=x &amp;\x1b[31m\u202e\x00"
	list := restriction.List{{Scopes: []string{hostile}, Audiences: []string{hostile}, Hosts: []string{hostile, "192.0.2.1"}, Extra: []restriction.Extra{{Key: hostile, Value: []byte("1")}}}}
	f := mustForecast(t, forecast.Token{Restrictions: list, Elsewhere: true}, epoch, second(60))
	style := forecast.Style{Title: hostile}
	for _, drawing := range []forecast.Drawing{{}, {File: true, Width: 1000}} {
		svg := f.SVG(style, drawing)
		for _, bad := range []string{"<script", "\x1b", "\x00", "\u202e", "style=", "<style", "id="} {
			if bytes.Contains(svg, []byte(bad)) {
				t.Errorf("the SVG has %q", bad)
			}
		}
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("not XML: %v", err)
			}
		}
		if !bytes.Equal(svg, f.SVG(style, drawing)) {
			t.Error("not the same twice")
		}
	}
	if text := f.Text(80, style); strings.ContainsAny(text, "\x1b\x00\u202e") {
		t.Errorf("the text has control characters: %q", text)
	}
}

// TestBoundaries: nbf and exp are the first and the last second.
func TestBoundaries(t *testing.T) {
	f := mustForecast(t, forecast.Token{Restrictions: restriction.List{{NotBefore: unix(10), Expires: unix(20)}}}, epoch, second(60))
	for at, want := range map[time.Time]forecast.State{
		second(9): forecast.Closed, second(10).Add(-1): forecast.Closed, second(10): forecast.Open,
		second(20): forecast.Open, second(21).Add(-1): forecast.Open, second(21): forecast.Closed,
	} {
		if got := f.Clauses[0].At(at); got != want {
			t.Errorf("%v: %v", at, got)
		}
	}
}

func TestSenselessInput(t *testing.T) {
	list := restriction.List{{Expires: unix(9)}}
	for name, test := range map[string]struct {
		token       forecast.Token
		from, until time.Time
		want        error
	}{
		"no beginning":     {forecast.Token{}, time.Time{}, epoch, forecast.ErrHorizon},
		"backwards":        {forecast.Token{}, epoch, second(-1), forecast.ErrHorizon},
		"nothing":          {forecast.Token{}, epoch, epoch, forecast.ErrHorizon},
		"before 1970":      {forecast.Token{}, time.Unix(-1, 0), epoch, forecast.ErrHorizon},
		"a counter less":   {forecast.Token{Restrictions: list, Used: []restriction.Usage{}}, epoch, second(1), forecast.ErrCounters},
		"a budget more":    {forecast.Token{Restrictions: list, Left: make([]forecast.Left, 2)}, epoch, second(1), forecast.ErrCounters},
		"an empty clause":  {forecast.Token{Restrictions: restriction.List{{}}}, epoch, second(1), restriction.ErrEmptyClause},
		"the end of times": {forecast.Token{}, epoch, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), forecast.ErrHorizon},
	} {
		if f, err := forecast.New(test.token, test.from, test.until); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}
