SELECT pg_catalog.now()
/* my-plugin 1.0 */ select A.PID, a."state" from pg_catalog.pg_stat_activity as a where a.pid = $1
SELECT state, pg_catalog.count(*) AS sessions FROM pg_catalog.pg_stat_activity GROUP BY state HAVING pg_catalog.count(*) > 0 ORDER BY sessions DESC NULLS LAST, 1 LIMIT 5 OFFSET 2
SELECT pg_stat_activity.pid FROM pg_catalog.pg_stat_activity WHERE pg_stat_activity.state IS DISTINCT FROM 'idle'
WITH s AS (SELECT a.pid, a.usename AS role FROM pg_catalog.pg_stat_activity a), t (p) AS MATERIALIZED (SELECT s.pid FROM s) SELECT t.p, x.role FROM t JOIN s x ON x.pid = t.p
SELECT extract(EPOCH FROM pg_catalog.now() - a.backend_start)::float8 AS age FROM pg_catalog.pg_stat_activity a
SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY ($1) OR a.usename = ALL (SELECT r.rolname FROM pg_catalog.pg_roles r)
SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.query ILIKE 'it''s %' AND NOT a.state LIKE 'idle%' AND a.pid NOT BETWEEN 1 AND 9 AND a.usename NOT IN ('a', 'b')
SELECT l.pid, b.pid FROM pg_catalog.pg_locks l LEFT OUTER JOIN pg_catalog.pg_locks b USING (relation, database) WHERE l.granted IS NOT TRUE AND b.granted
SELECT a.datname FROM pg_catalog.pg_stat_database a UNION ALL SELECT d.datname FROM pg_catalog.pg_database d EXCEPT SELECT 'x'
SELECT a.pid, s.ssl FROM pg_catalog.pg_stat_activity a CROSS JOIN LATERAL (SELECT i.ssl FROM pg_catalog.pg_stat_ssl i WHERE i.pid = a.pid) s
SELECT CAST(a.pid AS text) || ':' || CASE a.state WHEN 'active' THEN 'x' ELSE coalesce(a.wait_event, '-') END FROM pg_catalog.pg_stat_activity a
SELECT r.application_name, r.sent_lsn - r.replay_lsn AS lag FROM pg_catalog.pg_stat_replication r WHERE r.state <> 'streaming' AND r.pid != 0
SELECT (SELECT pg_catalog.max(p.prepared) FROM pg_catalog.pg_prepared_xacts p), -1, +1.5, true, NULL, $1::text, $2::bigint, '5 min'::interval
SELECT DISTINCT ON (a.usename) a.usename, a.pid FROM (pg_catalog.pg_stat_activity a INNER JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid) WHERE true
SELECT c.confl_lock FROM pg_catalog.pg_stat_database_conflicts c WHERE pg_catalog.to_jsonb(c) -> 'datname' IS NOT NULL
SELECT '2020-01-01'::timestamptz AT TIME ZONE 'UTC', 'on'::pg_catalog.bool, 1::pg_catalog.regclass::text, e.extname FROM pg_catalog.pg_extension e
