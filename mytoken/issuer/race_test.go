//go:build race

package issuer_test

// underRace says that the race detector is on.
const underRace = true
