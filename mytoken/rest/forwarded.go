package rest

import (
	"errors"
	"strings"
)

var errForwarded = errors.New("rest: malformed Forwarded header")

// forwardedFor returns the parameter "for" of each element of a Forwarded header (RFC
// 7239 section 4), or "" if the element has none. It is strict, because text that it does
// not understand could hide an element.
func forwardedFor(header string) ([]string, error) {
	var out []string
	for rest := header; ; {
		var element string
		var err error
		if element, rest, err = forwardedElement(rest); err != nil {
			return nil, err
		}
		out = append(out, element)
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return out, nil
		}
		if rest[0] != ',' {
			return nil, errForwarded
		}
		rest = rest[1:]
	}
}

// forwardedElement reads the pairs of one element, up to a comma or the end.
func forwardedElement(text string) (forNode, rest string, err error) {
	seen := false
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" || text[0] == ',' {
			return forNode, text, nil
		}
		name, after, ok := strings.Cut(text, "=")
		if !ok || !isToken(name) {
			return "", "", errForwarded
		}
		value, after, err := forwardedValue(after)
		if err != nil {
			return "", "", err
		}
		if strings.EqualFold(name, "for") {
			if seen {
				return "", "", errForwarded
			}
			forNode, seen = value, true
		}
		text = strings.TrimLeft(after, " \t")
		if text != "" && text[0] == ';' {
			text = text[1:]
		} else if text != "" && text[0] != ',' {
			return "", "", errForwarded
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
