// Package clip shortens foreign text without cutting a character in two.
package clip

import "strings"

// Runes returns the first most characters of text.
func Runes(text string, most int) string {
	count := 0
	for at := range text {
		if count == most {
			return text[:at]
		}
		count++
	}
	return text
}

// Bytes returns as many whole characters of text as fit into most bytes. It drops what is
// not UTF-8 from a text that is too long, and returns any other text as it is.
func Bytes(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// Name shortens a foreign name for an error text: to 64 bytes and an ellipsis.
func Name(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return Bytes(text, most) + "…"
}
