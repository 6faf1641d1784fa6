package restriction

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads the restrictions of a token: a JSON array of objects. Key names match
// exactly. The older name "ip" reads as "hosts". Parse keeps an unknown key with the
// bytes of its value. These values count as absent: null, 0 for a time, an empty list,
// and an empty string (protocol section 2.1).
//
// Parse returns [ErrSyntax] for text that is not an array of objects, and for text after
// the array. It also does so for a repeated key and for a value of the wrong type. It
// returns [ErrEmptyClause] for a clause that states nothing. If the text exceeds a limit,
// Parse returns [ErrTooLarge] before it decodes anything.
//
// Parse does not judge whether values make sense, because a token must be evaluated as it
// was issued. An issuer also calls [List.Validate].
func Parse(data []byte) (List, error) {
	list, err := decodeList(data, nil)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].IsEmpty() {
			return nil, &ClauseError{Clause: i, Err: ErrEmptyClause}
		}
	}
	return list, nil
}

// UnmarshalJSON reads l as [Parse] does. On an error l stays unchanged.
func (l *List) UnmarshalJSON(data []byte) error {
	list, err := Parse(data)
	if err != nil {
		return err
	}
	*l = list
	return nil
}

// UnmarshalJSON reads one clause as [Parse] does. On an error c stays unchanged.
func (c *Clause) UnmarshalJSON(data []byte) error {
	if len(data) > MaxBytes {
		return &LimitError{"bytes", MaxBytes}
	}
	list, err := Parse(slices.Concat([]byte{'['}, data, []byte{']'}))
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return syntaxError("need one clause")
	}
	*c = list[0]
	return nil
}

// timeReader reads a time that a request writes as a string. The result is Unix time in
// seconds.
type timeReader func(text string) (seconds int64, err error)

// decodeList reads a list. It passes times that are strings to times. If times is nil,
// such strings are an error.
func decodeList(data []byte, times timeReader) (List, error) {
	clauses, err := checkLimits(data)
	if err != nil {
		return nil, err
	}
	d := decoder{json: jsontext.NewDecoder(bytes.NewBuffer(data)), times: times}
	if d.json.PeekKind() != '[' {
		return nil, syntaxError("need an array of clauses")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, syntaxError("not JSON")
	}
	list := make(List, 0, clauses)
	for d.json.PeekKind() != ']' {
		list = append(list, Clause{})
		if err := d.clause(&list[len(list)-1]); err != nil {
			return nil, located(len(list)-1, err)
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, syntaxError("not JSON")
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, syntaxError("text after the array")
	}
	return list, nil
}

// located sets the index of the clause in err.
func located(clause int, err error) error {
	if known, ok := errors.AsType[*ClauseError](err); ok {
		known.Clause = clause
		return known
	}
	return &ClauseError{Clause: clause, Err: err}
}

type decoder struct {
	json  *jsontext.Decoder
	times timeReader
	name  []byte // of the current key, reused
}

func (d *decoder) clause(c *Clause) error {
	var seen uint64
	if d.json.PeekKind() != '{' {
		return badValue(ErrSyntax, "need an object")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return badValue(ErrSyntax, "not JSON")
	}
	for d.json.PeekKind() != '}' {
		quoted, err := d.json.ReadValue()
		if err != nil {
			return keySyntax(err)
		}
		if d.name, err = jsontext.AppendUnquote(d.name[:0], quoted); err != nil {
			return badValue(ErrSyntax, "a key is not a string")
		}
		if err := d.member(c, &seen); err != nil {
			return &ClauseError{Key: string(d.name), Err: err}
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return badValue(ErrSyntax, "not JSON")
	}
	return nil
}

// keySyntax distinguishes a repeated key from other malformed JSON.
func keySyntax(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return badValue(ErrSyntax, "a key is given twice")
	}
	return badValue(ErrSyntax, "not JSON")
}

// member reads the value of the key d.name. seen has one bit for each key of this package
// that the clause already has.
func (d *decoder) member(c *Clause, seen *uint64) error {
	if index, known := keyNames[string(d.name)]; known {
		k := keys[index]
		if *seen&(1<<index) != 0 {
			return badValue(ErrSyntax, "given both as %q and as %q", k.name(), k.alias())
		}
		*seen |= 1 << index
		return k.read(d, c)
	}
	value, err := d.value()
	if err == nil {
		c.Extra = append(c.Extra, Extra{Key: string(d.name), Value: bytes.Clone(value)})
	}
	return err
}

// value reads any value. The result is valid until the next read.
func (d *decoder) value() (jsontext.Value, error) {
	value, err := d.json.ReadValue()
	if err != nil {
		return nil, keySyntax(err)
	}
	return value, nil
}

func (d *decoder) integer() (n int64, present bool, err error) {
	value, err := d.value()
	if err != nil {
		return 0, false, err
	}
	switch value.Kind() {
	case 'n':
		return 0, false, nil
	case '0':
		if n, err = strconv.ParseInt(string(value), 10, 64); err == nil {
			return n, true, nil
		}
	}
	return 0, false, badValue(ErrSyntax, "need an integer")
}

func (d *decoder) count() (*int64, error) {
	n, present, err := d.integer()
	if err != nil || !present {
		return nil, err
	}
	return &n, nil
}

func (d *decoder) time() (int64, error) {
	if d.times == nil || d.json.PeekKind() != '"' {
		n, _, err := d.integer()
		return n, err
	}
	text, err := d.string()
	if err != nil {
		return 0, err
	}
	return d.times(text)
}

func (d *decoder) string() (string, error) {
	value, err := d.value()
	if err != nil {
		return "", err
	}
	if value.Kind() != '"' {
		return "", badValue(ErrSyntax, "need a string")
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), nil
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", badValue(ErrSyntax, "need a string")
	}
	return string(text), nil
}

// words reads a string of words separated by spaces.
func (d *decoder) words() ([]string, error) {
	if d.json.PeekKind() == 'n' {
		_, err := d.value()
		return nil, err
	}
	text, err := d.string()
	if err != nil {
		return nil, err
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' })
	if len(words) == 0 {
		return nil, nil
	}
	return words, nil
}

// strings reads an array of strings, or null.
func (d *decoder) strings() ([]string, error) { return array(d, "strings", d.string) }

// array reads an array, or null. what names its elements, for errors.
func array[T any](d *decoder, what string, element func() (T, error)) ([]T, error) {
	switch d.json.PeekKind() {
	case 'n':
		_, err := d.value()
		return nil, err
	case '[':
	default:
		if _, err := d.value(); err != nil {
			return nil, err
		}
		return nil, badValue(ErrSyntax, "need an array of %s", what)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, keySyntax(err)
	}
	var list []T
	for d.json.PeekKind() != ']' {
		one, err := element()
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, keySyntax(err)
	}
	return list, nil
}
