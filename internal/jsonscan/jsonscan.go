// Package jsonscan bounds JSON text before a decoder spends time and memory on it.
//
// It reads a text once, without allocation, and does not check that the text is JSON. A
// decoder has to do that afterwards. Of any prefix that a decoder accepts, depth and
// counts are exact.
package jsonscan

// Scanner goes from one character of structure to the next. The zero value scans nothing;
// set Data first.
type Scanner struct {
	Data []byte
	// Depth is the number of arrays and objects that are open after the last character.
	Depth int
	// Text is the string that Next has just passed: the bytes between its quotes, escapes
	// as they are. It is valid until the next call.
	Text []byte

	at int
}

// Next returns the next of { } [ ] and comma, or a quotation mark for a whole string. At
// the end of the data it returns 0.
func (s *Scanner) Next() byte {
	for s.at < len(s.Data) {
		c := s.Data[s.at]
		s.at++
		switch c {
		case '"':
			s.text()
			return c
		case '{', '[':
			s.Depth++
			return c
		case '}', ']':
			s.Depth = max(s.Depth-1, 0)
			return c
		case ',':
			return c
		}
	}
	return 0
}

// text reads up to the quotation mark that ends the string, or to the end of the data.
func (s *Scanner) text() {
	start := s.at
	for ; s.at < len(s.Data); s.at++ {
		switch s.Data[s.at] {
		case '\\':
			s.at++
		case '"':
			s.Text = s.Data[start:s.at]
			s.at++
			return
		}
	}
	s.at = len(s.Data)
	s.Text = s.Data[start:]
}

// Limits are the most that a text may hold. Zero means no limit.
type Limits struct {
	Depth   int // arrays and objects within each other, the outermost included
	Objects int // in the whole text
	Values  int // arrays, objects, and values after a comma, in the whole text
	String  int // bytes between the quotation marks of one string
}

// Limit names one of the [Limits].
type Limit uint8

// The limits that a text can exceed.
const (
	None Limit = iota // the text is within all limits
	Depth
	Objects
	Values
	String
)

// Exceeded returns the first limit that the text exceeds, or [None].
func (l Limits) Exceeded(data []byte) Limit {
	objects, values := 0, 0
	for s := (Scanner{Data: data}); ; {
		switch s.Next() {
		case 0:
			return None
		case '"':
			if l.String > 0 && len(s.Text) > l.String {
				return String
			}
			continue
		case '{':
			objects++
			values++
		case '[', ',':
			values++
		}
		switch {
		case l.Depth > 0 && s.Depth > l.Depth:
			return Depth
		case l.Objects > 0 && objects > l.Objects:
			return Objects
		case l.Values > 0 && values > l.Values:
			return Values
		}
	}
}
