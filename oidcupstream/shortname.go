package oidcupstream

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
)

// maxShortName is the most characters of a short name.
const maxShortName = 64

// DefaultShortName returns the short name of a provider whose configuration has none. It
// is made of the host, the port and the path of the issuer: for
// https://op.example.org/realms/x it is op.example.org-realms-x. Use it to write a
// RedirectURL.
func DefaultShortName(issuer string) string {
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		issuer = u.Host + u.Path
	}
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(issuer) {
		if !shortNameRune(r) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	name := b.String()
	name = strings.TrimLeft(name[:min(len(name), maxShortName)], "-._")
	return cmp.Or(strings.TrimRight(name, "-._"), "provider")
}

// checkShortName returns an error unless the name is one segment of a path, spelled so
// that nothing on the way changes it.
func checkShortName(name string) error {
	if len(name) > maxShortName || strings.ContainsFunc(name, func(r rune) bool { return !shortNameRune(r) }) ||
		strings.Trim(name, "-._") != name {
		return fmt.Errorf("%q is not made of at most %d lower-case letters, digits, and '-', '.' or '_' between them", name, maxShortName)
	}
	return nil
}

func shortNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-._", r)
}

// ShortName returns the provider's short name, which suits a segment of a path. It is
// [DefaultShortName] of the issuer if none is configured.
func (p *Provider) ShortName() string { return p.cfg.ShortName }
