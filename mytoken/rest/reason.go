package rest

import (
	"regexp"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/restriction"
)

// Public clients show error_description and nothing else. So the description of a refusal
// ends in its reason: the objections of the clause that will admit the use first.

// maxReason bounds the reason of a refusal, in characters. The clauses of a token may be
// long, and the whole explanation is in a member of its own.
const maxReason = 400

// shortReason returns why a use is refused, as far as the client may know, or an empty text.
// The explanation holds nothing that the client must not know; see call.explanation. One
// clause alone would tell something about instants. So without instants, the reason names
// all keys that refuse.
func shortReason(told *restriction.Explanation, instants bool) string {
	parts, between := told.Keys(), ", "
	if instants {
		parts, between = nil, "; "
		for _, o := range decisive(told) {
			parts = append(parts, objectionText(o))
		}
	}
	text := descriptive(strings.Join(parts, between))
	if short := clip.Runes(text, maxReason); short != text {
		return short + "..."
	}
	return text
}

// decisive returns what refuses the use as a whole, or else in the clause that will admit it
// first.
func decisive(e *restriction.Explanation) []restriction.Objection {
	if e.Objection != nil {
		return []restriction.Objection{*e.Objection}
	}
	if closest := e.Closest(); closest != nil {
		return closest.Objections
	}
	return nil
}

// objectionText says what one key objects to. Without values it is the key alone.
func objectionText(o restriction.Objection) string {
	at, known := o.Earliest.Time()
	switch {
	case o.Need == "":
		return o.Key
	case o.Key == restriction.KeyNotBefore && known:
		return o.Key + ": not before " + minute(at)
	}
	return o.Key + ": needs " + writtenTime.ReplaceAllStringFunc(o.Need, func(text string) string {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return text
		}
		return minute(t)
	})
}

// writtenTime is how package restriction writes an instant.
var writtenTime = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`)

// minute writes an instant for people, rounded up to the second, which is left out if it is
// 0.
func minute(t time.Time) string {
	t = t.Add(time.Second - 1).Truncate(time.Second).UTC()
	if t.Second() == 0 {
		return t.Format("2006-01-02 15:04 UTC")
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// descriptive replaces what an error_description must not hold: anything but printable
// ASCII, the double quote and the backslash (RFC 6749 section 5.2).
func descriptive(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return '?'
		}
		return r
	}, strings.ReplaceAll(text, "…", "..."))
}
