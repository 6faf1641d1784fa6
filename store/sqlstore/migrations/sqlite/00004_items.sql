-- The owners that keep items, and which change of them came last. A step that puts or
-- deletes items also increments revision.
CREATE TABLE {owners} (
    owner_id  BLOB    NOT NULL PRIMARY KEY,
    revision  INTEGER NOT NULL,
    change_id BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- What users keep besides tokens. A step that changes an item or its links also increments
-- version.
CREATE TABLE {items} (
    item_id  BLOB    NOT NULL PRIMARY KEY,
    owner_id BLOB    NOT NULL,
    kind     INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    contents BLOB    NOT NULL -- sealed
) STRICT;
CREATE INDEX {:items_owner} ON {items} (owner_id);

-- Which tokens an item concerns. The token need not exist yet.
CREATE TABLE {links} (
    item_id  BLOB    NOT NULL,
    token_id BLOB    NOT NULL,
    own      INTEGER NOT NULL, -- 1: it concerns the token
    below    INTEGER NOT NULL, -- 1: it concerns the descendants
    sweep_at INTEGER,          -- when it was made; NULL: Sweep has seen the token since
    PRIMARY KEY (item_id, token_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX {:links_token} ON {links} (token_id);
CREATE INDEX {:links_sweep} ON {links} (sweep_at) WHERE sweep_at IS NOT NULL;
