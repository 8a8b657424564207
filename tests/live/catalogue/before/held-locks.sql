/* archon-pool */ SELECT l.pid::bigint AS pid,
       pg_catalog.count(*) FILTER (WHERE l.locktype = 'advisory') AS advisory,
       pg_catalog.count(*) FILTER (WHERE l.locktype = 'relation') AS relations
FROM pg_catalog.pg_locks l
WHERE l.granted AND l.pid <> pg_catalog.pg_backend_pid() AND l.locktype IN ('advisory', 'relation')
GROUP BY l.pid
