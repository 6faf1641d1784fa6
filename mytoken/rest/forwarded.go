package rest

import (
	"errors"
	"strings"
)

var errForwarded = errors.New("rest: malformed Forwarded header")

// forwardedFor returns the parameter "for" of each element of a Forwarded header (RFC
// 7239 section 4), or "" if the element has none. It refuses malformed text, which could
// hide an element.
func forwardedFor(header string) ([]string, error) {
	out, seen := []string{""}, false
	for text := header; ; {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return out, nil
		}
		if text[0] == ',' {
			out, seen, text = append(out, ""), false, text[1:]
			continue
		}
		name, after, ok := strings.Cut(text, "=")
		if !ok || !isToken(name) {
			return nil, errForwarded
		}
		value, after, err := forwardedValue(after)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(name, "for") {
			if seen {
				return nil, errForwarded
			}
			out[len(out)-1], seen = value, true
		}
		switch text = strings.TrimLeft(after, " \t"); {
		case text == "" || text[0] == ',':
		case text[0] == ';':
			text = text[1:]
		default:
			return nil, errForwarded
		}
	}
}

// forwardedValue reads a token or a quoted string.
func forwardedValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ",; \t")
		if end < 0 {
			end = len(text)
		}
		if !isToken(text[:end]) {
			return "", "", errForwarded
		}
		return text[:end], text[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], nil
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c < ' ' || c == 0x7f:
			return "", "", errForwarded
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errForwarded
}

// isToken reports whether s is a token (RFC 9110 section 5.6.2). It also accepts colons
// and brackets, because some proxies write them unquoted.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/;<=>?@\{}`, r)
	})
}
