// Package errtext writes the texts of errors.
//
// An error of this module has two texts. Its method Error is for operators: it tells the
// whole chain of causes. Error types with a cause write it with [Join], and a log shows it
// with [ForLog]. A client gets another text, which an edge chooses from its own table. So
// a client never learns a cause.
package errtext

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/redact"
)

// Join returns the first part, the other parts that say something, and the text of the
// cause, which may be nil. It says nothing twice: it leaves out a part that the cause
// contains, and a cause that the parts contain.
func Join(cause error, first string, parts ...string) string {
	why := ""
	if cause != nil {
		why = cause.Error()
	}
	text := first
	for _, part := range parts {
		if part != "" && !strings.Contains(why, part) {
			text += ": " + part
		}
	}
	if why == "" || strings.Contains(text, why) {
		return text
	}
	return text + ": " + why
}

// maxLogged is the most bytes of an error that a log shows.
const maxLogged = 1024

// ForLog returns the text of an error for a log: one line of at most 1 KiB, printable and
// without secrets. Errors of this module hold no secrets, but their causes come from
// databases, providers and the network. ForLog removes queries, fragments and passwords
// from URLs, values whose name says that they are secret, credentials of HTTP, and long
// strings that look random. It returns the empty string for nil.
func ForLog(err error) string {
	if err == nil {
		return ""
	}
	text := clip.Bytes(err.Error(), 16*maxLogged) // bounds the work below
	text = legible.Show(scrub(strings.ReplaceAll(text, "\n", "; ")))
	if len(text) <= maxLogged {
		return text
	}
	return clip.Bytes(text, maxLogged-len("…")) + "…"
}

var (
	address    = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)([^\s/?#"'@]*@)?([^\s?#"'<>]*)([?#][^\s"'<>]*)?`)
	assignment = regexp.MustCompile(`(?i)((?:^|[^a-z0-9])(?:[a-z_-]*(?:token|secret|password|passwd|pwd|assertion|verifier|nonce)|code|state)(?:=|"\s*:\s*"))([^\s"'&,;)]+)`)
	credential = regexp.MustCompile(`(?i)\b((?:bearer|basic)\s+)([a-z0-9._~+/=-]+)`)
	run        = regexp.MustCompile(`[A-Za-z0-9_~+=-]{24,}`)
)

// scrub removes what may be secret.
func scrub(text string) string {
	text = address.ReplaceAllStringFunc(text, func(found string) string {
		part := address.FindStringSubmatch(found)
		if part[2] != "" {
			part[2] = redact.Placeholder + "@"
		}
		if part[4] != "" {
			part[4] = part[4][:1] + redact.Placeholder
		}
		return part[1] + part[2] + part[3] + part[4]
	})
	text = assignment.ReplaceAllString(text, "${1}"+redact.Placeholder)
	text = credential.ReplaceAllStringFunc(text, func(found string) string {
		part := credential.FindStringSubmatch(found)
		if kinds := kindsIn(part[2]); kinds < 2 { // a word, such as in "basic authentication"
			return found
		}
		return part[1] + redact.Placeholder
	})
	return run.ReplaceAllStringFunc(text, func(found string) string {
		if kinds := kindsIn(found); kinds == 3 || kinds == 2 && len(found) >= 32 && !strings.ContainsAny(found, "0123456789") {
			return redact.Placeholder
		}
		return found
	})
}

// kindsIn counts the kinds of characters in text: small letters, capital letters, digits.
func kindsIn(text string) (kinds int) {
	for _, is := range []func(rune) bool{unicode.IsLower, unicode.IsUpper, unicode.IsDigit} {
		if strings.ContainsFunc(text, is) {
			kinds++
		}
	}
	return kinds
}
