package restriction

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MarshalJSON returns l as JSON text that [Parse] reads back. The keys of this package
// come first, in the order of protocol section 2.1. The extra keys follow in their order,
// with the bytes of their values. MarshalJSON returns an error for a list that Parse
// would refuse or read differently.
//
// The encoder that calls MarshalJSON may change the spaces and escapes in values of extra
// keys. To keep every byte, insert the result of [List.AppendJSON] into the surrounding
// text yourself.
func (l List) MarshalJSON() ([]byte, error) { return l.AppendJSON(nil) }

// MarshalJSON returns the JSON object of one clause, as [List.MarshalJSON] does.
func (c Clause) MarshalJSON() ([]byte, error) {
	text, err := List{c}.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	return text[1 : len(text)-1], nil // without the brackets
}

// String returns the JSON text of l, for people to read. If l cannot be encoded, String
// returns the reason in parentheses.
func (l List) String() string { return readable(l.MarshalJSON()) }

// String returns the JSON text of c, as [List.String] does.
func (c Clause) String() string { return readable(c.MarshalJSON()) }

func readable(json []byte, err error) string {
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return string(json)
}

// AppendJSON appends the JSON text of l to dst. An empty list becomes []. AppendJSON
// returns [ErrEmptyClause], [ErrInvalid] for a value that Parse would refuse or read
// differently, or [ErrTooLarge]. Its result is then nil.
func (l List) AppendJSON(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '[')
	for i := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = l[i].appendJSON(dst); err != nil {
			return nil, located(i, err)
		}
	}
	dst = append(dst, ']')
	if _, err := checkLimits(dst[start:]); err != nil {
		return nil, err
	}
	return dst, nil
}

// appendJSON appends the object of one clause.
func (c *Clause) appendJSON(dst []byte) ([]byte, error) {
	if c.IsEmpty() {
		return nil, ErrEmptyClause
	}
	e := encoder{text: append(dst, '{')}
	for _, k := range keys {
		if k.states(c) {
			k.write(&e, c)
		}
	}
	for i := range c.Extra {
		e.extra(c.Extra[:i], &c.Extra[i])
	}
	return append(e.text, '}'), e.err
}

// encoder writes the members of an object. After an error it does nothing.
type encoder struct {
	text  []byte
	comma bool
	err   error
}

func (e *encoder) fail(key string, err error) {
	if e.err == nil {
		e.err = &ClauseError{Key: key, Err: err}
	}
}

func (e *encoder) key(key string) {
	if e.comma {
		e.text = append(e.text, ',')
	}
	e.comma = true
	e.string(key, key)
	e.text = append(e.text, ':')
}

func (e *encoder) string(key, value string) {
	text, err := jsontext.AppendQuote(e.text, value)
	if err != nil {
		e.fail(key, badValue(ErrInvalid, "not UTF-8"))
		return
	}
	e.text = text
}

func (e *encoder) integer(key string, n int64) {
	e.key(key)
	e.text = strconv.AppendInt(e.text, n, 10)
}

func (e *encoder) strings(key string, list []string) {
	if e.empty(key, list) {
		return
	}
	e.key(key)
	e.text = append(e.text, '[')
	for i, entry := range list {
		if i > 0 {
			e.text = append(e.text, ',')
		}
		e.string(key, entry)
	}
	e.text = append(e.text, ']')
}

func (e *encoder) words(key string, list []string) {
	if e.empty(key, list) {
		return
	}
	e.key(key)
	e.string(key, strings.Join(list, " "))
}

// empty reports whether list has no entries, and records an error if so.
func (e *encoder) empty(key string, list []string) bool {
	if len(list) == 0 {
		e.fail(key, badValue(ErrInvalid, "the list has no entries and would read as no restriction"))
	}
	return len(list) == 0
}

// extra writes an extra key. It records an error if Parse would read the key as something
// else.
func (e *encoder) extra(before []Extra, extra *Extra) {
	earlier := Clause{Extra: before}
	if _, twice := earlier.extra(extra.Key); twice || isKnown(extra.Key) {
		e.fail(extra.Key, badValue(ErrInvalid, "the extra key repeats another key"))
		return
	}
	if !jsontext.Value(extra.Value).IsValid() {
		e.fail(extra.Key, badValue(ErrInvalid, "its value is not JSON"))
		return
	}
	e.key(extra.Key)
	e.text = append(e.text, extra.Value...)
}
