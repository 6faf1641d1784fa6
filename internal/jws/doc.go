// Package jws signs and verifies compact JSON Web Signatures (RFC 7515), as far as
// mytokens need them.
//
//   - [Parse] takes a compact string apart. It accepts one spelling and checks no signature.
//   - [Ring] is an immutable set of public keys. [Ring.Verify] finds the key of a parsed
//     message and checks the signature.
//   - [Signer] signs any payload with any [crypto.Signer].
//   - [DecodeSet] and [EncodeSet] read and write JWK sets (RFC 7517) of public keys.
//
// The package follows RFC 8725. A key is pinned to one algorithm, and a message never
// chooses it. There is no "none" and no HMAC. A message cannot bring its own key. "crit"
// is refused, because there are no extensions.
//
// Only the file jwx.go imports the JOSE library, and no exported signature shows it. All
// values of this package are immutable and safe for concurrent use.
package jws
