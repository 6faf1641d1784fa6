package oidcupstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// fields is a JSON object, or nil. Its methods decode each member on its own, so that one
// strange member does not hide another.
type fields map[string]json.RawMessage

var errNotObject = errors.New("it is not a JSON object")

// parseFields reads a JSON object. If a member occurs twice, the last one counts.
func parseFields(data []byte) (fields, error) {
	f, _, err := readFields(data)
	return f, err
}

// readFields is parseFields. It also reports whether some member occurs twice, in the
// object or inside of it.
func readFields(data []byte) (f fields, twice bool, err error) {
	if f, ok := strictFields(data, jsontext.AllowInvalidUTF8(true)); ok {
		return f, false, nil
	}
	if err := json.Unmarshal(data, &f); err != nil || f == nil {
		return nil, false, errNotObject
	}
	return f, true, nil
}

// strictFields reads a JSON object in one pass. It reports false for anything else, and if
// a member occurs twice, in the object or inside of it. The members share the memory of
// data.
func strictFields(data []byte, opts ...jsontext.Options) (fields, bool) {
	dec := decoders.Get().(*jsontext.Decoder)
	dec.Reset(bytes.NewBuffer(data), opts...)
	defer func() {
		dec.Reset(strings.NewReader("")) // so that it keeps nothing of the data
		decoders.Put(dec)
	}()
	if start, err := dec.ReadToken(); err != nil || start.Kind() != '{' {
		return nil, false
	}
	f := make(fields, 8)
	for dec.PeekKind() == '"' {
		member, err := dec.ReadToken()
		if err != nil {
			return nil, false
		}
		name := member.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, false
		}
		end := int(dec.InputOffset())
		f[name] = data[end-len(value) : end : end]
	}
	if _, err := dec.ReadToken(); err != nil { // the end of the object
		return nil, false
	}
	_, err := dec.ReadToken()
	return f, err == io.EOF
}

// decoders are used again, because each needs several parts.
var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(strings.NewReader("")) }}

// isObject reports whether parseFields would accept the data.
func isObject(data []byte) bool {
	return jsontext.Value(data).Kind() == '{' && jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// hasText reports whether a member is a string, and not an empty one.
func (f fields) hasText(name string) bool { return len(f[name]) > len(`""`) && f[name][0] == '"' }

// text returns the value of a member, and whether it is a string.
func (f fields) text(name string) (string, bool) { return unquote(f[name]) }

// unquote decodes a string. It reports false for any other value, and for none.
func unquote(raw json.RawMessage) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain), true
	}
	return text, json.Unmarshal(raw, &text) == nil
}

const (
	// maxListed bounds the scopes and the audiences of an answer. Callers compare them
	// with lists of their own. It is the greatest length of a list in a restriction too.
	maxListed = 1024
	// maxListedBytes bounds the JSON of such a list.
	maxListedBytes = 64 << 10
)

var (
	errListTooLong = fmt.Errorf("it has more than %d entries or %d bytes", maxListed, maxListedBytes)
	errListType    = errors.New("it is neither a string nor a list of strings")
)

// wordList decodes scopes: a string with spaces between them, or from some providers an
// array of such strings. It returns nil and no error for a member that is missing or
// null.
func wordList(raw json.RawMessage) ([]string, error) {
	list, err := stringList(raw)
	if err != nil {
		return nil, err
	}
	var words []string
	for _, entry := range list {
		words = append(words, strings.Fields(entry)...)
	}
	if len(words) > maxListed {
		return nil, errListTooLong
	}
	return words, nil
}

// stringList decodes a claim that is a string or an array of strings. It returns nil and
// no error for a claim that is missing, null or empty.
func stringList(raw json.RawMessage) ([]string, error) {
	if len(raw) > maxListedBytes {
		return nil, errListTooLong
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if text, ok := unquote(raw); ok {
		if text == "" {
			return nil, nil
		}
		return []string{text}, nil
	}
	var entries []*string
	if json.Unmarshal(raw, &entries) != nil {
		return nil, errListType
	}
	if len(entries) > maxListed {
		return nil, errListTooLong
	}
	list := make([]string, 0, len(entries))
	for _, entry := range entries {
		if entry == nil { // null
			return nil, errListType
		}
		list = append(list, *entry)
	}
	return list, nil
}

// emptyList reports whether a member is missing, null or an empty array.
func emptyList(raw json.RawMessage) bool {
	if len(raw) == 0 {
		return true
	}
	if len(raw) > maxListedBytes {
		return false
	}
	var list []json.RawMessage
	return json.Unmarshal(raw, &list) == nil && len(list) == 0
}
