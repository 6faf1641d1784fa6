package sqlstore

import (
	"encoding/hex"
	"strconv"
)

// rows collects the arguments for a list of rows. Each call adds the value of the next
// column.
type rows interface {
	number(n int64)
	bytes(b []byte)
	// appendTo adds the list to the arguments of a statement.
	appendTo(args []any) []any
}

// collect returns an empty list. one says that it will have one row, for oneRow. All
// other lists are for unnest.
func collect(columns int, one bool) rows {
	if one {
		r := make(singles, 0, columns)
		return &r
	}
	return &arrays{columns: make([]array, columns)}
}

// singles is one row as single values. Most requests come alone, and single values cost
// the server and the driver less than arrays do.
type singles []any

func (r *singles) number(n int64)            { *r = append(*r, n) }
func (r *singles) bytes(b []byte)            { *r = append(*r, filled(b)) }
func (r *singles) appendTo(args []any) []any { return append(args, *r...) }

// arrays has one array for each column. So a statement has the same text for any number
// of rows. The arrays are texts, which every driver can send.
type arrays struct {
	columns []array
	next    int // column
}

// array is the literal of an array, without the closing brace.
type array []byte

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

// orEmpty returns an empty byte string for an id that was never set.
func orEmpty[T interface{ IsZero() bool }](id T, b []byte) []byte {
	if id.IsZero() {
		return nil
	}
	return b
}
