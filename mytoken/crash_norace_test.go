//go:build !race

package mytoken_test

// crashUnderRace says that the race detector is on.
const crashUnderRace = false
