// Package maxmind finds the country of an address in a MaxMind GeoIP2 or GeoLite2
// database, for the keys about countries in package restriction.
//
//	locator, err := maxmind.Open("/var/lib/GeoIP/GeoLite2-Country.mmdb")
//	if err != nil {
//		return err
//	}
//	defer locator.Close()
//	policy, err := restriction.Compile(list, restriction.Options{Locator: locator})
//
// [Locator.Reload] replaces a database in use. A request sees either the old or the new
// one. This package starts no goroutine: the program decides when to reload.
package maxmind
