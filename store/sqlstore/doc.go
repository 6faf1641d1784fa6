// Package sqlstore keeps the state of an issuer of mytokens in SQLite, PostgreSQL, MySQL
// or MariaDB, through the [*sql.DB] of your program. It implements [store.Store]: every
// step is exact and durable, and every process sees it once it has returned.
//
//	db, err := sql.Open("pgx", dsn)                                    // the driver is yours
//	err = sqlstore.Migrate(ctx, db, sqlstore.PostgreSQL, opts)         // once, when you deploy
//	st, err := sqlstore.New(ctx, db, sqlstore.PostgreSQL, opts)        // in every process
//
// The package imports no driver, starts no goroutine, has no clock and writes no log. Any
// number of processes on any number of machines may share a database. The rest of this
// comment is for the people who run it.
//
// # Tables
//
// The tables live in a database of their own or in that of the portal. Their names begin
// with [Options.Prefix] ("mytoken_"). On PostgreSQL they are in [Options.Schema], if you
// set it. The package touches nothing else in the database.
//
//	grants       a login at the provider: its sealed refresh token, and the lease to refresh it
//	spares       refresh tokens that arrived after another one had moved the grant on
//	doubts       leases that lapsed without an end
//	commits      digests of refresh tokens that were stored, for a day
//	tokens       a mytoken over all its generations: its ids, and the key sealed for it
//	ancestors    each token with each of its ancestors
//	tombstones   tokens that were revoked
//	counters     how often each clause of a token was used, and its limit
//	chains       which counters a use of a clause spends
//	generations  generations that rotation has replaced, until their grace ends
//	history      events, and the identities of uses for a day
//	tickets      one-time codes and short tokens, under their digests
//	migrations   the version of the schema
//
// Ids are binary, and are digests or random. Package [store/seal] seals refresh tokens,
// keys and payloads before they get here. The following is stored in plain: counts and
// limits, instants, the relations between tokens, the scopes and audiences of a grant,
// and the texts of events (names, comments, addresses, user agents).
//
// [Migrate] creates the tables. [New] never does: it returns [ErrMissingMigration] or
// [ErrNewerSchema]. [Pending] lists what Migrate would do. [SQL] prints it, so that you
// can read it or run it yourself.
//
// # Settings
//
// A step is durable when the database says so. These settings make the database tell the
// truth. With others, a crash of the machine is like restoring a backup (see below).
//
//   - PostgreSQL: fsync and synchronous_commit are on, as they are by default.
//   - MySQL and MariaDB: innodb_flush_log_at_trx_commit=1, the default, and sync_binlog=1
//     if there is a binary log.
//   - SQLite: synchronous=FULL. New returns [ErrUnsafe] if the setting is weaker.
//
// Open SQLite like this. The parameters are those of modernc.org/sqlite; other drivers
// have their own parameters for the same settings.
//
//	file:/var/lib/portal/mytoken.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)
//
// journal_mode=WAL lets readers and the one writer work at the same time. Each Store lets
// one of its transactions write at a time. busy_timeout, in milliseconds, is how long a
// transaction waits for another process. secure_delete overwrites erased data. All
// processes have to be on one machine, and the file has to be on a disk of that machine.
//
// # Drivers
//
// The store must tell a duplicate, a deadlock and a full disk from other errors. It reads
// the codes of the database from the errors of the driver, which may be wrapped:
//
//   - PostgreSQL: a method SQLState() string, as jackc/pgx and lib/pq have it.
//   - MySQL and MariaDB: a message that begins with "Error 1062", as go-sql-driver/mysql
//     writes it.
//   - SQLite: a method Code() int with the extended result code, as modernc.org/sqlite has it.
//
// New tries this out. It provokes a duplicate in a transaction that it rolls back, and
// returns [ErrDriver] if it does not recognise the error. PostgreSQL logs that duplicate.
//
// # Isolation
//
// Each step reads, decides, and then writes in one transaction. Its statements demand the
// state that was read. A conditional UPDATE spends a counter, a changed row is not found,
// and an added row violates a unique index. If a demand fails, the store rolls back and
// decides again. It does the same when the database asks to repeat (deadlocks,
// serialization failures, SQLITE_BUSY). After 50 attempts, in about four seconds, the
// step returns [ErrContended].
//
// So every isolation from READ COMMITTED up is correct. On PostgreSQL the store uses the
// isolation of the session. The default of MySQL is stronger and blocks more, so there
// each transaction asks for READ COMMITTED. Rows are locked in one order: grants,
// counters by their ids, tokens, the rest.
//
// The store changes no setting of a session, and no statement depends on the one before
// it. So it works behind a pool that hands out a connection for each transaction, if you
// tell the driver not to rely on prepared statements there.
//
// # Privileges
//
// On PostgreSQL, in a schema of its own, for one account that migrates and one that uses
// the store:
//
//	GRANT USAGE, CREATE ON SCHEMA mytoken TO migrator;
//	GRANT USAGE ON SCHEMA mytoken TO portal;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mytoken TO portal;
//
// Run the last one after the migration. On MySQL and MariaDB:
//
//	GRANT CREATE, SELECT, INSERT ON mytoken.* TO migrator;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON mytoken.* TO portal;
//
// A test shows that all of these are needed, and no others. Later migrations may also
// need ALTER, INDEX and DROP.
//
// # Connections
//
// Uses that wait at the same time are committed together: two batches at a time on the
// servers, one on SQLite. Uses that create tokens or change tickets have batches of their
// own. More connections do not make them faster. Ten for each process are plenty, four
// for SQLite, and one is enough.
//
// Set SetMaxIdleConns to the same number, because a new connection costs more than a
// step. Set SetConnMaxLifetime below the time after which the server, or a device in
// between, drops idle connections. On MySQL and MariaDB each connection keeps up to 40
// prepared statements, and max_prepared_stmt_count must leave room for them. A call that
// loses its connection returns an error that settles nothing: repeat the call with the
// same id.
//
// # Housekeeping
//
// [Store.Sweep] deletes what is not needed any more. Call it every few minutes, from one
// process or from several, and again at once as long as Cleaned.More is true. Limit
// (1,000 for example) bounds each of its transactions. On the servers no use waits for
// it. On SQLite a use waits for one of these transactions at most. Sweep never deletes
// what a live token needs.
//
// The first sweep after a code has expired erases it. Until then the code is refused, but
// it is still in the database. Without sweeps nothing breaks, but the tables grow.
//
// # Sizing
//
// Bytes on disk, indexes included, as BenchmarkSize measures them, for a login with a
// refresh token of 200 characters and one clause, and for a use with an event of 30
// characters:
//
//	             login and its token    use
//	SQLite                     1,200    150
//	PostgreSQL                 2,600    300
//	MariaDB                    3,000    320
//
// A child costs about as much as a login. Each clause of a token adds two counters, about
// 200 bytes, and each limited ancestor adds a link to them. Deleting a token deletes its
// history. A hundred thousand tokens with a thousand uses each take 30 GB on a server:
// give tokens a lifetime, or choose a retention that fits.
//
// The cost of a step does not depend on how many tokens there are. Every statement finds
// its rows through an index, and a test reads the query plans. Revoking a tree writes one
// row, however large the tree is.
//
// # Backup
//
// Use the tools of the database: pg_dump or a base backup with the write-ahead log;
// mariadb-dump --single-transaction or mariadb-backup; VACUUM INTO for SQLite (a copy of
// the file alone lacks the -wal). A backup opens nothing without the server's keys and
// the tokens themselves. Keep the keys elsewhere.
//
// Restoring a backup also restores spent uses and revoked tokens:
//
//   - Counters go back. A limited token can exceed its limit by the uses since the backup.
//   - Tokens that were revoked since work again.
//   - Refresh tokens that the provider has rotated since are lost. It refuses the old ones,
//     and may end the whole login if it looks for stolen tokens. Those users log in again;
//     see ReplaceGrant.
//   - Tokens that were created since are unknown. If a token was rotated since, its old
//     generation is the current one again, and the new one is refused.
//   - Codes that were redeemed since can be redeemed again until they expire.
//   - Users who were deleted since are back.
//
// So restore to the latest instant that the logs allow. If that is not the last one:
//
//   - Use [Store.Revoke] to revoke again whatever was revoked since (see the portal's own
//     log), and all tokens whose limits matter.
//   - Delete the users again.
//   - Expect logins.
//
// Failing over to a replica that lags behind has the same effects on a smaller scale. Let
// the database confirm a commit only when the replica has it (synchronous_standby_names,
// semi-synchronous replication).
//
// # Clusters
//
// MariaDB Galera: write on any node. Nodes do not share row locks. The first one to
// commit wins, and the store repeats the transactions that lost. Every node must see at
// once what another one has confirmed: set wsrep_sync_wait=15, for the server or as a
// parameter of the DSN. A node that is cut off answers with error 1047, and nothing has
// happened: connect to another one. The suite runs on three nodes, one of which is killed
// in the middle (testdata/galera.sh, TestGalera).
//
// Distributed databases that speak PostgreSQL's protocol: use the dialect PostgreSQL. The
// store needs no lock that outlives a transaction. It works when every transaction is
// serializable, and repeats on SQLSTATE 40001. The suite runs on PostgreSQL with
// default_transaction_isolation=serializable as a stand-in. Run [store/storetest] on your
// database before you rely on it. Each step on a hot token costs a round of consensus
// there. Committing uses together makes up for that within a process, so send the uses of
// one token to one process if you can.
//
// Read replicas do not work: a step has to see every step before it.
//
// [store/seal]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/seal
// [store/storetest]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/storetest
package sqlstore
