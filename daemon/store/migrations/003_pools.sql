-- Pools made by hand; those of manifests are read from `declarations_`, so there is nothing to keep in step.
CREATE TABLE pools_ (
    path        VARCHAR     NOT NULL,
    type        VARCHAR     NOT NULL,
    description VARCHAR     NOT NULL,
    properties  JSON        NOT NULL,
    selectors   JSON        NOT NULL,   -- a list of texts
    unmanaged   BOOLEAN     NOT NULL
);

CREATE TABLE pool_members_ (
    path        VARCHAR     NOT NULL,
    key         VARCHAR     NOT NULL
);

-- What counts for each path: the manifest, where there is one; what was made by hand waits beneath it.
CREATE VIEW pool_definitions_ AS
SELECT path, type, description, properties, selectors, keys, unmanaged, manifest, place FROM (
    SELECT manifest->>'$.spec.path' AS path,
        coalesce(manifest->>'$.spec.type', '') AS type,
        coalesce(manifest->>'$.metadata.description', '') AS description,
        coalesce(manifest->'$.spec.properties', '{}'::JSON) AS properties,
        coalesce(manifest->'$.spec.members', '[]'::JSON) AS selectors,
        coalesce(manifest->'$.spec.keys', '[]'::JSON) AS keys,
        coalesce(try_cast(manifest->>'$.spec.unmanaged' AS BOOLEAN), false) AS unmanaged,
        name AS manifest,
        CASE WHEN file = '' THEN origin || ' ' || name WHEN line > 0 THEN file || ':' || line ELSE file END AS place
    FROM declarations_ WHERE kind = 'ResourcePool'
    UNION ALL
    SELECT path, type, description, properties, selectors, coalesce(m.keys, '[]'::JSON), unmanaged, NULL, ''
    FROM pools_ LEFT JOIN (SELECT path, to_json(list(key ORDER BY key)) AS keys FROM pool_members_ GROUP BY path) AS m
    USING (path)
)
QUALIFY row_number() OVER (PARTITION BY path ORDER BY manifest NULLS LAST) = 1;

-- Each path with itself and all it lies in: a pool above exists although nobody made it.
CREATE VIEW pool_tree_ AS
SELECT path, '/' || array_to_string(parts[:depth], '/') AS above
FROM (
    SELECT path, parts, unnest(range(1, len(parts) + 1)) AS depth
    FROM (SELECT path, string_split(path[2:], '/') AS parts FROM pool_definitions_)
);

-- (pool, key) with the members of the pools below; what is gone is no member any more.
CREATE VIEW pool_resources_ AS
SELECT DISTINCT t.above AS path, m.key
FROM memberships_ AS m JOIN pool_tree_ AS t USING (path) JOIN inventory_ AS i ON i.key = m.key
WHERE i.presence <> 'gone';

-- What is counted once: an engine and a node of one name are one machine.  Of the lowest rank alone the sums are taken: what
-- runs on a machine is not added to it, nor what lies on a disk.
CREATE VIEW pool_counting_ AS
SELECT key, CASE WHEN kind IN ('node', 'host') THEN 0 WHEN kind = 'disk' THEN 1 ELSE 2 END AS rank,
    CASE WHEN kind IN ('node', 'host') THEN lower(name) ELSE key END AS counted
FROM inventory_;

CREATE VIEW pool_capacity_ AS
SELECT path, arg_min(cpu_cores, rank) FILTER (cpu_cores IS NOT NULL) AS cpu_cores,
    arg_min(memory_bytes, rank) FILTER (memory_bytes IS NOT NULL) AS memory_bytes,
    arg_min(disk_bytes, rank) FILTER (disk_bytes IS NOT NULL) AS disk_bytes,
    arg_min(gpus, rank) FILTER (gpus IS NOT NULL) AS gpus
FROM (
    SELECT path, rank, sum(cpu_cores) AS cpu_cores, sum(memory_bytes)::BIGINT AS memory_bytes,
        sum(disk_bytes)::BIGINT AS disk_bytes, sum(gpus)::INTEGER AS gpus
    FROM (
        SELECT r.path, c.rank, c.counted, max(i.cpu_cores) AS cpu_cores, max(i.memory_bytes) AS memory_bytes,
            max(i.disk_bytes) AS disk_bytes, max(i.gpus) AS gpus
        FROM pool_resources_ AS r JOIN inventory_ AS i USING (key) JOIN pool_counting_ AS c USING (key)
        GROUP BY r.path, c.rank, c.counted
    ) GROUP BY path, rank
) GROUP BY path;

CREATE VIEW pools AS
SELECT t.path, nullif(regexp_replace(t.path, '/[^/]*$', ''), '') AS parent,
    coalesce(d.type, '') AS type, coalesce(d.description, '') AS description,
    d.manifest IS NOT NULL AS declared, coalesce(d.unmanaged, false) AS unmanaged,
    coalesce(m.members, 0) AS members, coalesce(m.running, 0) AS running, coalesce(m.drifting, 0) AS drifting,
    c.cpu_cores, c.memory_bytes, c.disk_bytes, c.gpus
FROM (SELECT DISTINCT above AS path FROM pool_tree_) AS t
LEFT JOIN pool_definitions_ AS d USING (path)
LEFT JOIN pool_capacity_ AS c USING (path)
LEFT JOIN (
    SELECT r.path, count(*) AS members, count(*) FILTER (i.status = 'running' AND i.presence = 'present') AS running,
        count(*) FILTER (v.key IS NOT NULL) AS drifting
    FROM pool_resources_ AS r JOIN resources AS i USING (key)
    LEFT JOIN (SELECT DISTINCT key FROM deviations WHERE resolved_at IS NULL) AS v USING (key)
    GROUP BY r.path
) AS m USING (path);

-- Properties with their origin: the nearest word wins, a resource's own labels being the nearest.
CREATE VIEW dimensions AS
WITH said AS (
    SELECT path, string_split(path, '/').len() AS depth, entry.key AS name, entry.value AS value
    FROM (SELECT path, unnest(map_entries(properties::MAP(VARCHAR, JSON))) AS entry FROM pool_definitions_)
)
SELECT t.path AS target, s.name, arg_max(s.value, s.depth) AS value, arg_max(s.path, s.depth) AS origin
FROM (SELECT DISTINCT above AS path FROM pool_tree_) AS t
JOIN said AS s ON t.path = s.path OR starts_with(t.path, s.path || '/')
GROUP BY ALL
UNION ALL
SELECT target, name, arg_max(value, (depth, origin)), arg_max(origin, (depth, origin)) FROM (
    SELECT m.key AS target, s.name, s.value, s.path AS origin, s.depth
    FROM memberships_ AS m JOIN pool_tree_ AS t USING (path) JOIN said AS s ON s.path = t.above
    UNION ALL
    SELECT key, entry.key, to_json(entry.value), key, 1000
    FROM (SELECT key, unnest(map_entries(labels)) AS entry FROM inventory_ WHERE presence <> 'gone')
)
GROUP BY ALL;
