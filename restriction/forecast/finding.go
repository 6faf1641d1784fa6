package forecast

import (
	"fmt"
	"slices"

	"github.com/mytoken-go/sdk/restriction"
)

// finding is what can be said about a clause whatever the time is.
type finding struct {
	token  *Token
	clause *restriction.Clause

	never      error    // why it admits nothing
	unsure     []string // keys that the options cannot evaluate, elsewhere
	lookups    []string // keys that depend on look-ups
	conditions []own    // of the embedding program
}

// own is a condition of the embedding program under its key.
type own struct {
	key       string
	condition restriction.Condition
}

func (f *finding) refuse(key string, err error) {
	if f.never == nil {
		f.never = &keyError{restriction.ClauseError{Key: key, Err: err}}
	}
}

// keyError is an error about a clause that the reader sees anyway.
type keyError struct{ restriction.ClauseError }

// Error names the key and what is wrong with it.
func (e *keyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the restriction.ClauseError.
func (e *keyError) Unwrap() error { return &e.ClauseError }

// judge looks at every key that can refuse, or leave open, every use.
func (f *finding) judge() {
	f.judgeSupport()
	f.judgeWords()
	f.judgeHosts()
	f.judgeCountries()
	f.judgeExtra()
}

// judgeSupport looks for keys of the protocol that are not evaluated.
func (f *finding) judgeSupport() {
	supported := f.token.Options.SupportedKeys()
	for _, key := range f.clause.Keys() {
		if f.isExtra(key) || slices.Contains(supported, key) {
			continue
		}
		disabled := slices.Contains(f.token.Options.Disabled, key)
		if disabled || !f.token.Elsewhere {
			f.refuse(key, restriction.ErrUnsupported)
		}
	}
}

func (f *finding) isExtra(key string) bool {
	return slices.ContainsFunc(f.clause.Extra, func(e restriction.Extra) bool { return e.Key == key })
}

// judgeWords looks for lists that nothing satisfies.
func (f *finding) judgeWords() {
	for _, list := range []struct {
		key     string
		entries []string
	}{{restriction.KeyScope, f.clause.Scopes}, {restriction.KeyAudience, f.clause.Audiences}} {
		if list.entries != nil && len(list.entries) == 0 {
			f.refuse(list.key, fmt.Errorf("%w: a list without entries", restriction.ErrInvalid))
		}
	}
}

// judgeHosts looks for an entry that an address can match.
func (f *finding) judgeHosts() {
	if f.clause.Hosts == nil {
		return
	}
	withoutResolver := restriction.Options{}
	some, named := false, false
	for _, entry := range f.clause.Hosts {
		one := restriction.List{{Hosts: []string{entry}}}
		if one.Validate() != nil {
			continue
		}
		name := withoutResolver.Check(one) != nil
		named = named || name
		some = some || !name || f.token.Elsewhere || f.token.Options.Resolver != nil
	}
	if named {
		f.lookups = append(f.lookups, restriction.KeyHosts)
	}
	if !some {
		f.refuse(restriction.KeyHosts, fmt.Errorf("%w: no entry that an address can match", restriction.ErrInvalid))
	}
}

// judgeCountries looks for a country that is allowed.
func (f *finding) judgeCountries() {
	c := f.clause
	if c.GeoIPAllow != nil {
		f.lookups = append(f.lookups, restriction.KeyGeoIPAllow)
		codes := slices.DeleteFunc(slices.Clone(c.GeoIPAllow), func(code string) bool { return !isCountry(code) })
		if len(codes) == 0 {
			f.refuse(restriction.KeyGeoIPAllow, fmt.Errorf("%w: no country", restriction.ErrInvalid))
		}
		both := restriction.List{{GeoIPAllow: codes, GeoIPDisallow: c.GeoIPDisallow}}
		if c.GeoIPDisallow != nil && both.Validate() != nil {
			f.refuse(restriction.KeyGeoIPAllow, fmt.Errorf("%w: every country is also excluded", restriction.ErrInvalid))
		}
	}
	if c.GeoIPDisallow != nil {
		f.lookups = append(f.lookups, restriction.KeyGeoIPDisallow)
		if len(c.GeoIPDisallow) == 0 || slices.ContainsFunc(c.GeoIPDisallow, func(code string) bool { return !isCountry(code) }) {
			f.refuse(restriction.KeyGeoIPDisallow, fmt.Errorf("%w: not all are countries", restriction.ErrInvalid))
		}
	}
}

func isCountry(code string) bool {
	return restriction.List{{GeoIPAllow: []string{code}}}.Validate() == nil
}

// judgeExtra makes the conditions of the embedding program.
func (f *finding) judgeExtra() {
	for _, extra := range f.clause.Extra {
		factory := f.token.Options.Conditions[extra.Key]
		if factory == nil {
			if f.token.Elsewhere {
				f.unsure = append(f.unsure, extra.Key)
			} else {
				f.refuse(extra.Key, restriction.ErrUnsupported)
			}
			continue
		}
		condition, err := factory(slices.Clone(extra.Value))
		switch {
		case err != nil:
			f.refuse(extra.Key, fmt.Errorf("%w: %w", restriction.ErrInvalid, err))
		case condition == nil:
			f.refuse(extra.Key, fmt.Errorf("%w: its factory made no condition", restriction.ErrInvalid))
		default:
			f.conditions = append(f.conditions, own{extra.Key, condition})
		}
	}
}
