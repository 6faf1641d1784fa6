// Package jsonscan bounds JSON text before a decoder spends time and memory on it.
//
// It reads a text once and allocates nothing. It does not check that the text is JSON: a
// decoder has to do that afterwards. Depth and counts are exact for any prefix that a
// decoder accepts.
package jsonscan

import "bytes"

// Limits are the most that a text may hold. Zero means no limit.
type Limits struct {
	Depth   int // nested arrays and objects, the outermost included
	Objects int // in the whole text
	Values  int // arrays, objects, and values after a comma, in the whole text
}

// Exceeded reports whether the text exceeds one of the limits.
func (l Limits) Exceeded(data []byte) bool {
	depth, objects, values := 0, 0, 0
	over := func(n, limit int) bool { return limit > 0 && n > limit }
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i+1)
			continue
		case '}', ']':
			depth = max(depth-1, 0)
			continue
		case '{':
			depth++
			objects++
			values++
		case '[':
			depth++
			values++
		case ',':
			values++
		default:
			continue
		}
		if over(depth, l.Depth) || over(objects, l.Objects) || over(values, l.Values) {
			return true
		}
	}
	return false
}

// stringEnd returns the index of the quote that closes the string which begins at start,
// or the length of the data if none does.
func stringEnd(data []byte, start int) int {
	for i := start; ; i++ {
		quote := bytes.IndexByte(data[i:], '"')
		if quote < 0 {
			return len(data)
		}
		i += quote
		escapes := i // an odd number of backslashes before the quote escapes it
		for escapes > start && data[escapes-1] == '\\' {
			escapes--
		}
		if (i-escapes)%2 == 0 {
			return i
		}
	}
}
