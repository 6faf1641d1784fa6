// Package killtest has tests only. They kill processes that share a store and a provider,
// and crash the server under them. Afterwards they compare what was handed out, what was
// charged, and what became of the logins.
package killtest
