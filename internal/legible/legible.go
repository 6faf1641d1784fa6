// Package legible keeps characters out of texts that change what a reader sees and have
// no look of their own: terminal escapes, changes of the direction of writing, and
// invisible characters in names that are to be told apart.
//
// These are the control and format characters of Unicode (categories Cc and Cf), the
// separators of lines and paragraphs (Zl and Zp), and bytes that are not UTF-8. The two
// joiners U+200C and U+200D are format characters that Persian, Indic scripts and emoji
// need. They are accepted, one at a time, between letters and digits of such scripts,
// marks and symbols. They are also accepted at the end of a word after a mark of such a
// script, because there they give a Malayalam or Bengali consonant its final form.
//
// Marks that stand above and below one letter are not accepted beyond the eighth: they
// would cover the lines around it. No language needs so many.
//
// The package serves three purposes. A text that somebody types is refused ([Refuse]). A
// text that a machine sends about itself is cleaned ([Replace]). A text that was stored
// before, or that somebody else stored, is shown with escapes ([Show]).
package legible

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Refuse says which character of a text that somebody typed is not accepted. It returns
// the empty string if the text is fine.
func Refuse(text string) (reason string) {
	at, size := find(text)
	switch r, _ := utf8.DecodeRuneInString(text[at:]); {
	case size == 0:
		return ""
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("it is not UTF-8: it has the byte 0x%02X", text[at])
	case unicode.Is(unicode.M, r):
		return fmt.Sprintf("it has more than %d marks on one letter: remove the mark %U", mostMarks, r)
	default:
		return fmt.Sprintf("it has the control or format character %U: remove that character", r)
	}
}

// Replace writes with in place of each character that [Refuse] does not accept.
func Replace(text, with string) string { return rewrite(text, func(string) string { return with }) }

// Show writes an escape in place of each character that [Refuse] does not accept: \u202e
// for U+202E, as in JSON, and \xff for a byte that is not UTF-8. So a JSON text keeps its
// meaning.
func Show(text string) string { return rewrite(text, escape) }

func escape(character string) string {
	r, size := utf8.DecodeRuneInString(character)
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf(`\x%02x`, character[0])
	}
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

func rewrite(text string, with func(character string) string) string {
	at, size := find(text)
	if size == 0 {
		return text
	}
	var out strings.Builder
	for size > 0 {
		out.WriteString(text[:at])
		out.WriteString(with(text[at : at+size]))
		text = text[at+size:]
		at, size = find(text)
	}
	out.WriteString(text)
	return out.String()
}

// find returns the first character that is not accepted, and its size in bytes, or the
// end of the text and 0. A joiner at the beginning of the text is refused.
func find(text string) (at, size int) {
	before, marks := utf8.RuneError, 0
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		after, _ := utf8.DecodeRuneInString(text[at+size:])
		if r == utf8.RuneError && size == 1 || isHidden(r) && !(isJoiner(r) && joins(before) && (joins(after) || isSign(before))) {
			return at, size
		}
		switch {
		case unicode.Is(unicode.M, r):
			marks++
		case !isJoiner(r):
			marks = 0
		}
		if marks > mostMarks {
			return at, size
		}
		at, before = at+size, r
	}
	return at, 0
}

// mostMarks is how many marks one letter may have.
const mostMarks = 8

func isHidden(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// joins reports whether a joiner may stand beside r. Between Latin, Greek and Cyrillic
// letters it would only make two names look alike.
func joins(r rune) bool {
	return r > unicode.MaxLatin1 && r != utf8.RuneError && unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.S) &&
		!unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
}

// isSign reports whether r is a mark of one script, such as a virama. Accents and
// variation selectors are marks of all scripts.
func isSign(r rune) bool { return unicode.Is(unicode.M, r) && !unicode.Is(unicode.Inherited, r) }
