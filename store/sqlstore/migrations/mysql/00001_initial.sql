-- A grant is one login at the provider. A step that changes a grant, its spares
-- or its doubts also increments version.
CREATE TABLE IF NOT EXISTS {grants} (
    grant_id    BINARY(16) NOT NULL PRIMARY KEY,
    owner_id    BINARY(32) NOT NULL,
    version     BIGINT     NOT NULL,
    generation  BIGINT     NOT NULL,
    refresh     LONGBLOB   NOT NULL,           -- sealed
    scope       MEDIUMBLOB NOT NULL,
    audience    MEDIUMBLOB NOT NULL,
    created     BIGINT     NOT NULL,           -- this and all instants: microseconds since 1970
    dead        SMALLINT   NOT NULL DEFAULT 0, -- 1: refused by the provider
    lease_id    BINARY(16),                    -- NULL: no lease
    lease_until BIGINT     NOT NULL DEFAULT 0,
    lease_shown BIGINT     NOT NULL DEFAULT 0, -- the newest spare its holder knows
    arrivals    BIGINT     NOT NULL DEFAULT 0, -- number of spares ever
    spares      INTEGER    NOT NULL DEFAULT 0, -- rows of this grant in spares
    doubts      INTEGER    NOT NULL DEFAULT 0, -- rows of this grant in doubts
    KEY {:grants_owner} (owner_id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {spares} (
    grant_id   BINARY(16) NOT NULL,
    arrival    BIGINT     NOT NULL,
    generation BIGINT     NOT NULL,
    refresh    LONGBLOB   NOT NULL, -- sealed
    PRIMARY KEY (grant_id, arrival)
) ENGINE = InnoDB;

-- Leases that lapsed without an end.
CREATE TABLE IF NOT EXISTS {doubts} (
    grant_id BINARY(16) NOT NULL,
    lease_id BINARY(16) NOT NULL,
    lapsed   BIGINT     NOT NULL,
    PRIMARY KEY (grant_id, lease_id)
) ENGINE = InnoDB;

-- Digests of committed refresh tokens, to recognise a repeated commit.
CREATE TABLE IF NOT EXISTS {commits} (
    grant_id  BINARY(16) NOT NULL,
    lease_id  BINARY(16) NOT NULL,
    digest    BINARY(32) NOT NULL,
    committed BIGINT     NOT NULL,
    PRIMARY KEY (grant_id, lease_id, digest),
    KEY {:commits_age} (committed)
) ENGINE = InnoDB;

-- A token over all its generations. A buried token has lost its
-- secrets, and nothing finds it. Its row stays while a descendant needs it.
CREATE TABLE IF NOT EXISTS {tokens} (
    id         BIGINT     NOT NULL AUTO_INCREMENT PRIMARY KEY,
    token_id   BINARY(64) NOT NULL,
    grant_id   BINARY(16) NOT NULL,
    owner_id   BINARY(32) NOT NULL,
    path       BLOB       NOT NULL, -- token_ids of the ancestors, parent first
    first_sum  BINARY(32) NOT NULL, -- of generation 1
    seq        BIGINT     NOT NULL, -- current generation
    confirmed  BIGINT     NOT NULL, -- only Rotate accepts older generations
    token_sum  BINARY(32) NOT NULL,
    sealed_key LONGBLOB   NOT NULL,
    about      LONGBLOB   NOT NULL, -- sealed
    clauses    INTEGER    NOT NULL,
    created    BIGINT     NOT NULL,
    expires    BIGINT     NOT NULL, -- 0: never
    buried     SMALLINT   NOT NULL DEFAULT 0,
    UNIQUE KEY {:tokens_token} (token_id),
    KEY {:tokens_owner} (owner_id, id),
    KEY {:tokens_grant} (grant_id, id),
    KEY {:tokens_expires} (expires)
) ENGINE = InnoDB;

-- Each token with each of its ancestors, and with itself at depth 0.
CREATE TABLE IF NOT EXISTS {ancestors} (
    token    BIGINT   NOT NULL,
    depth    SMALLINT NOT NULL,
    ancestor BIGINT   NOT NULL,
    PRIMARY KEY (token, depth),
    KEY {:ancestors_down} (ancestor, token)
) ENGINE = InnoDB;

-- A token that was revoked, with its descendants if recursive_at is not 0.
CREATE TABLE IF NOT EXISTS {tombstones} (
    token        BIGINT NOT NULL PRIMARY KEY,
    revoked_at   BIGINT NOT NULL,
    recursive_at BIGINT NOT NULL,
    sweep_at     BIGINT NOT NULL, -- when the retention begins
    unswept      BIGINT, -- descendants up to this key have no tickets left; NULL: all
    KEY {:tombstones_sweep} (sweep_at),
    KEY {:tombstones_unswept} (unswept)
) ENGINE = InnoDB;

-- One counter for each clause and kind of use, and one for clause -1, which all
-- other uses of the token write.
CREATE TABLE IF NOT EXISTS {counters} (
    id        BIGINT   NOT NULL AUTO_INCREMENT PRIMARY KEY,
    token     BIGINT   NOT NULL,
    clause    INTEGER  NOT NULL,
    kind      SMALLINT NOT NULL,
    draws     INTEGER  NOT NULL,           -- clause of the parent, or -1
    max_uses  BIGINT   NOT NULL,           -- -1: unlimited
    used      BIGINT   NOT NULL DEFAULT 0,
    last_used BIGINT   NOT NULL DEFAULT 0, -- by the token itself
    CONSTRAINT {:counters_exact} CHECK (used >= 0 AND (max_uses < 0 OR used <= max_uses)),
    UNIQUE KEY {:counters_clause} (token, clause, kind)
) ENGINE = InnoDB;

-- The counters that a use of a clause spends: the clause's own at depth 0, and
-- the limited ones of the ancestors' clauses it draws on, at their distance.
CREATE TABLE IF NOT EXISTS {chains} (
    token   BIGINT   NOT NULL,
    kind    SMALLINT NOT NULL,
    clause  INTEGER  NOT NULL,
    depth   SMALLINT NOT NULL,
    counter BIGINT   NOT NULL,
    PRIMARY KEY (token, kind, clause, depth)
) ENGINE = InnoDB;

-- Outdated generations, until their grace ends.
CREATE TABLE IF NOT EXISTS {generations} (
    token       BIGINT     NOT NULL,
    seq         BIGINT     NOT NULL,
    token_sum   BINARY(32) NOT NULL,
    sealed_key  LONGBLOB   NOT NULL,
    successor   LONGBLOB   NOT NULL, -- sealed
    grace_until BIGINT     NOT NULL,
    PRIMARY KEY (token, seq),
    KEY {:generations_grace} (grace_until)
) ENGINE = InnoDB;

-- Events, and the identities of uses. A row is an event if named is 1, and
-- remembers a use as long as use_id is not NULL. Many rows are both.
CREATE TABLE IF NOT EXISTS {history} (
    id         BIGINT     NOT NULL AUTO_INCREMENT PRIMARY KEY,
    token      BIGINT,     -- NULL: refunded before it was known
    named      SMALLINT   NOT NULL,
    event_time BIGINT     NOT NULL,
    name       BLOB       NOT NULL,
    comment    MEDIUMBLOB NOT NULL,
    address    BLOB       NOT NULL,
    user_agent MEDIUMBLOB NOT NULL,
    use_id     BINARY(16),
    kind       SMALLINT   NOT NULL,
    clause     INTEGER    NOT NULL,
    child_id   BINARY(64), -- what the use created
    refunded   SMALLINT   NOT NULL DEFAULT 0,
    used_at    BIGINT,     -- NULL: no use, or forgotten
    UNIQUE KEY {:history_use} (use_id),
    KEY {:history_token} (token, named, event_time, id),
    KEY {:history_age} (used_at)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {tickets} (
    ticket_id  BINARY(32) NOT NULL,
    kind       SMALLINT   NOT NULL,
    version    BIGINT     NOT NULL,
    status     SMALLINT   NOT NULL,
    sealed_key LONGBLOB   NOT NULL,
    payload    LONGBLOB   NOT NULL, -- sealed
    token_id   BINARY(64),          -- NULL: of no token
    owns_token SMALLINT   NOT NULL,
    expires    BIGINT     NOT NULL, -- 0: never by itself
    put_sum    BINARY(32) NOT NULL, -- of its contents when it was put
    done_sum   BINARY(32),          -- of its completion
    taker_id   BINARY(16),          -- who took or consumed it
    sweep_at   BIGINT,              -- NULL: never
    PRIMARY KEY (ticket_id, kind),
    KEY {:tickets_token} (token_id),
    KEY {:tickets_sweep} (sweep_at)
) ENGINE = InnoDB;
