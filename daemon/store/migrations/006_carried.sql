-- What hides what it carries: a node or an engine that is not running or not there, and one step further what sits in a
-- guest or storage on it.  A cluster hides nothing: without quorum it still answers, and its nodes speak for themselves; a
-- guest that is merely stopped hides nothing, either.
CREATE OR REPLACE VIEW down_parents_ AS
WITH down AS (
    SELECT key FROM inventory_ WHERE kind IN ('node', 'host') AND (status <> 'running' OR presence <> 'present')
)
SELECT key FROM down
UNION
SELECT key FROM inventory_ WHERE kind IN ('vm', 'container', 'template', 'storage') AND parent IN (SELECT key FROM down);
