// Package tagging has the rules of tags that need neither a store nor a key: their names
// and colours (protocol section 5.21), and which tokens have them.
package tagging

import (
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf8"

	"github.com/mytoken-go/sdk/internal/legible"
)

// MaxName is how many characters the name of a tag may have.
const MaxName = 64

// unfit are the characters that public clients would need to escape in the path of a URL.
// They do not escape them, so such a name would not arrive.
const unfit = `/?#%\`

// Name returns the name of a tag without spaces at its ends, or says what is wrong with it.
func Name(text string) (name, wrong string) {
	name = strings.TrimSpace(text)
	switch n := utf8.RuneCountInString(name); {
	case name == "":
		return "", "must not be empty"
	case n > MaxName:
		return "", fmt.Sprintf("has %d characters, at most %d are allowed", n, MaxName)
	case name == "." || name == "..":
		return "", "must not be . or .., which have a meaning in URLs"
	}
	if at := strings.IndexAny(name, unfit); at >= 0 {
		return "", fmt.Sprintf("must not have the character %q", name[at])
	}
	if why := legible.Refuse(name); why != "" {
		return "", why
	}
	return name, ""
}

// Color returns a colour without the # that may be in front, or says what is wrong with
// it. An empty text stays empty.
func Color(text string) (color, wrong string) {
	color = strings.TrimPrefix(text, "#")
	if color == "" && text == "" {
		return "", ""
	}
	for _, c := range []byte(color) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return "", "use six hexadecimal digits, such as 1F6FEB"
		}
	}
	if len(color) != 6 {
		return "", "use six hexadecimal digits, such as 1F6FEB"
	}
	return color, ""
}

// DefaultColor is the colour of a tag for which nobody chose one: the CRC-32 (IEEE) of its
// name in hexadecimal digits without leading zeros, cut to the first six, or filled with
// zeros on the left.
func DefaultColor(name string) string {
	digits := fmt.Sprintf("%X", crc32.ChecksumIEEE([]byte(name)))
	if len(digits) > 6 {
		return digits[:6]
	}
	return strings.Repeat("0", 6-len(digits)) + digits
}
