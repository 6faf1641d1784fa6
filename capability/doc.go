// Package capability says what the holder of a mytoken may do with it.
//
// A [Capability] is a name such as "AT" (obtain access tokens) or
// "tokeninfo:history" (read the event history). Names form a hierarchy: its
// parts are separated by colons, and a name includes everything below it, so
// that "tokeninfo" includes "tokeninfo:history". The prefix "read@" restricts a
// name to reading: "settings" includes "read@settings:email", and
// "read@settings" includes nothing that writes.
//
// A [Set] is what a token carries. The questions to ask of it are:
//
//   - [Set.Allows]: may the holder do this?
//   - [Set.Within]: is a child's set no more than its parent's?
//   - [Narrow]: which of the wanted capabilities may a child receive?
//   - [Set.Unknown]: which names does this package not know?
//
// An unknown name parses, survives decoding and encoding, and grants nothing
// beyond itself. Whoever issues tokens decides whether to refuse it; whoever
// checks them never asks for it. The empty set allows nothing.
//
// Names, matching and selection follow protocol section 3. Values of this
// package are plain data: nothing is shared, and concurrent reads are safe.
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package capability
