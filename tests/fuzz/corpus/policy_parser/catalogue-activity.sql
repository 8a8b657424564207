/* archon-pool */ SELECT a.pid::bigint AS pid,
       a.backend_start,
       a.backend_type::text AS backend_type,
       a.datname::text AS database,
       a.usename::text AS role,
       coalesce(a.application_name, '') AS application,
       pg_catalog.host(a.client_addr) AS client_address,
       a.state,
       a.state_change,
       a.query_start,
       a.wait_event_type,
       a.wait_event,
       pg_catalog.age(a.backend_xmin)::bigint AS xmin_age,
       a.backend_xid IS NOT NULL AS has_xid,
       pg_catalog."left"(coalesce(a.query, ''), 1024) AS query,
       coalesce(a.query = '<insufficient privilege>', false) AND a.backend_start IS NULL AND a.datid IS NOT NULL AS hidden,
       a.pid = pg_catalog.pg_backend_pid()
         OR (a.application_name <> '' AND a.application_name = pg_catalog.current_setting('application_name')) AS own
FROM pg_catalog.pg_stat_activity a