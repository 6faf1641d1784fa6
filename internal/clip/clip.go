// Package clip shortens foreign text without cutting a character in two.
package clip

import "strings"

// Runes returns the first n characters of text, or all of text if it has fewer.
func Runes(text string, n int) string {
	count := 0
	for at := range text {
		if count == n {
			return text[:at]
		}
		count++
	}
	return text
}

// Bytes returns text if it has at most n bytes. Otherwise it returns the whole characters
// that fit into n bytes, without bytes that are not UTF-8.
func Bytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// Name shortens a foreign name for an error text: to 64 bytes, followed by an ellipsis.
func Name(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return Bytes(text, most) + "…"
}
