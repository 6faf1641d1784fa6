package sqlstore

import (
	"encoding/hex"
	"strconv"
)

// arrays collects rows as one array for each column, for unnest. So a statement has the
// same text for any number of rows. The arrays are texts, which every driver can send.
type arrays struct {
	columns []array
	next    int // column
}

// array is the literal of an array, without the closing brace.
type array []byte

func newArrays(columns int) *arrays { return &arrays{columns: make([]array, columns)} }

// item returns the column of the next value, ready for it.
func (a *arrays) item() *array {
	c := &a.columns[a.next]
	a.next = (a.next + 1) % len(a.columns)
	if len(*c) == 0 {
		*c = append(*c, '{')
	} else {
		*c = append(*c, ',')
	}
	return c
}

// number adds a number to the row.
func (a *arrays) number(n int64) {
	c := a.item()
	*c = strconv.AppendInt(*c, n, 10)
}

// bytes adds a byte string to the row.
func (a *arrays) bytes(b []byte) {
	c := a.item()
	*c = append(*c, `"\\x`...)
	*c = append(hex.AppendEncode(*c, b), '"')
}

// text adds a text to the row, as a byte string.
func (a *arrays) text(s string) { a.bytes([]byte(s)) }

// id adds an id to the row, or an empty byte string if it is zero.
func (a *arrays) id(b []byte, zero bool) {
	if zero {
		b = nil
	}
	a.bytes(b)
}

// appendTo adds the arrays to the arguments of a statement.
func (a *arrays) appendTo(args []any) []any {
	for _, c := range a.columns {
		if len(c) == 0 {
			args = append(args, "{}")
			continue
		}
		args = append(args, string(append(c, '}')))
	}
	return args
}
