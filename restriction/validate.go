package restriction

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Validate reports the first thing in l that makes no sense, as a
// [ClauseError]: a clause that states nothing ([ErrEmptyClause]), or, as an
// [ErrInvalid], a list without entries, an empty or malformed entry, a negative
// time or count, an end before the beginning, or countries that are all
// excluded. It also reports what exceeds a limit ([ErrTooLarge]), so that a
// list which passes can be written and read again.
//
// A list is validated when it is asked for, not when a token is used. Keys that
// this package does not define are not judged; see [Options.Check].
func (l List) Validate() error {
	if len(l) > MaxClauses {
		return &LimitError{"clauses", MaxClauses}
	}
	for i := range l {
		if err := l[i].validate(); err != nil {
			return located(i, err)
		}
	}
	_, err := l.AppendJSON(nil)
	return err
}

// ValidateAt is [List.Validate] and also refuses, as an [ErrInvalid], a clause
// that ended before now. If now is zero, it looks at no ends.
func (l List) ValidateAt(now time.Time) error {
	if err := l.Validate(); err != nil || now.IsZero() {
		return err
	}
	for i := range l {
		if l[i].Expires != 0 && l[i].Expires < now.Unix() {
			return &ClauseError{Clause: i, Key: KeyExpires, Err: badValue(ErrInvalid, "lies in the past")}
		}
	}
	return nil
}

// lastInstant is the last second that RFC 3339 can write, in Unix seconds.
const lastInstant = 253402300799

func (c *Clause) validate() error {
	if c.IsEmpty() {
		return ErrEmptyClause
	}
	for _, instant := range []struct {
		key     string
		seconds int64
	}{{KeyNotBefore, c.NotBefore}, {KeyExpires, c.Expires}} {
		switch {
		case instant.seconds < 0:
			return &ClauseError{Key: instant.key, Err: badValue(ErrInvalid, "negative")}
		case instant.seconds > lastInstant:
			return &ClauseError{Key: instant.key, Err: badValue(ErrInvalid, "lies beyond the year 9999")}
		}
	}
	if c.Expires != 0 && c.Expires < c.NotBefore {
		return &ClauseError{Key: KeyExpires, Err: badValue(ErrInvalid, "ends before it begins")}
	}
	for _, count := range []struct {
		key   string
		value *int64
	}{{KeyUsagesAT, c.UsagesAT}, {KeyUsagesOther, c.UsagesOther}} {
		if count.value != nil && *count.value < 0 {
			return &ClauseError{Key: count.key, Err: badValue(ErrInvalid, "negative")}
		}
	}
	for _, list := range []struct {
		key     string
		entries []string
		check   func(string) error
	}{
		{KeyScope, c.Scopes, checkScope},
		{KeyAudience, c.Audiences, checkAudience},
		{KeyHosts, c.Hosts, checkHost},
		{KeyGeoIPAllow, c.GeoIPAllow, checkCountry},
		{KeyGeoIPDisallow, c.GeoIPDisallow, checkCountry},
	} {
		if err := checkEntries(list.entries, list.check); err != nil {
			return &ClauseError{Key: list.key, Err: err}
		}
	}
	if c.GeoIPAllow != nil && countries(c.GeoIPAllow).within(countries(c.GeoIPDisallow)) {
		return &ClauseError{Key: KeyGeoIPAllow, Err: badValue(ErrInvalid, "every country is also excluded")}
	}
	return c.validateExtra()
}

func (c *Clause) validateExtra() error {
	for i := range c.Extra {
		switch {
		case c.Extra[i].Key == "":
			return badValue(ErrInvalid, "an extra key is empty")
		case !jsontext.Value(c.Extra[i].Value).IsValid():
			return &ClauseError{Key: c.Extra[i].Key, Err: badValue(ErrInvalid, "its value is not JSON")}
		}
	}
	return nil
}

func checkEntries(entries []string, check func(string) error) error {
	if entries == nil {
		return nil
	}
	if len(entries) == 0 {
		return badValue(ErrInvalid, "a list without entries")
	}
	if len(entries) > MaxEntries {
		return &LimitError{"entries in a list", MaxEntries}
	}
	for _, entry := range entries {
		if err := check(entry); err != nil {
			return err
		}
	}
	return nil
}

// checkScope accepts a scope-token of RFC 6749, section 3.3.
func checkScope(scope string) error {
	if scope == "" {
		return badValue(ErrInvalid, "an entry is empty")
	}
	for i := range len(scope) {
		if c := scope[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return badValue(ErrInvalid, "%q holds a character that a scope must not have", clip(scope))
		}
	}
	return nil
}

func checkAudience(audience string) error {
	switch {
	case audience == "":
		return badValue(ErrInvalid, "an entry is empty")
	case !utf8.ValidString(audience):
		return badValue(ErrInvalid, "an entry is not UTF-8")
	case strings.TrimSpace(audience) != audience, strings.ContainsFunc(audience, unicode.IsControl):
		return badValue(ErrInvalid, "%q begins or ends with white space or holds a control character", clip(audience))
	}
	return nil
}

func checkHost(entry string) error {
	_, err := parseHost(entry)
	return err
}

func checkCountry(code string) error {
	if _, ok := parseCountry(code); !ok {
		return badValue(ErrInvalid, "%q is not a country code of two letters", clip(code))
	}
	return nil
}
