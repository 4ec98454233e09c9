-- What a scan, complete but for it, could not see.  What it hides is kept apart from what scans said of it (`presence`), as
-- an outage is: it is over without a trace, and what was missing before goes on being so.

ALTER TABLE inventory_ ADD COLUMN hidden VARCHAR DEFAULT '';   -- unknown | ineligible: missing from the last scan, and a gap hides it
ALTER TABLE scopes_ ADD COLUMN gaps JSON DEFAULT '[]';         -- of the last complete scan, as they are shown
ALTER TABLE scopes_ ADD COLUMN hidden BIGINT DEFAULT 0;        -- how many known resources they hide
ALTER TABLE scopes_ ADD COLUMN hidden_kinds VARCHAR[];         -- of which something may be missing from its listing
UPDATE scopes_ SET hidden_kinds = [];

CREATE OR REPLACE VIEW sources AS
SELECT provider, source,
    CASE WHEN coalesce(a.paused, false) THEN 'paused'
         WHEN s.scopes IS NULL OR s.fresh = s.scopes THEN 'new'
         WHEN s.bad = 0 AND s.less = 0 THEN 'ok'
         WHEN s.good > 0 THEN 'degraded'
         WHEN s.late = s.scopes THEN 'late'
         ELSE 'failed' END AS status,
    coalesce(s.detail, '') AS detail,
    coalesce(s.resources, 0) AS resources,
    s.observed_at, s.next_at AS next_scan_at,
    coalesce(a.late_messages, 0) AS late_messages,
    a.agent, a.agent_version, a.heartbeat_at, coalesce(a.capabilities, []) AS capabilities
FROM (
    SELECT provider, source, count(*) AS scopes, count(*) FILTER (status = 'new') AS fresh,
        count(*) FILTER (status IN ('failed', 'denied', 'late')) AS bad,
        count(*) FILTER (status IN ('ok', 'held', 'partial')) AS good,
        count(*) FILTER (status IN ('held', 'partial')) AS less,
        count(*) FILTER (status = 'late') AS late,
        arg_max(scope || ': ' || detail, (status <> 'partial', last_attempt_at))
            FILTER (status IN ('failed', 'denied', 'late', 'held', 'partial')) AS detail,
        sum(resources)::BIGINT AS resources,
        CASE WHEN count(observed_at) = count(*) THEN min(observed_at) END AS observed_at,
        min(next_at) AS next_at
    FROM scopes_ GROUP BY ALL
) AS s FULL JOIN agents_ AS a USING (provider, source);

CREATE OR REPLACE VIEW resources AS
SELECT i.key, i.provider, i.source, i.kind, i.native_id, i.name, i.native_kind, i.scope,
    i.status, i.native_status, i.health,
    CASE WHEN i.presence = 'gone' THEN 'gone'
         WHEN s.status = 'denied' THEN 'ineligible'
         WHEN s.status IN ('failed', 'late') THEN 'unknown'
         WHEN i.hidden <> '' THEN i.hidden
         WHEN d.key IS NOT NULL THEN 'unknown'
         ELSE i.presence END AS presence,
    i.parent, i.relations, i.labels, i.addresses, i.cpu_cores, i.memory_bytes, i.disk_bytes, i.gpus,
    i.created_at, i.incarnation, i.revision, i.spec, i.native, i.hash, i.first_seen_at,
    CASE WHEN i.presence = 'present' AND i.hidden = '' THEN greatest(i.observed_at, s.observed_at)
         ELSE i.observed_at END AS observed_at,
    i.changed_at,
    e.key IS NOT NULL AS managed,
    coalesce(v.open, 0) AS drift
FROM inventory_ AS i
LEFT JOIN scopes_ AS s USING (provider, source, scope)
LEFT JOIN down_parents_ AS d ON d.key = i.parent
LEFT JOIN expectations AS e ON e.key = i.key
LEFT JOIN (SELECT key, count(*) AS open FROM deviations WHERE resolved_at IS NULL GROUP BY key) AS v ON v.key = i.key;

CREATE OR REPLACE VIEW known_ AS
SELECT i.key, i.name, i.status, i.health, i.parent, i.incarnation, i.revision, i.addresses, i.cpu_cores, i.memory_bytes,
    i.disk_bytes, i.gpus, i.labels, i.spec, i.native, s.last_scan,
    CASE WHEN i.presence <> 'gone' AND s.status = 'denied' THEN 'ineligible'
         WHEN i.presence <> 'gone' AND s.status IN ('failed', 'late') THEN 'unknown'
         WHEN i.presence <> 'gone' AND i.hidden <> '' THEN i.hidden
         ELSE i.presence END AS presence,
    CASE WHEN i.presence = 'present' AND i.hidden = '' THEN greatest(i.observed_at, s.observed_at)
         ELSE i.observed_at END AS observed_at
FROM inventory_ AS i LEFT JOIN scopes_ AS s USING (provider, source, scope);
