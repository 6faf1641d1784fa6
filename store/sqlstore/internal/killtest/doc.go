// Package killtest contains only tests. They kill processes that share a store and a
// provider, and crash the database server. Afterwards they compare the delivered uses
// with the charged ones, and check that every login is still usable or was lost for a
// known reason.
package killtest
