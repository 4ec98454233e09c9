-- What several scopes of a source cannot be read for is said once with their names, what none can be read for without.
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
        arg_max(told, (status <> 'partial', last_attempt_at))
            FILTER (status IN ('failed', 'denied', 'late', 'held', 'partial')) AS detail,
        sum(resources)::BIGINT AS resources,
        CASE WHEN count(observed_at) FILTER (often) = count(*) FILTER (often)
             THEN min(observed_at) FILTER (often) END AS observed_at,
        min(next_at) AS next_at
    FROM (
        SELECT *, coalesce(interval_seconds <= 2 * min(interval_seconds) OVER whole, true) AS often,
            CASE WHEN count(*) OVER alike = count(*) OVER whole THEN detail
                 ELSE string_agg(scope, ', ' ORDER BY scope) OVER alike || ': ' || detail END AS told
        FROM scopes_
        WINDOW whole AS (PARTITION BY provider, source),
            alike AS (PARTITION BY provider, source, status = 'partial', detail)
    ) GROUP BY ALL
) AS s FULL JOIN agents_ AS a USING (provider, source);
