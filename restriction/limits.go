package restriction

// Limits for reading and writing restrictions. One pass over the text checks them before
// anything is decoded. The pass does not allocate memory.
const (
	MaxBytes   = 1 << 20 // bytes of the JSON text of a list
	MaxClauses = 1024    // clauses in a list
	MaxKeys    = 64      // keys in a clause
	MaxEntries = 1024    // elements of any array or object in a clause, or words in a string
	MaxTotal   = 4096    // elements and words in all clauses, except the first of each value
	MaxString  = 8192    // bytes of one JSON string, as written
	MaxDepth   = 16      // levels of nesting; the list itself is the first
)

// checkLimits returns the number of clauses in data, or the first limit that data
// exceeds. It does not check that data is JSON, and its result for malformed text means
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

// skipString skips the string that begins at i. It returns the index of the closing
// quote, or len(data) if there is none, and the number of spaces before that.
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
