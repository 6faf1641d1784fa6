// Package jws signs and verifies compact JSON Web Signatures (RFC 7515) the way
// mytokens need them, and nothing else of JOSE.
//
//   - [Parse] takes a compact string apart and accepts exactly one spelling of
//     it. It checks no signature.
//   - [Ring] is an immutable set of public keys; [Ring.Verify] finds the key of
//     a parsed message and checks the signature.
//   - [Signer] signs with any [crypto.Signer].
//   - [DecodeSet] and [EncodeSet] read and write JWK sets (RFC 7517), public
//     keys only.
//
// The rules that RFC 8725 asks for hold everywhere: an algorithm belongs to a
// key and is never chosen by a message, "none" and HMAC do not exist, a message
// cannot bring its own key, and "crit" is refused because no extension is
// implemented.
//
// The JOSE library is imported by one file, jwx.go, and shows in no exported
// signature. All values of this package are immutable and safe for concurrent
// use.
package jws
