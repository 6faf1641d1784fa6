// Package jsonscan bounds JSON text before a decoder spends time and memory on it.
//
// It reads a text once and allocates nothing. It does not check that the text is JSON: a
// decoder has to do that afterwards. Depth and counts are exact for any prefix that a
// decoder accepts.
package jsonscan

// Scanner goes from one structural character of a JSON text to the next. Set Data first;
// without it, Next returns 0.
type Scanner struct {
	Data []byte
	// Depth is the number of arrays and objects that are open after the last character.
	Depth int
	// Text is the string that Next has just passed: the bytes between its quotes, escapes
	// as they are. It is valid until the next call.
	Text []byte

	at int
}

// Next returns the next structural character: a brace, a bracket or a comma. For a whole
// string it returns a quotation mark. At the end of the data it returns 0. It skips
// everything else.
func (s *Scanner) Next() byte {
	data := s.Data
	for i := s.at; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			s.text(i + 1)
			return c
		case '{', '[':
			s.Depth++
			s.at = i + 1
			return c
		case '}', ']':
			s.Depth = max(s.Depth-1, 0)
			s.at = i + 1
			return c
		case ',':
			s.at = i + 1
			return c
		}
	}
	s.at = len(data)
	return 0
}

// text reads the string that begins at start, up to its closing quote or the end of the
// data.
func (s *Scanner) text(start int) {
	data := s.Data
	for i := start; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			s.Text, s.at = data[start:i], i+1
			return
		}
	}
	s.Text, s.at = data[start:], len(data)
}

// Limits are the most that a text may hold. Zero means no limit.
type Limits struct {
	Depth   int // nested arrays and objects, the outermost included
	Objects int // in the whole text
	Values  int // arrays, objects, and values after a comma, in the whole text
}

// Exceeded reports whether the text exceeds one of the limits.
func (l Limits) Exceeded(data []byte) bool {
	objects, values := 0, 0
	over := func(n, limit int) bool { return limit > 0 && n > limit }
	for s := (Scanner{Data: data}); ; {
		switch s.Next() {
		case 0:
			return false
		case '{':
			objects++
			values++
		case '[', ',':
			values++
		}
		if over(s.Depth, l.Depth) || over(objects, l.Objects) || over(values, l.Values) {
			return true
		}
	}
}
