// Package jws signs and verifies compact JSON Web Signatures (RFC 7515), as far as
// mytokens need it.
//
//   - [Parse] splits a compact string into its parts and decodes them. It accepts only
//     one spelling and checks no signature.
//   - [Ring] is an immutable set of public keys. [Ring.Verify] finds the key of a parsed
//     message and checks the signature.
//   - [Signer] signs any payload with any [crypto.Signer].
//   - [DecodeSet] and [EncodeSet] read and write JWK sets (RFC 7517) of public keys.
//   - [ParseLenient] and [LenientSet] do the same for the messages and sets of OpenID
//     providers, which are less regular. The work for one message is bounded too.
//   - [Source] fetches a set from a URL and keeps it.
//
// The package follows RFC 8725. A key is pinned to one algorithm, and a message cannot
// choose another one. There is no "none" and no HMAC. A message cannot bring its own key.
// Parse refuses "crit", because there are no extensions.
//
// Only the file jwx.go imports the JOSE library, and no exported signature shows it. All
// values of this package are immutable and safe for concurrent use.
package jws
