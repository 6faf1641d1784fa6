// Package maxmind finds the country of an address in a MaxMind GeoIP2 or GeoLite2
// database. Restrictions need it for the keys geoip_allow and geoip_disallow.
//
// [Open] reads a database file into memory. The result is the Locator of
// restriction.Options; see the example. The file may change, shrink or go away afterwards.
// [OpenMapped] saves that memory, under conditions.
//
// [Locator.Reload] replaces the database while it is in use. Each look-up sees either the
// old or the new one. This package starts no goroutine: the program decides when to
// reload, for example after each weekly update.
//
// # Damaged files
//
// A file may be damaged, or another program may be writing it just now. So every database
// is checked completely before its first use: it is whole, its search tree has no loops,
// and every record can be read. A file that fails the check gives a [*DatabaseError], and
// the former database stays in use. No check can notice a file that was partly overwritten
// by another database of exactly the same structure. Update the file by renaming, as
// geoipupdate does.
package maxmind
