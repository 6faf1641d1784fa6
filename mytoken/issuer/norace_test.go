//go:build !race

package issuer_test

// underRace reports whether the race detector is on.
const underRace = false
