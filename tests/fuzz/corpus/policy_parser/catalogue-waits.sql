/* archon-pool */ SELECT l.pid::bigint AS pid,
       l.mode || ' on ' || CASE
         WHEN l.relation IS NOT NULL AND d.datname = pg_catalog.current_database()
           THEN l.locktype || ' ' || l.relation::pg_catalog.regclass::text
         ELSE l.locktype
       END AS waits_for,
       (pg_catalog.to_jsonb(l) ->> 'waitstart')::timestamptz AS waiting_since,
       pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(l.pid), ',') AS blocked_by
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_database d ON d.oid = l.database
WHERE NOT l.granted