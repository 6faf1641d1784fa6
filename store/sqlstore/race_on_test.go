//go:build race

package sqlstore_test

// underRace says that the race detector is on. SQLite, which is Go here, takes
// forty times as long then.
const underRace = true
