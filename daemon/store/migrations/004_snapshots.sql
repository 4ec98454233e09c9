-- A named picture of the whole is a place in the log, so the log must hold all that a picture shows: with each `spec` now
-- the labels and the parent that were seen with it.

ALTER TABLE state_log ADD COLUMN labels MAP(VARCHAR, VARCHAR);
ALTER TABLE state_log ADD COLUMN parent VARCHAR;

CREATE TABLE snapshots (
    name        VARCHAR     NOT NULL,
    seq         BIGINT      NOT NULL,   -- of state_log: the picture is what was true after it
    taken_at    TIMESTAMPTZ NOT NULL,
    note        VARCHAR     NOT NULL,
    taken_by    VARCHAR     NOT NULL,
    resources   BIGINT      NOT NULL    -- how many were there: fewer in the log than this is a loss
);

-- What older releases logged: the newest content of a key had the labels that it has now.
UPDATE state_log SET labels = i.labels, parent = i.parent
FROM inventory_ AS i
WHERE state_log.key = i.key
  AND seq IN (SELECT max(seq) FROM state_log WHERE side = 'actual' AND spec IS NOT NULL GROUP BY key);

-- And what retention had taken of resources that are still there is said again.
INSERT INTO state_log (seq, "at", side, op, key, provider, source, kind, name, incarnation, status, presence, spec,
    spec_hash, changed, cause, labels, parent)
SELECT (SELECT coalesce(max(seq), 0) FROM state_log) + row_number() OVER (ORDER BY key), observed_at, 'actual', 'known', key,
    provider, source, kind, name, incarnation, status, presence, spec, '', [], 'migration 4', labels, parent
FROM inventory_ ANTI JOIN (SELECT key FROM state_log WHERE side = 'actual' AND spec IS NOT NULL) USING (key)
WHERE presence <> 'gone';
