package sshd

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// errForm reports a command that is not of the form <action> [<media type> <data>].
var errForm = errors.New("sshd: malformed command")

// splitWords splits a command into words as a POSIX shell does, with quotes and
// backslashes. It expands nothing: every other character stands for itself. It returns
// errForm if a quote is not closed.
func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	inside := false // of a word
	end := func() {
		if inside {
			words, inside = append(words, word.String()), false
			word.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; ch {
		case ' ', '\t', '\n':
			end()
		case '\'':
			n := strings.IndexByte(text[i+1:], '\'')
			if n < 0 {
				return nil, errForm
			}
			word.WriteString(text[i+1 : i+1+n])
			i, inside = i+n+1, true
		case '"':
			n, err := unquote(&word, text[i+1:])
			if err != nil {
				return nil, err
			}
			i, inside = i+n, true
		case '\\':
			if i++; i == len(text) {
				return nil, errForm
			}
			if text[i] != '\n' { // which continues the line
				word.WriteByte(text[i])
				inside = true
			}
		default:
			word.WriteByte(ch)
			inside = true
		}
	}
	end()
	return words, nil
}

// unquote reads the rest of a text in double quotes, and returns its length with the
// quote at the end. A backslash keeps its meaning in front of few characters alone.
func unquote(word *strings.Builder, text string) (n int, err error) {
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '"':
			return i + 1, nil
		case ch == '\\' && i+1 < len(text) && strings.IndexByte("$`\"\\", text[i+1]) >= 0:
			i++
			word.WriteByte(text[i])
		case ch == '\\' && i+1 < len(text) && text[i+1] == '\n':
			i++
		default:
			word.WriteByte(ch)
		}
	}
	return 0, errForm
}

// request is a command that was read.
type request struct {
	action string
	data   []byte // a JSON object, or empty
}

// The media types of data.
const (
	mediaJSON   = "application/json"
	mediaBase64 = "application/json;base64"
)

// A requestError says what is wrong with a command, in words for the client.
type requestError string

func (e requestError) Error() string { return "sshd: " + string(e) }

// parseRequest reads a command (protocol section 5.12). Errors are errForm and
// requestError.
func parseRequest(text string) (request, error) {
	words, err := plainWords(text), error(nil)
	if words == nil {
		words, err = splitWords(text)
	}
	if err == nil && len(words) == 1 {
		return request{action: words[0]}, nil
	}
	if err != nil || len(words) != 3 {
		return request{}, errForm
	}
	r, media, data := request{action: words[0]}, strings.ToLower(words[1]), words[2]
	switch {
	case data == "":
	case media == mediaJSON:
		r.data = []byte(data)
	case media == mediaBase64:
		if r.data, err = base64.StdEncoding.Strict().DecodeString(data); err != nil {
			return request{}, requestError("invalid_request: the data is not base64 with padding")
		}
	default:
		return request{}, requestError("unknown mimetype; supported mimetypes are: [" + mediaJSON + " " + mediaBase64 + "]")
	}
	return r, nil
}

// plainWords returns the words of a command whose data is a JSON object in single quotes,
// or without quotes, up to the end. It returns nil for any other command. The public
// client does not escape a quote inside: a shell would read other words, or others than
// were meant. JSON cannot hold what a shell needs for such a quote, so whoever quotes as
// for a shell is not misunderstood.
func plainWords(text string) []string {
	var words []string
	for range 2 {
		word, after, found := strings.Cut(strings.TrimLeft(text, " \t"), " ")
		if !found || word == "" || strings.ContainsAny(word, "'\"\\\n\t") {
			return nil
		}
		words, text = append(words, word), after
	}
	data := strings.Trim(text, " \t")
	if inner, begins := strings.CutPrefix(data, "'"); begins && strings.HasSuffix(inner, "'") {
		data = inner[:len(inner)-1]
	}
	if !strings.HasPrefix(data, "{") || !json.Valid([]byte(data)) {
		return nil
	}
	return append(words, data)
}
