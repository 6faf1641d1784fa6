package restriction

// Limits of what is read and written. One pass over the text checks them, without
// allocation, before anything is decoded.
const (
	MaxBytes   = 1 << 20 // JSON text of a list, in bytes
	MaxClauses = 1024    // clauses in a list
	MaxKeys    = 64      // keys in a clause
	MaxEntries = 1024    // elements of any array or object below a clause, or words in a string
	MaxTotal   = 4096    // further elements and words, after the first of each, in all clauses
	MaxString  = 8192    // one JSON string, in bytes of its text
	MaxDepth   = 16      // levels of nesting, the list itself being the first
)

// checkLimits returns the number of clauses in data, or the first limit that data
// exceeds. It does not check that data is JSON: the answer for malformed text means
// nothing.
func checkLimits(data []byte) (clauses int, err error) {
	if len(data) > MaxBytes {
		return 0, &LimitError{"bytes", MaxBytes}
	}
	var commas [MaxDepth + 1]int // by level
	depth, total := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			end, spaces := skipString(data, i+1)
			if end-i-1 > MaxString {
				return 0, &LimitError{"bytes in a string", MaxString}
			}
			if spaces >= MaxEntries {
				return 0, &LimitError{"entries in a list", MaxEntries}
			}
			total += spaces
			i = end
		case '[', '{':
			if depth++; depth > MaxDepth {
				return 0, &LimitError{"levels of nesting", MaxDepth}
			}
			commas[depth] = 0
		case ']', '}':
			depth = max(depth-1, 0)
		case ',':
			commas[depth]++
			if err := checkCommas(depth, commas[depth]); err != nil {
				return 0, err
			}
			if depth > 2 {
				total++
			}
		}
		if total > MaxTotal {
			return 0, &LimitError{"entries in all lists", MaxTotal}
		}
	}
	return commas[1] + 1, nil
}

// checkCommas compares the number of elements with the limit of their level.
func checkCommas(depth, commas int) error {
	elements := commas + 1
	switch {
	case depth == 1 && elements > MaxClauses:
		return &LimitError{"clauses", MaxClauses}
	case depth == 2 && elements > MaxKeys:
		return &LimitError{"keys in a clause", MaxKeys}
	case depth > 2 && elements > MaxEntries:
		return &LimitError{"entries in a list", MaxEntries}
	}
	return nil
}

// skipString returns the index of the quote that ends the string which begins at i, or
// len(data), and the number of spaces before it.
func skipString(data []byte, i int) (end, spaces int) {
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			return i, spaces
		case '\\':
			i++
		case ' ':
			spaces++
		}
	}
	return len(data), spaces
}
