-- erase_at is when Sweep erases what the generations of a token open: when the token
-- expires, or when nobody needs the key of a revoked token any more. NULL: never, or
-- erased. sweep_at of tickets is their expiry, and negative once their contents are
-- erased: then Sweep deletes them at the instant -sweep_at. unswept of tombstones says
-- up to which key the descendants have neither keys nor tickets left.
ALTER TABLE {tokens} ADD COLUMN erase_at BIGINT;
CREATE INDEX {:tokens_erase} ON {tokens} (erase_at) WHERE erase_at IS NOT NULL;

-- The next Sweep erases what was revoked or has expired before.
UPDATE {tokens} SET erase_at = expires WHERE expires > 0 AND buried = 0;
UPDATE {tokens} SET erase_at = 1 WHERE buried = 0 AND id IN (SELECT token FROM {tombstones});
UPDATE {tombstones} SET unswept = 0 WHERE recursive_at > 0;
