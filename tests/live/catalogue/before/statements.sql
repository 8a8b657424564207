/* archon-pool */ SELECT pg_catalog.convert_from(pg_catalog.decode(pg_catalog."substring"(x.document, '>([0-9a-f]+)<'), 'hex'), pg_catalog.getdatabaseencoding()) AS document
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.query_to_xml(pg_catalog.format($inner$
  WITH s AS (SELECT query, calls, mean_exec_time, total_exec_time FROM %I.pg_stat_statements
             WHERE NOT pg_catalog.starts_with(query, '/* archon-pool */')
               AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
  SELECT pg_catalog.encode(pg_catalog.convert_to(pg_catalog.json_build_object(
    'calls', (SELECT coalesce(pg_catalog.sum(calls), 0) FROM s),
    'execMs', (SELECT coalesce(pg_catalog.sum(total_exec_time), 0) FROM s),
    'slow', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
               'query', pg_catalog."left"(t.query, 1024), 'calls', t.calls,
               'meanMs', t.mean_exec_time, 'totalMs', t.total_exec_time)), '[]')
             FROM (SELECT * FROM s ORDER BY total_exec_time DESC LIMIT 5) t))::text, pg_catalog.getdatabaseencoding()), 'hex') AS document
$inner$, n.nspname), false, true, '')::text AS document) x
WHERE e.extname = 'pg_stat_statements'
