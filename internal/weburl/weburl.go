// Package weburl reads the URLs of a configuration: those of issuers, endpoints and pages.
package weburl

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/mytoken-go/sdk/internal/loopback"
)

// Parse reads an absolute URL with a host. It refuses a user, a fragment, and white space
// and control characters anywhere: net/url accepts some of them in a path, and no client
// would send the same text. The error says what to change. It shows no user and no password.
func Parse(text string) (*url.URL, error) {
	if at := strings.IndexFunc(text, stray); at >= 0 {
		r := []rune(text[at:])[0]
		return nil, fmt.Errorf("it has the character %U at place %d, which no URL has: remove it", r, at+1)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL such as https://host.example.org")
	case u.User != nil: // maybe a secret
		return nil, errors.New("it has a user: remove the part before @")
	case !u.IsAbs() || u.Hostname() == "":
		return nil, fmt.Errorf("%.200q is not an absolute URL such as https://host.example.org", text)
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, fmt.Errorf("%.200q has a fragment: remove the part from #", text)
	}
	return u, nil
}

// stray reports whether a character has no place in a URL.
func stray(r rune) bool {
	return unicode.IsSpace(r) || !unicode.IsGraphic(r) || r == unicode.ReplacementChar
}

// Secure reports whether nobody on the way can read what is sent to a URL, or change it: it
// is https, or http to this machine.
func Secure(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && loopback.Is(u.Hostname())
}
