// Package maxmind finds the country of an address in a MaxMind GeoIP2 or
// GeoLite2 database, for the keys geoip_allow and geoip_disallow of package
// restriction.
//
//	locator, err := maxmind.Open("/var/lib/GeoIP/GeoLite2-Country.mmdb")
//	if err != nil { … }
//	defer locator.Close()
//	policy, err := restriction.Compile(list, restriction.Options{Locator: locator})
//
// A database is replaced while it is in use with [Locator.Reload]; a request
// sees either the old or the new one. This package starts no goroutine: when
// to reload is up to the program.
package maxmind
