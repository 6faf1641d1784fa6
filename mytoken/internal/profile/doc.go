// Package profile expands the named pieces of mytoken requests that the operator of a
// service keeps: profiles, which are partial requests, and templates for restrictions,
// capabilities and rotation. A request names them with include (protocol section 2.10).
//
// A request that cannot be expanded is an [*Error], never an empty request. The reasons
// are unknown names, values that cannot be merged, cycles, and too many or too deeply
// nested names. An include can only add to a list (the protocol takes the union).
package profile
