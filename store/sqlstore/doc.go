// Package sqlstore keeps the state of an issuer of mytokens in SQLite, PostgreSQL, MySQL
// or MariaDB, through the [*sql.DB] of your program. It implements [store.Store]: every
// step is exact and durable, and every process sees its effect once it has returned.
//
//	db, err := sql.Open("pgx", dsn)                                    // the driver is yours
//	err = sqlstore.Migrate(ctx, db, sqlstore.PostgreSQL, opts)         // once, when you deploy
//	st, err := sqlstore.New(ctx, db, sqlstore.PostgreSQL, opts)        // in every process
//
// The package imports no driver, does nothing in the background, takes the time from its
// caller and writes no log. Any number of processes on any number of machines may share a
// database. The rest of this comment is for the people who run the database.
//
// # Tables
//
// The tables can have a database of their own, or share that of your program. Their names
// begin with [Options.Prefix] ("mytoken_"). On PostgreSQL they are in [Options.Schema],
// if you set it. The package touches nothing else in the database.
//
//	grants       a login at the provider: its sealed refresh token, and the lease to refresh it
//	spares       refresh tokens that arrived after the grant had got a newer one
//	doubts       leases that lapsed before their holder reported the outcome
//	processes    the processes that refresh grants, and until when they live
//	commits      digests of refresh tokens that were stored, for a day
//	tokens       a mytoken over all its generations: its ids, and the key sealed for it
//	ancestors    each token with each of its ancestors
//	tombstones   tokens that were revoked
//	counters     how often each clause of a token was used, and its limit
//	chains       which counters a use of a clause spends
//	generations  generations that rotation has replaced, until their grace ends
//	history      events, and the identities of uses for a day
//	tickets      one-time codes, short tokens and the tokens behind SSH keys, under their digests
//	owners       how often the items of a user were changed, and by which change last
//	items        what users keep besides tokens, sealed: settings, tags, SSH keys
//	links        which tokens an item concerns
//	migrations   the version of the schema
//
// Ids are binary: digests or random bytes. Package [store/seal] seals refresh tokens,
// keys and payloads before they reach the database. The database holds in plain text:
// counts and limits, instants, the relations between tokens, the kinds of items and which
// tokens they concern, the scopes and audiences of a grant, the names of processes, and
// the texts of events (names, comments, addresses, user agents).
//
// [Migrate] creates the tables. [New] never does: if they do not fit, it returns
// [ErrMissingMigration] or [ErrNewerSchema]. [Pending] lists what Migrate would do. [SQL]
// returns the statements, so that you can read them or run them yourself.
//
// Processes of an earlier version still work after a migration, so you can replace them
// one by one. Replace them soon, and let only new ones sweep:
//
//   - Those before 00002_erase.sql erase no keys, and they do not tell Sweep when the
//     tokens that they create expire.
//   - Those before 00003_processes.sql end a grant at the first refusal, and wait until
//     the lease of a dead process has lapsed.
//   - Those before 00004_items.sql leave the items of users whom they delete, and the
//     links of tokens that they sweep. Let only new ones replace server keys: an old one
//     seals no item under the new key.
//
// The same holds for processes that do not know LeaseRequest, for which there is no
// migration. Let only new ones delete users, too: an old one may leave the event of a use
// that a new one records at the same time. On PostgreSQL, an old one cannot refund a use
// that a new one has made without charging a clause. Such a use counts nowhere. A new login
// that an old one finishes leaves the access tokens that new ones have kept, so begin to
// keep access tokens when the last old one is gone.
//
// # Settings
//
// A step is durable only if the database does not lose what it has committed. The
// following settings make sure of that. With weaker ones, a crash of the machine has the
// effects of restoring a backup (see below).
//
//   - PostgreSQL: fsync=on and synchronous_commit=on, the defaults. The store itself
//     relaxes synchronous_commit for the end of a lease that nobody waits for, in a
//     transaction of its own. A crash may undo such an end: then the lease lapses and
//     leaves a doubt. The process that held it resolves the doubt with its next
//     heartbeat; see Doubts in [store.Nodes].
//   - MySQL and MariaDB: innodb_flush_log_at_trx_commit=1, the default, and sync_binlog=1
//     if there is a binary log.
//   - SQLite: synchronous=FULL, and a journal on disk. New returns [ErrUnsafe] for weaker
//     settings.
//
// Some settings of a session change what statements mean. On MySQL and MariaDB, New
// returns [ErrUnsafe] unless autocommit=1, completion_type=NO_CHAIN and unique_checks=1,
// and if a table has an engine without transactions, such as MyISAM or Aria. New returns
// [ErrSetting] if sql_mode has EMPTY_STRING_IS_NULL, if sql_select_limit is set, or if
// sql_big_selects=0, which max_join_size implies. All other modes are fine,
// sql_mode=ORACLE included. Set what you need in the DSN, for example
// ?sql_mode='TRADITIONAL'. On every database, New writes empty and binary values and
// checks that they come back as they were.
//
// Open SQLite like this. The parameters are those of modernc.org/sqlite. Other drivers
// have other parameters for the same settings.
//
//	file:/var/lib/portal/mytoken.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)
//
// journal_mode=WAL lets readers and the one writer work at the same time. Each Store runs
// one writing transaction at a time. busy_timeout, in milliseconds, is how long a
// transaction waits for another process. secure_delete overwrites erased data. All
// processes must run on one machine, and the file must be on a disk of that machine.
//
// # Drivers
//
// The store must tell a duplicate, a deadlock and a full disk from other errors. It reads
// the database's error code from the error of the driver, which may be wrapped:
//
//   - PostgreSQL: from the method SQLState() string, which jackc/pgx and lib/pq have.
//   - MySQL and MariaDB: from the beginning of the message, for example "Error 1062", as
//     go-sql-driver/mysql writes it.
//   - SQLite: from the method Code() int, which returns the extended result code in
//     modernc.org/sqlite.
//
// New checks this. It provokes a duplicate in a transaction that it rolls back, and
// returns [ErrDriver] if it does not recognise the error. PostgreSQL logs that duplicate.
//
// # Isolation
//
// Each step reads, decides, and then writes in one transaction. If the usual state is all
// that a step needs, it does so in one statement. The transaction checks that what the
// step has read still holds. An UPDATE spends a counter only below its
// limit, and finds a row only if the row is unchanged. An INSERT of a row that exists
// violates a unique index. If a check fails, the store rolls back, reads and decides
// again. It does the same if the database asks for it (deadlock, serialization failure,
// SQLITE_BUSY). After 50 attempts within about four seconds, the step returns
// [ErrContended].
//
// So the store is correct at READ COMMITTED and at every stronger isolation. On
// PostgreSQL it uses the isolation of the session, except that deletions of tokens ask for
// READ COMMITTED. MySQL's default is stronger and blocks more, so there the store always
// asks for it. All steps lock rows in one order: grants, counters by their ids, tokens,
// the rest. Changes of the items of one user wait for each other on the row of the user.
//
// MariaDB runs a whole transaction as one compound statement, BEGIN NOT ATOMIC … END, and
// so in one round trip. New tries such a statement. If the server or a proxy does not run
// or prepare it, the store sends one statement after another, as it does on MySQL. The
// driver need not send several statements at once (multiStatements).
//
// The store changes no setting of a session beyond its transaction, and no transaction
// depends on an earlier one. So it works behind a pooler such as PgBouncer in transaction
// mode, if the driver does not rely on what a session has prepared. With jackc/pgx, add
// one of these to the DSN:
//
//	default_query_exec_mode=exec              one round trip for each statement
//	default_query_exec_mode=simple_protocol   the same, without prepared statements at all
//	default_query_exec_mode=cache_describe    describes each statement once in a connection
//
// Do not use describe_exec there: it describes a statement in one round trip and runs it
// in the next, and the pooler may send the two to different sessions. The driver's
// default, cache_statement, needs a pooler that keeps track of prepared statements, as
// PgBouncer 1.21 does with max_prepared_statements. TestPgBouncer runs the suite behind
// PgBouncer.
//
// # Privileges
//
// Use one account that migrates and one that uses the store. On PostgreSQL, with a schema
// of its own:
//
//	GRANT USAGE, CREATE ON SCHEMA mytoken TO migrator;
//	GRANT USAGE ON SCHEMA mytoken TO portal;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mytoken TO portal;
//
// Run the last statement after the migration. On MySQL and MariaDB, with a database of
// its own:
//
//	GRANT CREATE, ALTER, SELECT, INSERT, UPDATE ON mytoken.* TO migrator;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON mytoken.* TO portal;
//
// A test shows that the accounts need all of these privileges and no others. Later
// migrations may also need INDEX and DROP.
//
// # Connections
//
// Uses that wait at the same time form a batch, which the store commits in one
// transaction: one batch at a time, and on the servers a second one beside it if many uses
// wait, or if the first one takes long. Uses that create tokens or change tickets have
// batches of their own. More connections do not make uses faster. Allow ten for each
// process, or four for SQLite. The store also works with a single one.
//
// Call SetMaxIdleConns with the same number as SetMaxOpenConns, because a new connection
// costs more than a step. Keep SetConnMaxIdleTime shorter than the time after which the
// server, or a device in between, drops idle connections: two minutes are a good value.
// SetConnMaxLifetime bounds how long a process keeps using a server after a failover; ten
// minutes are a good value. SQLite needs neither.
//
// On MySQL and MariaDB each connection keeps up to 85 prepared statements. If the server
// prepares no more, because max_prepared_stmt_count is used up or a proxy does not let
// it, the store sends statements as text from then on, until the process ends.
//
// A path that died without a word keeps a connection until the system notices, which can
// take a quarter of an hour. No step waits for it longer than its context, but on MySQL
// and MariaDB the connection is lost to the pool. There, set readTimeout in the DSN to
// more than any statement takes: a minute is a good value.
//
// # Outages and failover
//
// An error of a step is a [store.ErrUnavailable] if the step has certainly not taken
// effect: no connection was free in time, the server refused the connection, BEGIN or a
// statement failed, or the database is read-only or full. The exceptions are an answer
// that was lost after COMMIT was sent, and one that was lost after a single statement was
// sent outside of a transaction. Such a step may have taken effect: repeat the call with
// the same id. If you repeat a call yourself, the outcome stays open until a call returns
// nil or an error of the contract, whatever the later calls return.
//
// A server that was demoted keeps its connections. It refuses to write, but it answers
// reads from a state that grows old. If a step finds such a server, the store closes the
// connection and all idle ones, and tries again on new ones, three times at most. So the
// name of the server in the DSN, or the proxy behind it, must lead to the server that
// accepts writes. The same happens on a node that has left its Galera cluster (error
// 1047), and on a connection that has lost its prepared statements (26000, 42P05).
//
// [Store.Ping] proves that the database commits. Call it every few seconds, for example
// from a health check, even if a process only reads: it is what notices a failover then.
// It costs one small transaction a second at most, however often it is called.
//
// # Housekeeping
//
// [Store.Sweep] deletes rows that nobody needs any more. Call it every few minutes, from
// one process or from several, and again at once as long as Cleaned.More is true.
// Cleaning.Limit bounds how many rows of a table one call deletes, and so the length of
// its transactions: 1,000 is a good value. On the servers no use waits for Sweep. On
// SQLite a use waits for at most one of its transactions. Sweep never deletes what a live
// token needs.
//
// Sweep first erases the contents of expired codes, then the keys of expired tokens, and
// of generations whose grace has ended. Until then the store refuses them, but somebody
// with the database, the server keys and such a code or token can still open what it
// opened. Without sweeps nothing breaks, but the tables grow and old secrets keep opening
// what they opened.
//
// The database may keep what is erased or deleted in its files for a while: PostgreSQL
// until the table is vacuumed, InnoDB in its undo log, SQLite in the -wal until the next
// checkpoint, and all of them in logs that you archive.
//
// # Sizing
//
// BenchmarkSize measures the bytes on disk, indexes included. The login has a refresh
// token of 200 characters and a token with one clause. The use has an event of 30
// characters. The item has 120 bytes of contents and one link.
//
//	             login and its token    use     item
//	SQLite                     1,200    150      600
//	PostgreSQL                 2,600    300      850
//	MariaDB                    3,000    320    1,350
//
// A child takes about as much as a login. Each clause of a token adds two counters, about
// 200 bytes, and each limited ancestor adds a link to each of them. Deleting a token
// deletes its history. A hundred thousand tokens with a thousand uses each take 30 GB on
// a server: give tokens a lifetime, or choose a retention that fits your disk.
//
// The cost of a step does not depend on how many tokens there are. Every statement finds
// its rows through an index; a test checks the query plans. Revoking a tree writes one
// tombstone, however large the tree is. Then it erases the keys of the tree, at most 512
// in one transaction. A change that deletes an item deletes all of its links in the same
// transaction.
//
// # Backup
//
// Use the tools of the database: pg_dump or a base backup with the write-ahead log;
// mariadb-dump --single-transaction or mariadb-backup; VACUUM INTO for SQLite (a copy of
// the file alone lacks the -wal). A backup reveals no secret without the server's keys
// and the tokens themselves. Keep the keys elsewhere.
//
// Restoring a backup also restores spent uses and revoked tokens. The effects of
// restoring an older state are:
//
//   - Counters go back. A limited token can exceed its limit by the uses since the
//     backup.
//   - Tokens that were revoked since then work again.
//   - Refresh tokens that the provider has rotated since then are lost. The provider
//     refuses the old ones, and may end the whole login because it takes an old one for
//     stolen. Those users have to log in again; see ReplaceGrant in [store.Grants].
//   - Tokens that were created since then are unknown. If a token was rotated since then,
//     its old generation is the current one again, and the store refuses the new one.
//   - Codes that were redeemed since then can be redeemed again until they expire.
//   - Items are as they were. SSH keys that were deleted since then work again.
//   - Users who were deleted since then are back.
//
// So restore the latest state that the database's logs allow. If the last steps are still
// missing:
//
//   - Call [Store.Revoke] again for every token that was revoked since then (see your
//     program's own log), and for all tokens whose limits matter.
//   - Delete the users again.
//   - Expect that users have to log in again.
//
// Failing over to a replica that lags behind has the same effects on a smaller scale. To
// avoid them, let the database confirm a commit only when the replica has it
// (synchronous_standby_names, semi-synchronous replication).
//
// # Clusters
//
// MariaDB Galera: you may write on any node. Nodes do not share row locks. The first
// transaction to commit wins, and the store repeats those that lost. Every node must see
// at once what another one has confirmed: set wsrep_sync_wait=15, on the server or as a
// parameter of the DSN. A node that is cut off answers with error 1047: let the DSN name a
// proxy that leads to another node then. TestGalera runs the suite on three nodes and
// kills one of them in the middle (testdata/galera.sh).
//
// Distributed databases that speak PostgreSQL's protocol: use the dialect PostgreSQL. The
// store needs no lock that outlives a transaction. It works if every transaction is
// serializable, and repeats a step on SQLSTATE 40001. The suite runs on PostgreSQL with
// default_transaction_isolation=serializable as a stand-in. Run [store/storetest] on your
// database before you rely on it. Each step on a busy token costs a round of consensus
// there. Batches make up for that within one process, so send the uses of one token to
// one process if you can.
//
// Do not let the store read from replicas: a step has to see every earlier step.
//
// [store/seal]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/seal
// [store/storetest]: https://pkg.go.dev/github.com/mytoken-go/sdk/store/storetest
package sqlstore
