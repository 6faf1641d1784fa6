//go:build race

package issuer_test

// crashUnderRace says that the race detector is on.
const crashUnderRace = true
