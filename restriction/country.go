package restriction

import "slices"

// country is an ISO 3166-1 alpha-2 code in upper case. The zero value is an
// unknown country.
type country [2]byte

// parseCountry reads a code in any case.
func parseCountry(code string) (country, bool) {
	if len(code) != 2 {
		return country{}, false
	}
	var c country
	for i := range c {
		c[i] = code[i] &^ 0x20 // upper case, of letters
		if c[i] < 'A' || c[i] > 'Z' {
			return country{}, false
		}
	}
	return c, true
}

// countryList is a list of codes; malformed ones are left out.
type countryList []country

func countries(codes []string) countryList {
	var list countryList
	for _, code := range codes {
		if c, ok := parseCountry(code); ok {
			list = append(list, c)
		}
	}
	return list
}

func (l countryList) has(c country) bool { return slices.Contains(l, c) }

// within reports whether other has all of l, which is not empty.
func (l countryList) within(other countryList) bool {
	for _, c := range l {
		if !other.has(c) {
			return false
		}
	}
	return len(l) > 0
}
