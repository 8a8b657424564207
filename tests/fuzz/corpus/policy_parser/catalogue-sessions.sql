/* archon-pool */ SELECT a.pid::bigint AS pid, a.backend_start
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.datname = pg_catalog.current_database()
  AND a.pid <> pg_catalog.pg_backend_pid()
  AND (a.application_name = '' OR a.application_name <> pg_catalog.current_setting('application_name'))