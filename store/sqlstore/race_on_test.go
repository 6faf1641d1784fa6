//go:build race

package sqlstore_test

// underRace says that the race detector is on. SQLite, which is Go code here, then takes
// forty times as long.
const underRace = true
