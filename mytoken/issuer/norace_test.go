//go:build !race

package issuer_test

// underRace reports that the race detector is on.
const underRace = false
