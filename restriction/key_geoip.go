package restriction

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
)

// The keys about countries (protocol section 2.1).
const (
	// KeyGeoIPAllow lists the countries from which uses may come.
	KeyGeoIPAllow = "geoip_allow"
	// KeyGeoIPDisallow lists the countries from which uses must not come.
	KeyGeoIPDisallow = "geoip_disallow"
)

var (
	keyCountries = &geoIP{listKey{
		anyKey{KeyGeoIPAllow}, func(c *Clause) *[]string { return &c.GeoIPAllow }, checkCountry, "countries",
	}}
	keyNotCountries = &geoIP{listKey{
		anyKey{KeyGeoIPDisallow}, func(c *Clause) *[]string { return &c.GeoIPDisallow }, checkCountry, "countries other than",
	}}
)

type geoIP struct{ listKey }

func (k *geoIP) remote(*Clause) bool { return true }

func (k *geoIP) supported(o *Options) bool { return o.Locator != nil || o.PrivateCountry != "" }

func checkCountry(code string) error {
	_, err := parseCountry(code)
	return err
}

func (k *geoIP) validate(c *Clause) error {
	if err := k.listKey.validate(c); err != nil {
		return err
	}
	if k == keyCountries && c.nowhere() {
		return badValue(ErrInvalid, "%s excludes every country", KeyGeoIPDisallow)
	}
	return nil
}

func (k *geoIP) compile(c *Clause, to *clause) part {
	entries := slices.Clone(*k.field(c))
	list := newCountries(entries)
	to.looksUp(k.wire)
	to.countries = true
	if k == keyCountries {
		return &allowed{entries, list, newCountries(c.GeoIPDisallow)}
	}
	d := &denied{entries, list, len(list) < max(len(entries), 1)}
	if d.unclear {
		to.never(KeyGeoIPDisallow, "country codes of two letters", badValue(ErrInvalid, "not every entry is a country code of two letters"))
	}
	return d
}

func (k *geoIP) index(parents []part) keyIndex {
	if k != keyCountries {
		return newDeniedIndex(parents)
	}
	return newListIndex(parents, func(p part) ([]string, bool) {
		a, has := p.(*allowed)
		if !has {
			return nil, false
		}
		return append(a.codes(), a.text()), true
	}, func(p part) (needs iter.Seq[[]string], has bool) {
		a, has := p.(*allowed)
		if !has {
			return nil, false
		}
		entries := a.codes()
		if len(entries) == 0 {
			entries = []string{a.text()}
		}
		return slices.Chunk(entries, 1), true
	})
}

// deniedIndex is the index of geoip_disallow. A child must exclude what a parent
// excludes, so it looks for what the child lacks.
type deniedIndex struct {
	free, unclear set
	entries       map[country]set
}

func newDeniedIndex(parents []part) *deniedIndex {
	x := &deniedIndex{newSet(len(parents)), newSet(len(parents)), make(map[country]set)}
	for i, p := range parents {
		d, ok := p.(*denied)
		if !ok {
			x.free.add(i)
			continue
		}
		if d.unclear {
			x.unclear.add(i)
		}
		for _, c := range d.list {
			if x.entries[c] == nil {
				x.entries[c] = newSet(len(parents))
			}
			x.entries[c].add(i)
		}
	}
	return x
}

func (x *deniedIndex) covering(child part) set {
	d, ok := child.(*denied)
	if !ok {
		return x.free
	}
	found := fullSet(64 * len(x.free))
	if d.unclear {
		return found
	}
	found.remove(x.unclear)
	for c, parents := range x.entries {
		if !d.list.has(c) {
			found.remove(parents)
		}
	}
	return found
}

// allowed is the part for geoip_allow: the country must be known and one of these.
type allowed struct {
	entries []string
	list    countries
	denied  countries // by the same clause
}

// codes returns the entries that are country codes.
func (a *allowed) codes() (all []string) {
	for _, c := range a.list {
		all = append(all, string(c[:]))
	}
	return all
}

// text stands for the whole list in an index: equal lists cover each other, even if no
// entry is a country code.
func (a *allowed) text() string { return fmt.Sprintf("=%q", a.entries) }

func (a *allowed) admits(q query) bool { return q.countryErr() == nil && a.list.has(q.place.country) }

func (a *allowed) object(q query) Objection {
	return Objection{Key: KeyGeoIPAllow, Need: "a country among " + listed(a.entries), Err: q.countryErr()}
}

func (a *allowed) first(q query, t time.Time) Earliest {
	return lasting(a.admits(q), q.countryErr(), t)
}

func (a *allowed) within(parent part) bool {
	p := parent.(*allowed)
	return a.list.within(p.list) || slices.Equal(a.entries, p.entries)
}

func (a *allowed) excess(parent part) string {
	p := parent.(*allowed)
	beyond := slices.DeleteFunc(slices.Clone(a.entries), func(code string) bool {
		c, err := parseCountry(code)
		return err == nil && p.list.has(c)
	})
	return "the parent allows " + listed(p.entries) + ", not " + listed(beyond)
}

// common keeps the countries of the child that both allow, or adds up those that either
// excludes.
func (k *geoIP) common(child, parent part) []string {
	if k == keyCountries {
		p := parent.(*allowed)
		return slices.DeleteFunc(child.(*allowed).codes(), func(code string) bool { return !p.list.has(country{code[0], code[1]}) })
	}
	entries := slices.Clone(child.(*denied).entries)
	for _, entry := range parent.(*denied).entries {
		entries = withEntry(entries, entry)
	}
	return entries
}

// nowhere reports whether c excludes every country that it allows.
func (c *Clause) nowhere() bool {
	return newCountries(c.GeoIPAllow).within(newCountries(c.GeoIPDisallow))
}

// noCountry says which key of w leaves no country of c, the clause that w and p have in
// common.
func (w *fitting) noCountry(p *fitting, c *Clause) *ClauseError {
	switch {
	case !c.nowhere():
		return nil
	case keyCountries.states(w.source):
		return noOverlap(KeyGeoIPAllow, "the parent excludes %s", listed(p.source.GeoIPDisallow))
	}
	return noOverlap(KeyGeoIPDisallow, "the parent allows %s alone", listed(p.source.GeoIPAllow))
}

func (a *allowed) hopeless(*Options) *ClauseError {
	switch {
	case len(a.list) == 0:
		return &ClauseError{Key: KeyGeoIPAllow, Err: badValue(ErrInvalid, "no entry is a country code of two letters")}
	case a.list.within(a.denied):
		return &ClauseError{Key: KeyGeoIPAllow, Err: badValue(ErrInvalid, "%s excludes every country", KeyGeoIPDisallow)}
	}
	return nil
}

// denied is the part for geoip_disallow: the country must be known and none of these.
type denied struct {
	entries []string
	list    countries
	unclear bool // some entry is not a country code, so the clause admits nothing
}

func (d *denied) admits(q query) bool { return q.countryErr() == nil && !d.list.has(q.place.country) }

func (d *denied) object(q query) Objection {
	return Objection{Key: KeyGeoIPDisallow, Need: "a known country that is none of " + listed(d.entries), Err: q.countryErr()}
}

func (d *denied) first(q query, t time.Time) Earliest {
	return lasting(d.admits(q), q.countryErr(), t)
}

// within reports whether d excludes every country that its parent excludes.
func (d *denied) within(parent part) bool {
	p := parent.(*denied)
	return d.unclear || !p.unclear && p.list.within(d.list)
}

func (d *denied) excess(parent part) string {
	beyond := slices.DeleteFunc(slices.Clone(parent.(*denied).entries), func(code string) bool {
		c, err := parseCountry(code)
		return err == nil && d.list.has(c)
	})
	return "the parent also excludes " + listed(beyond)
}

// countryErr says why the country is not known. It returns nil if the country is known.
func (q *query) countryErr() error {
	switch {
	case q.from == point{}:
		return errNoCountry
	case !q.place.located || q.place.from != q.from:
		return errNotPrepared
	}
	return q.place.countryErr
}

// country is an ISO 3166-1 alpha-2 code in upper case. The zero value is an unknown
// country.
type country [2]byte

// parseCountry reads a code in upper or lower case.
func parseCountry(code string) (country, error) {
	var c country
	for i := range c {
		if len(code) == len(c) {
			c[i] = code[i] &^ 0x20 // upper case, of letters
		}
		if c[i] < 'A' || c[i] > 'Z' {
			return country{}, badValue(ErrInvalid, "%q is not a country code of two letters", clip.Name(code))
		}
	}
	return c, nil
}

// countries is a list of codes.
type countries []country

// newCountries reads codes, each once. It leaves out entries that are not country codes.
func newCountries(codes []string) countries {
	var list countries
	seen := make(map[country]bool)
	for _, code := range codes {
		if c, err := parseCountry(code); err == nil && !seen[c] {
			seen[c] = true
			list = append(list, c)
		}
	}
	return list
}

func (l countries) has(c country) bool { return slices.Contains(l, c) }

// within reports whether other contains all of l. It returns false for an empty l.
func (l countries) within(other countries) bool {
	return len(l) > 0 && !slices.ContainsFunc(l, func(c country) bool { return !other.has(c) })
}

// Countries allows uses from these countries only (ISO 3166-1 alpha-2 codes).
func (p Phase) Countries(codes ...string) Phase {
	p.clause.GeoIPAllow = stated(codes)
	return p
}

// NotCountries allows uses from known countries other than these (ISO 3166-1 alpha-2
// codes).
func (p Phase) NotCountries(codes ...string) Phase {
	p.clause.GeoIPDisallow = stated(codes)
	return p
}
