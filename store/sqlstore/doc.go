// Package sqlstore keeps what an issuer of mytokens has to remember in SQLite,
// PostgreSQL, MySQL or MariaDB, through the [*sql.DB] of the program that uses
// it. It implements [store.Store]: every step is exact, durable, and visible to
// every process once it has returned.
//
//	db, err := sql.Open("pgx", dsn)                                    // the driver is yours
//	err = sqlstore.Migrate(ctx, db, sqlstore.PostgreSQL, opts)         // once, when you deploy
//	st, err := sqlstore.New(ctx, db, sqlstore.PostgreSQL, opts)        // in every process
//
// The package imports no driver, starts no goroutine, has no clock and writes
// no log. Any number of processes on any number of machines may share a
// database. What follows is for those who run it.
//
// # Where it lives
//
// The tables live in a database of their own or in that of the portal. Their
// names begin with [Options.Prefix] ("mytoken_"), and on PostgreSQL they are in
// [Options.Schema], if it is given. Nothing else in the database is touched.
//
//	grants       a login at the provider: its sealed refresh token, the lease of who refreshes it
//	spares       refresh tokens that arrived after another one had moved the grant on
//	doubts       leases that lapsed without an end
//	commits      digests of refresh tokens that were stored, for a day
//	tokens       a mytoken over all its generations: its ids, the key sealed for it
//	ancestors    each token with each of its ancestors
//	tombstones   tokens that were revoked
//	counters     how often each clause of a token was used, and its limit
//	chains       which counters a use of a clause spends
//	generations  what rotation has replaced, until its grace ends
//	history      events, and the identities of uses for a day
//	tickets      one-time codes and short tokens, under the digests of these
//	migrations   the version of the schema
//
// Ids are digests or random, and binary. Refresh tokens, keys and payloads are
// sealed by package [store/seal] before they come here. In plain are: counts and
// limits, instants, the relations between tokens, the scopes and audiences of a
// grant, and the texts of events (names, comments, addresses, user agents).
//
// [Migrate] makes the tables. [New] never does: it fails with
// [ErrMissingMigration] or [ErrNewerSchema]. [Pending] tells what Migrate would
// do, and [SQL] prints it, for whoever wants to read it or to run it himself.
//
// # Settings
//
// A step is durable when the database says so. These settings make it tell the
// truth; with others, a crash of the machine is a restored backup (see below).
//
//   - PostgreSQL: fsync and synchronous_commit are on, as they are by default.
//   - MySQL and MariaDB: innodb_flush_log_at_trx_commit=1, the default, and
//     sync_binlog=1 where there is a binary log.
//   - SQLite: synchronous=FULL. New refuses less with [ErrUnsafe].
//
// SQLite is opened like this (the driver is modernc.org/sqlite; others have
// parameters of their own for the same settings):
//
//	file:/var/lib/portal/mytoken.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)
//
// journal_mode=WAL lets readers and the one writer go on at the same time. Each
// Store lets one of its transactions write at a time; busy_timeout, in
// milliseconds, is how long one waits for another process. secure_delete
// overwrites what was erased. The processes have to be on one machine, and the
// file on a disk of that machine.
//
// # Isolation
//
// Each step reads, decides, and then writes in one transaction whose statements
// demand what was read: a counter is spent by a conditional UPDATE, a row that
// changed is not found, a row that was added violates a unique index. What fails
// in this way is rolled back and decided anew, as is what the database asks to
// repeat (deadlocks, serialization failures, SQLITE_BUSY): 50 times at most,
// in about four seconds, and then the step fails with [ErrContended]. So every
// isolation from READ COMMITTED up is correct. PostgreSQL uses the one that the
// session has; on MySQL, whose default is stronger and blocks more, each
// transaction asks for READ COMMITTED.
//
// Rows are taken in one order: grants, counters by their ids, tokens, the rest.
//
// The store sets nothing in a session, and keeps no session: isolation is asked
// for with each transaction, and no statement depends on the one before it. So
// it works behind a pool that hands out a connection for each transaction, if
// the driver is told not to rely on prepared statements there.
//
// # Privileges
//
// On PostgreSQL, in a schema of its own, for an account that migrates and for
// one that uses the store:
//
//	GRANT USAGE, CREATE ON SCHEMA mytoken TO migrator;
//	GRANT USAGE ON SCHEMA mytoken TO portal;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mytoken TO portal;
//
// The last one comes after the migration. On MySQL and MariaDB:
//
//	GRANT CREATE, SELECT, INSERT ON mytoken.* TO migrator;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON mytoken.* TO portal;
//
// All of these are needed, and no others. A test has tried. Later migrations may
// need ALTER, INDEX and DROP as well.
//
// # Connections
//
// Uses that wait at once are committed together, in two transactions at a time
// on the servers and in one on SQLite; so are, beside them, those that create
// tokens. More connections do not make them faster: 10 for each process are
// plenty, 4 for SQLite, and one is enough. Set SetMaxIdleConns to the same
// number, because new connections cost more than steps, and SetConnMaxLifetime
// below the time after which the server or something on the way drops idle ones.
// On MariaDB and MySQL each connection keeps up to 64 statements prepared:
// max_prepared_stmt_count has to have room for them. A call whose connection is
// lost returns an error that settles nothing; repeat it with the same id.
//
// # Housekeeping
//
// [Store.Sweep] deletes what is not needed any more. Call it every few minutes
// from one process or from several, again at once as long as Cleaned.More is
// true. Limit, 1,000 for example, bounds each of its transactions. On the servers
// no use waits for it, on SQLite for one of these transactions at most, and it
// never deletes what a live token needs. Expired codes are erased by the first sweep
// after they expired; until then they are refused, but in the database. Without
// any sweep nothing goes wrong, and the tables grow.
//
// # Sizing
//
// Bytes on disk, indexes included, as BenchmarkSize measures them, for a login
// with a refresh token of 200 characters and one clause, and for a use with an
// event of 30 characters:
//
//	             login and its token    use
//	SQLite                     1,200    150
//	PostgreSQL                 2,600    300
//	MariaDB                    3,000    320
//
// A child costs about as much as a login; each clause of a token adds two
// counters (some 200 bytes), and each limited ancestor a link to them. The
// history of a token is deleted with it. A hundred thousand tokens with a
// thousand uses each are 30 GB on a server: give them a lifetime, or a
// retention that fits.
//
// What a step costs does not depend on how many tokens there are: every
// statement finds its rows through an index, and a test reads the query plans.
// To revoke a tree is one row, however large the tree is.
//
// # Backup
//
// Use what the database offers: pg_dump or a base backup with the write-ahead
// log, mariadb-dump --single-transaction or mariadb-backup, VACUUM INTO for
// SQLite (a copy of the file alone misses the -wal). A backup opens nothing
// without the server's keys and the tokens themselves; keep the keys elsewhere.
//
// A backup is the past, and to restore it makes the past true again:
//
//   - Counters go back. Uses that were delivered since are delivered once more;
//     a limited token exceeds its limit by as many.
//   - Revocations since are forgotten. Those tokens work again.
//   - Refresh tokens that the provider has rotated since are lost. The old ones
//     are refused, and a provider that looks for stolen tokens may end the
//     whole login. Those users log in again; see ReplaceGrant.
//   - Tokens that were made since are not known. Of those that were rotated
//     since, the old generation is the current one again, and the new one is
//     refused.
//   - Codes that were redeemed since can be redeemed again until they expire.
//   - Users who were deleted since are back.
//
// So restore to the latest instant that the logs allow. Where that is not the
// last one, revoke with [Store.Revoke] what was revoked since (the portal's own
// log tells), and all tokens whose limits matter; delete the users again; and
// expect logins. To fail over to a replica that lags behind is the same thing on
// a smaller scale: let the database confirm a commit only when the replica has
// it (synchronous_standby_names, semi-synchronous replication).
//
// # Clusters
//
// MariaDB Galera: write on any node. Nodes do not share row locks; the first to
// commit wins, and the store repeats what lost. What one node has confirmed must
// be seen on the others at once: set wsrep_sync_wait=15, for the server or as a
// parameter of the DSN. A node that is cut off answers with error 1047, and
// nothing has happened; connect to another one. The suite runs on three nodes,
// one of which is killed in the middle (testdata/galera.sh, TestGalera).
//
// Distributed databases that speak PostgreSQL's protocol: use the dialect
// PostgreSQL. The store needs no lock that outlives a transaction and no
// isolation below serializable, and repeats on SQLSTATE 40001. The suite runs on
// PostgreSQL with default_transaction_isolation=serializable as a stand-in; run
// [store/storetest] on yours before you rely on it. Steps on one hot token cost
// a round of consensus each, which committing uses together makes up for within
// a process: let the uses of a token go to one process where you can.
//
// Read replicas cannot be used: a step has to see every step before it.
//
// [store/seal]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/seal
// [store/storetest]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/storetest
package sqlstore
