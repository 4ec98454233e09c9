-- What people declare and say.  `expectations` stays what follows from it: the present expected side, one row per key.

CREATE TABLE declarations_ (
    name        VARCHAR     NOT NULL,   -- <Kind>/<metadata.name>
    kind        VARCHAR     NOT NULL,
    origin      VARCHAR     NOT NULL,   -- folder:<path> | file:<path> | api
    file        VARCHAR     NOT NULL,
    line        BIGINT      NOT NULL,
    manifest    JSON        NOT NULL,
    hash        VARCHAR     NOT NULL,
    applied_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE adopted_ (
    key         VARCHAR     NOT NULL,
    fields      JSON        NOT NULL,   -- path -> {value, owner}
    adopted_at  TIMESTAMPTZ NOT NULL
);
INSERT INTO adopted_ SELECT key, fields, since FROM expectations;

CREATE TABLE operator_states (
    target      VARCHAR     NOT NULL,   -- a key, a pool's path, or <provider>/<source>
    state       VARCHAR     NOT NULL,   -- maintenance | expected_offline | retired | never_auto
    until_at    TIMESTAMPTZ,
    reason      VARCHAR     NOT NULL,
    set_by      VARCHAR     NOT NULL,
    set_at      TIMESTAMPTZ NOT NULL
);

CREATE TABLE memberships_ (
    path        VARCHAR     NOT NULL,   -- of the pool itself; pools above have it through its path
    key         VARCHAR     NOT NULL
);

ALTER TABLE expectations ADD COLUMN presence VARCHAR DEFAULT 'present';
ALTER TABLE expectations ADD COLUMN owner VARCHAR DEFAULT '';
ALTER TABLE expectations ADD COLUMN cost_center VARCHAR DEFAULT '';
ALTER TABLE expectations ADD COLUMN max_backup_age_seconds DOUBLE;
ALTER TABLE expectations ADD COLUMN never_auto BOOLEAN DEFAULT false;
-- No DEFAULT that is computed (a list, a map): DuckDB 1.5 cannot replay such an ALTER from the WAL, nor open the file then.
ALTER TABLE expectations ADD COLUMN contradictions VARCHAR[];
UPDATE expectations SET contradictions = [];

ALTER TABLE deviations ADD COLUMN acknowledged_at TIMESTAMPTZ;
ALTER TABLE deviations ADD COLUMN acknowledged_by VARCHAR;
ALTER TABLE deviations ADD COLUMN muted_until TIMESTAMPTZ;
ALTER TABLE deviations ADD COLUMN note VARCHAR DEFAULT '';
ALTER TABLE deviations ADD COLUMN quiet VARCHAR DEFAULT '';       -- why it is not announced; empty: it is
ALTER TABLE deviations ADD COLUMN root_cause VARCHAR;             -- the id of the deviation that explains this one
ALTER TABLE deviations ADD COLUMN reopened BIGINT DEFAULT 0;
ALTER TABLE deviations ADD COLUMN announced_at TIMESTAMPTZ;
UPDATE deviations SET announced_at = detected_at;

-- For judging: `resources` without what judging itself finds.  That nothing is known of what a node carries that is down
-- is added in `actuals.fetch`, which sees by a parent's key whether it can be so: joining `down_parents_` is half the cost.
CREATE VIEW known_ AS
SELECT i.key, i.name, i.status, i.health, i.parent, i.incarnation, i.revision, i.addresses, i.cpu_cores, i.memory_bytes,
    i.disk_bytes, i.gpus, i.labels, i.spec, i.native, s.last_scan,
    CASE WHEN i.presence <> 'gone' AND s.status = 'denied' THEN 'ineligible'
         WHEN i.presence <> 'gone' AND s.status IN ('failed', 'late') THEN 'unknown'
         ELSE i.presence END AS presence,
    CASE WHEN i.presence = 'present' THEN greatest(i.observed_at, s.observed_at) ELSE i.observed_at END AS observed_at
FROM inventory_ AS i LEFT JOIN scopes_ AS s USING (provider, source, scope);
