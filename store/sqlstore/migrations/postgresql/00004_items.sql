-- The owners that keep items, and which change of them came last. A step that puts or
-- deletes items also increments revision.
CREATE TABLE {owners} (
    owner_id  BYTEA  NOT NULL PRIMARY KEY,
    revision  BIGINT NOT NULL,
    change_id BYTEA  NOT NULL
);

-- What users keep besides tokens. A step that changes an item or its links also increments
-- version.
CREATE TABLE {items} (
    item_id  BYTEA    NOT NULL PRIMARY KEY,
    owner_id BYTEA    NOT NULL,
    kind     SMALLINT NOT NULL,
    version  BIGINT   NOT NULL,
    contents BYTEA    NOT NULL -- sealed
);
CREATE INDEX {:items_owner} ON {items} (owner_id);

-- Which tokens an item concerns. The token need not exist yet.
CREATE TABLE {links} (
    item_id  BYTEA    NOT NULL,
    token_id BYTEA    NOT NULL,
    own      SMALLINT NOT NULL, -- 1: it concerns the token
    below    SMALLINT NOT NULL, -- 1: it concerns the descendants
    sweep_at BIGINT,            -- when it was made; NULL: Sweep has seen the token since
    PRIMARY KEY (item_id, token_id)
);
CREATE INDEX {:links_token} ON {links} (token_id);
CREATE INDEX {:links_sweep} ON {links} (sweep_at) WHERE sweep_at IS NOT NULL;
