-- The processes that refresh grants. A heartbeat, and whatever else changes one,
-- increments version.
CREATE TABLE {processes} (
    process_id  BLOB    NOT NULL PRIMARY KEY,
    node_id     BLOB    NOT NULL, -- zeros: none
    version     INTEGER NOT NULL,
    name        BLOB,             -- NULL: empty
    transient   INTEGER NOT NULL, -- 1: has no spill directory
    lives_until INTEGER NOT NULL, -- what the last heartbeat promised
    settled_at  INTEGER NOT NULL, -- 0: it was not settled
    sweep_at    INTEGER NOT NULL, -- when the retention begins
    overtaken   INTEGER NOT NULL DEFAULT 0 -- leases taken over because it was silent
) STRICT;
CREATE INDEX {:processes_sweep} ON {processes} (sweep_at);

-- login is the generation that the login brought. worked holds the scopes that worked
-- last, and refusals is 0 if the grant is not suspect. held_by is the process that holds
-- the lease held_lease. It says nothing if lease_id is another one. A suspicion is void if
-- the grant has another generation or other arrivals.
ALTER TABLE {grants} ADD COLUMN login INTEGER NOT NULL DEFAULT 1;
ALTER TABLE {grants} ADD COLUMN worked BLOB;
ALTER TABLE {grants} ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {grants} ADD COLUMN ask_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {grants} ADD COLUMN refused_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {grants} ADD COLUMN refused_arrivals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {grants} ADD COLUMN held_by BLOB;
ALTER TABLE {grants} ADD COLUMN held_lease BLOB;
CREATE INDEX {:grants_holder} ON {grants} (held_by) WHERE held_by IS NOT NULL;

-- The process of a doubt is NULL if it is unknown.
ALTER TABLE {doubts} ADD COLUMN process_id BLOB;
CREATE INDEX {:doubts_process} ON {doubts} (process_id) WHERE process_id IS NOT NULL;
