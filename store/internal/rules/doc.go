// Package rules makes the decisions in which all stores of this module must agree:
// whether to accept a presented token, which clause to charge for a use, who may refresh
// a grant, and how a ticket changes.
//
// The package only computes values. A store reads its rows, asks this package, and writes
// the result. Nothing here locks, stores, or reads a clock. The functions copy the values
// that enter or leave a store, so that a store keeps no slice of its caller and returns
// none of its own.
package rules
