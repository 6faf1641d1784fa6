// Package wire holds the objects of the mytoken protocol as they travel: what
// the server in package rest reads and writes, and a client writes and reads
// (protocol section 5). It knows names and types, and no rules.
//
// Restrictions, capabilities, rotation and includes of requests are raw JSON
// here, because a request may write them in several ways and may name templates
// (protocol section 2.10).
//
// Encode and decode with github.com/go-json-experiment/json. What holds a token
// or a code is a [Secret]: encoders of JSON write it, everything else redacts it.
package wire
