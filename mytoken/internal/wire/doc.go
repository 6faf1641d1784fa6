// Package wire holds the objects of the mytoken protocol as JSON and forms carry them
// (protocol section 5). Package rest reads requests and writes responses; package client
// does the reverse. The package has names and types, but no rules.
//
// Restrictions, capabilities, rotation and includes of requests are raw JSON, because a
// request can write them in several ways and can name templates (protocol section 2.10).
//
// Encode with [Marshal] and decode with [Unmarshal]. A token or a code is a [Secret]:
// JSON carries it, everything else redacts it.
package wire
