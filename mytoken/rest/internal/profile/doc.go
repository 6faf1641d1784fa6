// Package profile knows named pieces of mytoken requests, kept by the operator
// of a service: profiles (a partial request) and templates for restrictions,
// capabilities and rotation. A request names them with include, and here the
// names become what they stand for (protocol section 2.10).
//
// What cannot be expanded is an [*Error] and never an empty request: unknown
// names, values that cannot be merged, cycles, too many or too deeply nested
// names. Where the protocol's rules unite lists, what is included can only add
// to a list; see merge.
package profile
