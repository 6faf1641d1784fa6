package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/jsonscan"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/internal/words"
)

// limits bound a body before anything decodes it. The largest request that is valid has
// 1,024 clauses.
var limits = jsonscan.Limits{Objects: 2048, Values: 1 << 16, Depth: 20}

// maxFields bounds the fields of a form.
const maxFields = 256

// scan refuses JSON text beyond the limits. It does not check that the text is JSON.
func scan(data []byte) error {
	if limits.Exceeded(data) {
		return errTooMany
	}
	return nil
}

// requestError says what is wrong with a request (invalid_request).
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return "rest: " + e.text }

func badRequest(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

var (
	errTooLarge  = &requestError{http.StatusRequestEntityTooLarge, "the request is too large"}
	errTooMany   = &requestError{http.StatusBadRequest, "the request holds too many values"}
	errTooSlow   = &requestError{http.StatusRequestTimeout, "the request came too slowly"}
	errEncoding  = &requestError{http.StatusUnsupportedMediaType, "the body must not be compressed"}
	errNotJSON   = &requestError{http.StatusBadRequest, "the body is not a JSON object, or not strict JSON"}
	errDuplicate = &requestError{http.StatusBadRequest, "the body has a member twice"}
	errForm      = &requestError{http.StatusBadRequest, "the body is not a form"}
)

// expectedBody bounds how much room body makes before anything arrives.
const expectedBody = 16 << 10

// body reads the body of a request within the limits of size and time.
func (c *call) body() ([]byte, error) {
	if e := c.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, errEncoding
	}
	most := c.opts.MaxBody
	if c.route.maxBody > 0 {
		most = min(most, c.route.maxBody)
	}
	if c.r.ContentLength > most {
		return nil, errTooLarge
	}
	// A deadline in the past ends a read that is waiting.
	control := http.NewResponseController(c.w)
	stop := time.AfterFunc(c.opts.BodyTimeout, func() {
		_ = rescue.Do(func() { _ = control.SetReadDeadline(time.Unix(1, 0)) }) // of an embedding server's own writer
	})
	var data bytes.Buffer
	if n := min(c.r.ContentLength, expectedBody); n > 0 {
		data.Grow(int(n) + bytes.MinRead)
	}
	_, err := data.ReadFrom(http.MaxBytesReader(c.w, c.r.Body, most))
	inTime := stop.Stop()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errTooLarge
	case !inTime:
		return nil, errTooSlow
	case err != nil:
		return nil, badRequest("the body could not be read")
	}
	return data.Bytes(), nil
}

// decode reads a request into a struct of package wire. The request is JSON, or a form if
// it says so (D101) and does not begin with a brace: curl -d sends JSON under the type of
// a form. An empty body and null stand for an object without members, because public
// clients send them. Expand, if it is not nil, changes the JSON before it is decoded.
func decode(c *call, s shape, into any, expand func([]byte) ([]byte, error)) error {
	data, err := c.body()
	if err != nil {
		return err
	}
	media, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch {
	case beginsObject(data):
		data, err = s.fromJSON(data)
	case media == mediaForm:
		data, err = s.fromForm(data)
	case media == "multipart/form-data":
		data, err = s.fromMultipart(data, params["boundary"])
	default:
		data, err = s.fromJSON(data)
	}
	if err == nil && expand != nil {
		data, err = expand(data)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		var semantic *json.SemanticError
		if limit, ok := errors.AsType[*words.LimitError](err); ok && errors.As(err, &semantic) {
			return badRequest("%s: %v", semantic.JSONPointer.LastToken(), limit)
		}
		if errors.As(err, &semantic) && semantic.JSONPointer != "" {
			return badRequest("%s has the wrong type", semantic.JSONPointer.LastToken())
		}
		return errNotJSON
	}
	return nil
}

// mediaForm is the type of a form, which curl and browsers give to what they send.
const mediaForm = "application/x-www-form-urlencoded"

// jsonSpace is the white space of JSON (RFC 8259 section 2).
const jsonSpace = " \t\r\n"

// beginsObject reports whether a body can only be JSON. No field of a form begins with a
// brace.
func beginsObject(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, jsonSpace), []byte("{"))
}

// saysNothing reports whether a body is no body (protocol section 5.0.3).
func saysNothing(data []byte) bool {
	text := string(bytes.Trim(data, jsonSpace))
	return text == "" || text == "null"
}

// shape describes the members of a struct of package wire.
type shape struct {
	byName map[string]shapeField // by names and aliases in lower case
}

type shapeField struct {
	name  string
	alias bool
	kind  reflect.Kind // String, Bool, Int, Int64, Slice (strings), or Invalid for raw JSON
}

func shapeOf(t reflect.Type) shape {
	s := shape{byName: make(map[string]shapeField)}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		field := shapeField{name: name, kind: f.Type.Kind()}
		switch {
		case f.Type == reflect.TypeFor[jsontext.Value]():
			field.kind = reflect.Invalid
		case field.kind == reflect.Struct, field.kind == reflect.Pointer:
			field.kind = reflect.String // wire.Secret, *string
		}
		s.byName[strings.ToLower(name)] = field
		for _, alias := range strings.FieldsFunc(f.Tag.Get("form"), func(r rune) bool { return r == ',' }) {
			field.alias = true
			s.byName[alias] = field
		}
	}
	return s
}

// fromJSON rewrites an object with the member names in their exact case (protocol section
// 0). It leaves out unknown and null members, and keeps the bytes of the values.
func (s shape) fromJSON(data []byte) ([]byte, error) {
	if saysNothing(data) {
		return []byte("{}"), nil
	}
	data = bytes.Trim(data, jsonSpace)
	if err := scan(data); err != nil {
		return nil, err
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	token, err := dec.ReadToken()
	if err != nil || token.Kind() != '{' {
		return nil, errNotJSON
	}
	out := newObject(len(data))
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, errNotJSON
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, errNotJSON
		}
		field, ok := s.byName[strings.ToLower(name)]
		if !ok || field.alias || value.Kind() == 'n' {
			continue
		}
		if !out.add(field.name, value) {
			return nil, errDuplicate
		}
	}
	if _, err = dec.ReadToken(); err == nil {
		_, err = dec.ReadToken()
	}
	if !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return out.bytes(), nil
}

// fromForm reads a form (WHATWG URL, section 5).
func (s shape) fromForm(data []byte) ([]byte, error) {
	if bytes.Count(data, []byte("&")) >= maxFields {
		return nil, errTooMany
	}
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, errForm
	}
	return s.fromValues(values)
}

// fromMultipart reads a form of several parts (RFC 7578). It refuses files.
func (s shape) fromMultipart(data []byte, boundary string) ([]byte, error) {
	values := url.Values{}
	if boundary == "" {
		return nil, errForm
	}
	parts := multipart.NewReader(bytes.NewReader(data), boundary)
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return s.fromValues(values)
		}
		if err != nil || part.FileName() != "" || part.FormName() == "" {
			return nil, errForm
		}
		if n >= maxFields {
			return nil, errTooMany
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return nil, errForm
		}
		values.Add(part.FormName(), string(text))
	}
}

// fromValues turns the fields of a form into an object. It leaves out unknown and empty
// fields. It refuses a repeated field unless the field is a list, and text that is not
// UTF-8.
func (s shape) fromValues(values url.Values) ([]byte, error) {
	out := newObject(0)
	for name, all := range values {
		field, ok := s.byName[strings.ToLower(name)]
		if !ok || strings.Join(all, "") == "" {
			continue
		}
		if len(all) > 1 && field.kind != reflect.Slice {
			return nil, badRequest("%s is given more than once", field.name)
		}
		if slices.ContainsFunc(all, func(text string) bool { return !utf8.ValidString(text) }) {
			return nil, badRequest("%s is not UTF-8", field.name)
		}
		value, err := field.fromText(all)
		if err != nil {
			return nil, err
		}
		if !out.add(field.name, value) {
			return nil, errDuplicate
		}
	}
	return out.bytes(), scan(out.bytes())
}

// fromText writes the texts of a form field as JSON.
func (f shapeField) fromText(all []string) (jsontext.Value, error) {
	switch text := all[0]; f.kind {
	case reflect.Slice:
		return json.Marshal(all)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, badRequest("%s has the wrong type", f.name)
		}
		return strconv.AppendBool(nil, b), nil
	case reflect.Int, reflect.Int64:
		bits := 32
		if f.kind == reflect.Int64 {
			bits = 64
		}
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return nil, badRequest("%s has the wrong type", f.name)
		}
		return strconv.AppendInt(nil, n, 10), nil
	case reflect.Invalid:
		if text[0] == '[' || text[0] == '{' || text[0] == '"' {
			value := jsontext.Value(text)
			if err := scan(value); err != nil {
				return nil, err
			}
			if !value.IsValid() {
				return nil, badRequest("%s is not strict JSON", f.name)
			}
			return value, nil
		}
		return json.Marshal(text)
	default:
		return json.Marshal(text)
	}
}

// object is a JSON object that is being written.
type object struct {
	text []byte
	seen map[string]bool
}

// newObject makes room for a text of that size.
func newObject(size int) *object {
	return &object{text: append(make([]byte, 0, size+2), '{'), seen: make(map[string]bool)}
}

// add appends a member. It reports false if the object has the member already.
func (o *object) add(name string, value jsontext.Value) bool {
	if o.seen[name] {
		return false
	}
	if len(o.seen) > 0 {
		o.text = append(o.text, ',')
	}
	o.seen[name] = true
	o.text = append(o.text, '"')
	o.text = append(append(o.text, name...), '"', ':')
	o.text = append(o.text, value...)
	return true
}

// bytes returns the object. Nothing is added afterwards.
func (o *object) bytes() []byte { return append(o.text, '}') }
