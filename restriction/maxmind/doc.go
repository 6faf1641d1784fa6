// Package maxmind finds the country of an address in a MaxMind GeoIP2 or GeoLite2
// database. Restrictions need it for the keys geoip_allow and geoip_disallow.
//
// [Open] opens a database file. The result is the Locator of restriction.Options; see the
// example. [Locator.Reload] replaces the database while it is in use. Each look-up sees
// either the old or the new one. This package starts no goroutine: the program decides
// when to reload.
package maxmind
