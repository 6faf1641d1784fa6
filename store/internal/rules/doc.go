// Package rules decides what every store of this module must decide alike: whether a
// presented token is answered, which clause a use is charged to, who may refresh a grant,
// and what becomes of a ticket.
//
// All of it is functions over values. A store reads its rows, asks this package, and
// writes the result. Nothing here locks, stores, or reads a clock. Values that cross the
// border of a store are copied, so that a store keeps no slice of its caller and returns
// none of its own.
package rules
