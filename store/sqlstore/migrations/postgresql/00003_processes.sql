-- The processes that refresh grants. A heartbeat, and whatever else changes one,
-- increments version.
CREATE TABLE {processes} (
    process_id  BYTEA    NOT NULL PRIMARY KEY,
    node_id     BYTEA    NOT NULL, -- zeros: none
    version     BIGINT   NOT NULL,
    name        BYTEA,             -- NULL: empty
    transient   SMALLINT NOT NULL, -- 1: has no spill directory
    lives_until BIGINT   NOT NULL, -- what the last heartbeat promised
    settled_at  BIGINT   NOT NULL, -- 0: it was not settled
    sweep_at    BIGINT   NOT NULL, -- when the retention begins
    overtaken   BIGINT   NOT NULL DEFAULT 0 -- leases taken over because it was silent
);
CREATE INDEX {:processes_sweep} ON {processes} (sweep_at);

-- held_by is the process that holds the lease held_lease. It says nothing if lease_id is
-- another one. A suspicion is void if the grant has another generation or other arrivals.
ALTER TABLE {grants}
    ADD COLUMN login              BIGINT  NOT NULL DEFAULT 1, -- generation that the login brought
    ADD COLUMN worked             BYTEA,                      -- scopes that worked last; NULL: empty
    ADD COLUMN refusals           INTEGER NOT NULL DEFAULT 0, -- 0: not suspect
    ADD COLUMN ask_after          BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN refused_generation BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN refused_arrivals   BIGINT  NOT NULL DEFAULT 0,
    ADD COLUMN held_by            BYTEA,
    ADD COLUMN held_lease         BYTEA;
CREATE INDEX {:grants_holder} ON {grants} (held_by) WHERE held_by IS NOT NULL;

-- The process of a doubt is NULL if it is unknown.
ALTER TABLE {doubts} ADD COLUMN process_id BYTEA;
CREATE INDEX {:doubts_process} ON {doubts} (process_id) WHERE process_id IS NOT NULL;
