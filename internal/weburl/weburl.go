// Package weburl reads the URLs of a configuration: those of issuers, endpoints and pages.
package weburl

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"

	"github.com/mytoken-go/sdk/internal/loopback"
)

// Parse reads an absolute URL with a host. It refuses a user, a fragment, a port that no
// server has, and white space and control characters anywhere: net/url accepts some of them
// in a path, and no client would send the same text. The error says what to change. It
// shows no user and no password.
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
	case !hasPort(u):
		return nil, fmt.Errorf("%.200q has no port from 1 to 65535 after its colon: correct the port, or remove it with the colon", text)
	}
	return u, nil
}

// hasPort reports whether a server may have the port of a URL, which may be missing.
func hasPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

// CheckSpelling returns an error for a URL from [Parse] that browsers send to a server in
// another spelling. What a browser sends would not equal what was configured. Two spellings
// are fine: a slash at the end, and the usual port.
func CheckSpelling(u *url.URL) error {
	host, clean := u.Hostname(), path.Clean("/"+u.Path)
	addr, err := netip.ParseAddr(host)
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	number := labels[len(labels)-1]
	switch {
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		return fmt.Errorf("the host %.200q has letters that no host has in a request: write it as browsers send it, with xn--", host)
	case host != strings.ToLower(host):
		return fmt.Errorf("%.200q has capital letters in its host: write %s, as browsers do", u, strings.ToLower(u.Host))
	case err == nil && addr.Zone() != "":
		return fmt.Errorf("the address %.200q has a zone, which browsers do not understand: use an address without %%", host)
	case err == nil && addr.String() != host:
		return fmt.Errorf("browsers write the address %.200q in another way: write %s", host, addr)
	case err != nil && strings.Trim(number, "0123456789") == "":
		return fmt.Errorf("browsers read the host %.200q as an address: write all of its four numbers, without zeros in front", host)
	case u.Path != "" && strings.TrimSuffix(u.Path, "/") != strings.TrimSuffix(clean, "/"):
		return fmt.Errorf("%.200q has a path that browsers and servers shorten: write %s", u, clean)
	}
	return nil
}

// Origin returns the scheme and the host of a URL, as browsers write them.
func Origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"https": ":443", "http": ":80"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	return u.Scheme + "://" + host
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
