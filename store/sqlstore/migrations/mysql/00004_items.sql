-- The owners that keep items, and which change of them came last. A step that puts or
-- deletes items also increments revision.
CREATE TABLE IF NOT EXISTS {owners} (
    owner_id  BINARY(32) NOT NULL PRIMARY KEY,
    revision  BIGINT     NOT NULL,
    change_id BINARY(16) NOT NULL
) ENGINE = InnoDB;

-- What users keep besides tokens. A step that changes an item or its links also increments
-- version.
CREATE TABLE IF NOT EXISTS {items} (
    item_id  BINARY(16) NOT NULL PRIMARY KEY,
    owner_id BINARY(32) NOT NULL,
    kind     SMALLINT   NOT NULL,
    version  BIGINT     NOT NULL,
    contents LONGBLOB   NOT NULL, -- sealed
    KEY {:items_owner} (owner_id)
) ENGINE = InnoDB;

-- Which tokens an item concerns. The token need not exist yet.
CREATE TABLE IF NOT EXISTS {links} (
    item_id  BINARY(16) NOT NULL,
    token_id BINARY(64) NOT NULL,
    own      SMALLINT   NOT NULL, -- 1: it concerns the token
    below    SMALLINT   NOT NULL, -- 1: it concerns the descendants
    sweep_at BIGINT,              -- when it was made; NULL: Sweep has seen the token since
    PRIMARY KEY (item_id, token_id),
    KEY {:links_token} (token_id),
    KEY {:links_sweep} (sweep_at)
) ENGINE = InnoDB;
