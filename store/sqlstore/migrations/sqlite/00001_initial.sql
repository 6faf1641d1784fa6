-- A grant is one login at the provider. A step that changes a grant, its spares
-- or its doubts also increments version.
CREATE TABLE {grants} (
    grant_id    BLOB    NOT NULL PRIMARY KEY,
    owner_id    BLOB    NOT NULL,
    version     INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    refresh     BLOB    NOT NULL,           -- sealed
    scope       BLOB    NOT NULL,
    audience    BLOB    NOT NULL,
    created     INTEGER NOT NULL,           -- this and all instants: microseconds since 1970
    dead        INTEGER NOT NULL DEFAULT 0, -- 1: refused by the provider
    lease_id    BLOB,                       -- NULL: no lease
    lease_until INTEGER NOT NULL DEFAULT 0,
    lease_shown INTEGER NOT NULL DEFAULT 0, -- the newest spare its holder knows
    arrivals    INTEGER NOT NULL DEFAULT 0, -- number of spares ever
    spares      INTEGER NOT NULL DEFAULT 0, -- rows of this grant in spares
    doubts      INTEGER NOT NULL DEFAULT 0  -- rows of this grant in doubts
) STRICT;
CREATE INDEX {:grants_owner} ON {grants} (owner_id);

CREATE TABLE {spares} (
    grant_id   BLOB    NOT NULL,
    arrival    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    refresh    BLOB    NOT NULL, -- sealed
    PRIMARY KEY (grant_id, arrival)
) STRICT, WITHOUT ROWID;

-- Leases that lapsed without an end.
CREATE TABLE {doubts} (
    grant_id BLOB    NOT NULL,
    lease_id BLOB    NOT NULL,
    lapsed   INTEGER NOT NULL,
    PRIMARY KEY (grant_id, lease_id)
) STRICT, WITHOUT ROWID;

-- Digests of committed refresh tokens, to recognise a repeated commit.
CREATE TABLE {commits} (
    grant_id  BLOB    NOT NULL,
    lease_id  BLOB    NOT NULL,
    digest    BLOB    NOT NULL,
    committed INTEGER NOT NULL,
    PRIMARY KEY (grant_id, lease_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX {:commits_age} ON {commits} (committed);

-- A token over all its generations. A buried token has lost its
-- secrets, and nothing finds it. Its row stays while a descendant needs it.
CREATE TABLE {tokens} (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token_id   BLOB    NOT NULL,
    grant_id   BLOB    NOT NULL,
    owner_id   BLOB    NOT NULL,
    path       BLOB    NOT NULL, -- token_ids of the ancestors, parent first
    first_sum  BLOB    NOT NULL, -- of generation 1
    seq        INTEGER NOT NULL, -- current generation
    confirmed  INTEGER NOT NULL, -- only Rotate accepts older generations
    token_sum  BLOB    NOT NULL,
    sealed_key BLOB    NOT NULL,
    about      BLOB    NOT NULL, -- sealed
    clauses    INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL, -- 0: never
    buried     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX {:tokens_token} ON {tokens} (token_id);
CREATE INDEX {:tokens_owner} ON {tokens} (owner_id, id);
CREATE INDEX {:tokens_grant} ON {tokens} (grant_id, id);
CREATE INDEX {:tokens_expires} ON {tokens} (expires) WHERE expires > 0;

-- Each token with each of its ancestors, and with itself at depth 0.
CREATE TABLE {ancestors} (
    token    INTEGER NOT NULL,
    depth    INTEGER NOT NULL,
    ancestor INTEGER NOT NULL,
    PRIMARY KEY (token, depth)
) STRICT, WITHOUT ROWID;
CREATE INDEX {:ancestors_down} ON {ancestors} (ancestor, token);

-- A token that was revoked, with its descendants if recursive_at is not 0.
CREATE TABLE {tombstones} (
    token        INTEGER NOT NULL PRIMARY KEY,
    revoked_at   INTEGER NOT NULL,
    recursive_at INTEGER NOT NULL,
    sweep_at     INTEGER NOT NULL, -- when the retention begins
    unswept      INTEGER -- descendants up to this key have no tickets left; NULL: all
) STRICT;
CREATE INDEX {:tombstones_sweep} ON {tombstones} (sweep_at);
CREATE INDEX {:tombstones_unswept} ON {tombstones} (unswept) WHERE unswept IS NOT NULL;

-- One counter for each clause and kind of use, and one for clause -1, which all
-- other uses of the token write.
CREATE TABLE {counters} (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    token     INTEGER NOT NULL,
    clause    INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    draws     INTEGER NOT NULL,           -- clause of the parent, or -1
    max_uses  INTEGER NOT NULL,           -- -1: unlimited
    used      INTEGER NOT NULL DEFAULT 0,
    last_used INTEGER NOT NULL DEFAULT 0, -- by the token itself
    CONSTRAINT {:counters_exact} CHECK (used >= 0 AND (max_uses < 0 OR used <= max_uses))
) STRICT;
CREATE UNIQUE INDEX {:counters_clause} ON {counters} (token, clause, kind);

-- The counters that a use of a clause spends: the clause's own at depth 0, and
-- the limited ones of the ancestors' clauses it draws on, at their distance.
CREATE TABLE {chains} (
    token   INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    clause  INTEGER NOT NULL,
    depth   INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    PRIMARY KEY (token, kind, clause, depth)
) STRICT, WITHOUT ROWID;

-- Outdated generations, until their grace ends.
CREATE TABLE {generations} (
    token       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    token_sum   BLOB    NOT NULL,
    sealed_key  BLOB    NOT NULL,
    successor   BLOB    NOT NULL, -- sealed
    grace_until INTEGER NOT NULL,
    PRIMARY KEY (token, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX {:generations_grace} ON {generations} (grace_until);

-- Events, and the identities of uses. A row is an event if named is 1, and
-- remembers a use as long as use_id is not NULL. Many rows are both.
CREATE TABLE {history} (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token      INTEGER, -- NULL: refunded before it was known
    named      INTEGER NOT NULL,
    event_time INTEGER NOT NULL,
    name       BLOB    NOT NULL,
    comment    BLOB    NOT NULL,
    address    BLOB    NOT NULL,
    user_agent BLOB    NOT NULL,
    use_id     BLOB,
    kind       INTEGER NOT NULL,
    clause     INTEGER NOT NULL,
    child_id   BLOB,    -- what the use created
    refunded   INTEGER NOT NULL DEFAULT 0,
    used_at    INTEGER  -- NULL: no use, or forgotten
) STRICT;
CREATE UNIQUE INDEX {:history_use} ON {history} (use_id) WHERE use_id IS NOT NULL;
CREATE INDEX {:history_token} ON {history} (token, named, event_time, id);
CREATE INDEX {:history_age} ON {history} (used_at) WHERE used_at IS NOT NULL;

CREATE TABLE {tickets} (
    ticket_id  BLOB    NOT NULL,
    kind       INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    status     INTEGER NOT NULL,
    sealed_key BLOB    NOT NULL,
    payload    BLOB    NOT NULL, -- sealed
    token_id   BLOB,             -- NULL: of no token
    owns_token INTEGER NOT NULL,
    expires    INTEGER NOT NULL, -- 0: never by itself
    put_sum    BLOB    NOT NULL, -- of its contents when it was put
    done_sum   BLOB,             -- of its completion
    taker_id   BLOB,             -- who took or consumed it
    sweep_at   INTEGER,          -- NULL: never
    PRIMARY KEY (ticket_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX {:tickets_token} ON {tickets} (token_id) WHERE token_id IS NOT NULL;
CREATE INDEX {:tickets_sweep} ON {tickets} (sweep_at) WHERE sweep_at IS NOT NULL;
