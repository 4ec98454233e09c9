-- Names without a trailing underscore are the public contract of ad-hoc SQL (daemon/store/README.md); tables with one are
-- the daemon's own.  No primary keys: one writer keeps rows unique, and DuckDB's indexes cost more than they give here.

CREATE TABLE cursors_ (
    stream      VARCHAR     NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,   -- of the stream: another one is another stream under the same name
    sequence    BIGINT      NOT NULL    -- the last message whose effect is in this file
);

CREATE TABLE state_log (
    seq         BIGINT      NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    side        VARCHAR     NOT NULL,   -- expected | actual
    op          VARCHAR     NOT NULL,
    key         VARCHAR     NOT NULL,
    provider    VARCHAR     NOT NULL,
    source      VARCHAR     NOT NULL,
    kind        VARCHAR     NOT NULL,
    name        VARCHAR     NOT NULL,
    incarnation VARCHAR     NOT NULL,
    status      VARCHAR     NOT NULL,
    presence    VARCHAR     NOT NULL,
    spec        JSON,
    spec_hash   VARCHAR     NOT NULL,
    changed     VARCHAR[]   NOT NULL,
    cause       VARCHAR     NOT NULL
);

CREATE TABLE inventory_ (
    key         VARCHAR     NOT NULL,
    provider    VARCHAR     NOT NULL,
    source      VARCHAR     NOT NULL,
    kind        VARCHAR     NOT NULL,
    native_id   VARCHAR     NOT NULL,
    name        VARCHAR     NOT NULL,
    native_kind VARCHAR     NOT NULL,
    scope       VARCHAR     NOT NULL,
    status      VARCHAR     NOT NULL,
    native_status VARCHAR   NOT NULL,
    health      VARCHAR     NOT NULL,
    presence    VARCHAR     NOT NULL,   -- present | suspect | gone: what scans said; unknown is derived in the view
    reported    BOOLEAN     NOT NULL,   -- the provider itself said that it was removed
    parent      VARCHAR,
    relations   JSON        NOT NULL,
    labels      MAP(VARCHAR, VARCHAR) NOT NULL,
    addresses   VARCHAR[]   NOT NULL,
    cpu_cores   DOUBLE,
    memory_bytes BIGINT,
    disk_bytes  BIGINT,
    gpus        INTEGER,
    created_at  TIMESTAMPTZ,
    incarnation VARCHAR     NOT NULL,
    revision    VARCHAR     NOT NULL,
    spec        JSON        NOT NULL,
    native      JSON        NOT NULL,
    hash        VARCHAR     NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    observed_at TIMESTAMPTZ NOT NULL,
    changed_at  TIMESTAMPTZ NOT NULL,
    search      VARCHAR     NOT NULL    -- key, name and addresses in lower case
);

CREATE TABLE scopes_ (
    provider    VARCHAR     NOT NULL,
    source      VARCHAR     NOT NULL,
    scope       VARCHAR     NOT NULL,
    status      VARCHAR     NOT NULL,   -- new | ok | failed | denied | held | late
    resources   BIGINT      NOT NULL,
    last_scan   VARCHAR,
    observed_at TIMESTAMPTZ,            -- of the last complete scan that was not held
    last_attempt_at TIMESTAMPTZ,
    duration_seconds DOUBLE,
    interval_seconds DOUBLE,
    next_at     TIMESTAMPTZ,
    failures    BIGINT      NOT NULL,
    trouble     VARCHAR,
    detail      VARCHAR     NOT NULL,
    held_scans  BIGINT      NOT NULL,
    held_missing BIGINT     NOT NULL,
    released    BOOLEAN     NOT NULL
);

CREATE TABLE agents_ (
    provider    VARCHAR     NOT NULL,
    source      VARCHAR     NOT NULL,
    status      VARCHAR     NOT NULL,   -- as last written to the log: ok | degraded | failed | late | new
    paused      BOOLEAN     NOT NULL,
    agent       VARCHAR,
    agent_version VARCHAR,
    heartbeat_at TIMESTAMPTZ,
    capabilities VARCHAR[]  NOT NULL,
    late_messages BIGINT    NOT NULL,
    republish_at TIMESTAMPTZ            -- when it was last asked to say everything again
);

CREATE TABLE scans (
    scan        VARCHAR     NOT NULL,
    provider    VARCHAR     NOT NULL,
    source      VARCHAR     NOT NULL,
    scope       VARCHAR     NOT NULL,
    outcome     VARCHAR     NOT NULL,   -- complete | held | failed | incomplete
    observed_at TIMESTAMPTZ NOT NULL,
    duration_seconds DOUBLE NOT NULL,
    resources   BIGINT,
    missing     BIGINT,
    gone        BIGINT,
    trouble     VARCHAR,
    detail      VARCHAR     NOT NULL
);

CREATE TABLE scan_parts_ (
    scan        VARCHAR     NOT NULL,
    part        BIGINT      NOT NULL,
    staged_at TIMESTAMPTZ NOT NULL,
    manifest    JSON        NOT NULL
);

CREATE TABLE expectations (
    key         VARCHAR     NOT NULL,
    provider    VARCHAR     NOT NULL,
    source      VARCHAR     NOT NULL,
    kind        VARCHAR     NOT NULL,
    fields      JSON        NOT NULL,   -- path -> {value, owner}
    criticality VARCHAR     NOT NULL,
    remediation VARCHAR     NOT NULL,
    ignore      VARCHAR[]   NOT NULL,
    file        VARCHAR,
    since       TIMESTAMPTZ NOT NULL
);

CREATE TABLE deviations (
    id          VARCHAR     NOT NULL,
    key         VARCHAR     NOT NULL,
    type        VARCHAR     NOT NULL,
    path        VARCHAR     NOT NULL,
    expected    JSON,
    actual      JSON,
    severity    VARCHAR     NOT NULL,
    auto_correctable BOOLEAN NOT NULL,
    corrective_action VARCHAR,
    detected_at TIMESTAMPTZ NOT NULL,
    first_scan  VARCHAR,
    last_seen_at TIMESTAMPTZ NOT NULL,
    scans_seen  BIGINT      NOT NULL,
    resolved_at TIMESTAMPTZ,
    resolved_by VARCHAR,
    evidence    JSON        NOT NULL
);

CREATE TABLE outbox_ (
    id          VARCHAR     NOT NULL,   -- also the Nats-Msg-Id: announcing twice is announcing once
    subject     VARCHAR     NOT NULL,
    payload     VARCHAR     NOT NULL
);

CREATE TABLE samples (
    sampled_at TIMESTAMPTZ NOT NULL,
    key         VARCHAR     NOT NULL,
    metric      VARCHAR     NOT NULL,
    value       DOUBLE      NOT NULL
);
CREATE TABLE samples_5m (
    sampled_at TIMESTAMPTZ NOT NULL,   -- the beginning of the interval
    key         VARCHAR     NOT NULL,
    metric      VARCHAR     NOT NULL,
    value       DOUBLE      NOT NULL,   -- the mean
    low         DOUBLE      NOT NULL,
    high        DOUBLE      NOT NULL,
    count       BIGINT      NOT NULL
);
CREATE TABLE samples_1h (
    sampled_at TIMESTAMPTZ NOT NULL,
    key         VARCHAR     NOT NULL,
    metric      VARCHAR     NOT NULL,
    value       DOUBLE      NOT NULL,
    low         DOUBLE      NOT NULL,
    high        DOUBLE      NOT NULL,
    count       BIGINT      NOT NULL
);

CREATE TABLE quarantine (
    refused_at TIMESTAMPTZ NOT NULL,
    stream      VARCHAR     NOT NULL,
    sequence    BIGINT      NOT NULL,
    subject     VARCHAR     NOT NULL,
    reason      VARCHAR     NOT NULL,
    bytes       BIGINT      NOT NULL,   -- of the whole message
    payload     BLOB        NOT NULL    -- its first 64 KiB
);

CREATE TABLE audit (
    asked_at TIMESTAMPTZ NOT NULL,
    class       VARCHAR     NOT NULL,
    question    VARCHAR     NOT NULL,
    who         VARCHAR     NOT NULL,
    outcome     VARCHAR     NOT NULL,
    query       JSON
);

-- A source is as good as its scopes.
CREATE VIEW sources AS
SELECT provider, source,
    CASE WHEN coalesce(a.paused, false) THEN 'paused'
         WHEN s.scopes IS NULL OR s.fresh = s.scopes THEN 'new'
         WHEN s.bad = 0 AND s.held = 0 THEN 'ok'
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
        count(*) FILTER (status IN ('ok', 'held')) AS good,
        count(*) FILTER (status = 'held') AS held,
        count(*) FILTER (status = 'late') AS late,
        arg_max(scope || ': ' || detail, last_attempt_at) FILTER (status IN ('failed', 'denied', 'late', 'held')) AS detail,
        sum(resources)::BIGINT AS resources,
        CASE WHEN count(observed_at) = count(*) THEN min(observed_at) END AS observed_at,
        min(next_at) AS next_at
    FROM scopes_ GROUP BY ALL
) AS s FULL JOIN agents_ AS a USING (provider, source);

-- What is between a resource and its being known.  Unknown is derived here and never written into each row.
CREATE VIEW down_parents_ AS
SELECT key FROM inventory_
WHERE kind IN ('node', 'host', 'cluster') AND (status <> 'running' OR presence <> 'present');

CREATE VIEW resources AS
SELECT i.key, i.provider, i.source, i.kind, i.native_id, i.name, i.native_kind, i.scope,
    i.status, i.native_status, i.health,
    CASE WHEN i.presence = 'gone' THEN 'gone'
         WHEN s.status = 'denied' THEN 'ineligible'
         WHEN s.status IN ('failed', 'late') THEN 'unknown'
         WHEN d.key IS NOT NULL THEN 'unknown'
         ELSE i.presence END AS presence,
    i.parent, i.relations, i.labels, i.addresses, i.cpu_cores, i.memory_bytes, i.disk_bytes, i.gpus,
    i.created_at, i.incarnation, i.revision, i.spec, i.native, i.hash, i.first_seen_at,
    CASE WHEN i.presence = 'present' THEN greatest(i.observed_at, s.observed_at) ELSE i.observed_at END AS observed_at,
    i.changed_at,
    e.key IS NOT NULL AS managed,
    coalesce(v.open, 0) AS drift
FROM inventory_ AS i
LEFT JOIN scopes_ AS s USING (provider, source, scope)
LEFT JOIN down_parents_ AS d ON d.key = i.parent
LEFT JOIN expectations AS e ON e.key = i.key
LEFT JOIN (SELECT key, count(*) AS open FROM deviations WHERE resolved_at IS NULL GROUP BY key) AS v ON v.key = i.key;
