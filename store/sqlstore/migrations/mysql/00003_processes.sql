-- The processes that refresh grants. A heartbeat, and whatever else changes one,
-- increments version.
CREATE TABLE IF NOT EXISTS {processes} (
    process_id  BINARY(16) NOT NULL PRIMARY KEY,
    node_id     BINARY(16) NOT NULL, -- zeros: none
    version     BIGINT     NOT NULL,
    name        VARBINARY(128),      -- NULL: empty
    transient   SMALLINT   NOT NULL, -- 1: has no spill directory
    lives_until BIGINT     NOT NULL, -- what the last heartbeat promised
    settled_at  BIGINT     NOT NULL, -- 0: it was not settled
    sweep_at    BIGINT     NOT NULL, -- when the retention begins
    overtaken   BIGINT     NOT NULL DEFAULT 0, -- leases taken over because it was silent
    KEY {:processes_sweep} (sweep_at)
) ENGINE = InnoDB;

-- held_by is the process that holds the lease held_lease. It says nothing if lease_id is
-- another one. A suspicion is void if the grant has another generation or other arrivals.
ALTER TABLE {grants}
    ADD COLUMN login              BIGINT  NOT NULL DEFAULT 1, -- generation that the login brought
    ADD COLUMN worked             MEDIUMBLOB,                 -- scopes that worked last; NULL: empty
    ADD COLUMN refusals           INTEGER NOT NULL DEFAULT 0, -- 0: not suspect
    ADD COLUMN ask_after          BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN refused_generation BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN refused_arrivals   BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN held_by            BINARY(16),
    ADD COLUMN held_lease         BINARY(16),
    ADD KEY {:grants_holder} (held_by);

-- The process of a doubt is NULL if it is unknown.
ALTER TABLE {doubts} ADD COLUMN process_id BINARY(16), ADD KEY {:doubts_process} (process_id);
