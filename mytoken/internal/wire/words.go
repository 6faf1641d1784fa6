package wire

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/unique"
	"github.com/mytoken-go/sdk/internal/words"
)

// Words is a list written as one string of words with spaces between them. A reader also
// accepts an array of such strings. It keeps each word once.
type Words []string

// MarshalJSON writes one string.
func (w Words) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(w, " ")) }

// UnmarshalJSON reads a string, an array of strings, or null.
func (w *Words) UnmarshalJSON(data []byte) error {
	texts, err := readStrings(data)
	if err != nil {
		return err
	}
	*w = nil
	for _, text := range texts {
		*w = append(*w, strings.Fields(text)...)
	}
	if *w != nil {
		*w = unique.Strings(*w)
	}
	return nil
}

// Asked is a list of scopes or audiences in a request. It reads as [Words] does, and
// refuses a list beyond the limits of package words with a [*words.LimitError].
type Asked []string

// MarshalJSON writes one string.
func (a Asked) MarshalJSON() ([]byte, error) { return Words(a).MarshalJSON() }

// UnmarshalJSON reads a string, an array of strings, or null.
func (a *Asked) UnmarshalJSON(data []byte) error {
	texts, err := readStrings(data)
	if err != nil {
		return err
	}
	if err := words.Check(texts); err != nil {
		return err
	}
	var read []string
	for _, text := range texts {
		read = append(read, strings.Fields(text)...)
	}
	if err := words.Check(read); err != nil {
		return err
	}
	if *a = nil; read != nil {
		*a = unique.Strings(read)
	}
	return nil
}

// List is a list of strings. A reader also accepts a single string.
type List []string

// UnmarshalJSON reads an array of strings, a string, or null.
func (l *List) UnmarshalJSON(data []byte) error {
	texts, err := readStrings(data)
	if err != nil {
		return err
	}
	*l = texts
	return nil
}

var errStrings = errors.New("need a string or an array of strings")

func readStrings(data []byte) ([]string, error) {
	switch jsontext.Value(data).Kind() {
	case 'n':
		return nil, nil
	case '"':
		var text string
		err := json.Unmarshal(data, &text)
		return []string{text}, err
	case '[':
		var read []*string // a pointer tells null from ""
		if json.Unmarshal(data, &read) != nil || slices.Contains(read, nil) {
			return nil, errStrings
		}
		texts := make([]string, len(read))
		for i, text := range read {
			texts[i] = *text
		}
		return texts, nil
	}
	return nil, errStrings
}
