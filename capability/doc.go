// Package capability says what the holder of a mytoken may do with it.
//
// A [Capability] is a name such as "AT" (obtain access tokens) or "tokeninfo:history"
// (read the event history). Names form a hierarchy. Colons separate their parts, and a
// name includes everything below it: "tokeninfo" includes "tokeninfo:history". The prefix
// "read@" restricts a name to reading. "settings" includes "read@settings:email", but
// "read@settings" includes nothing that writes.
//
// A [Set] holds the capabilities of a token. It answers these questions:
//
//   - [Set.Allows]: may the holder do this?
//   - [Set.Within]: does a child have no more than its parent?
//   - [Narrow]: which of the wanted capabilities can a child get?
//   - [Set.Unknown]: which names does this package not know?
//
// An unknown name survives decoding and encoding, and includes only itself. An issuer
// decides whether to refuse it. The empty set allows nothing.
//
// Names, hierarchy and narrowing follow protocol section 3. All values are plain data.
// They are safe for concurrent use while nobody changes them. Section numbers in comments
// refer to PROTOCOL.md in the root of the repository.
package capability
