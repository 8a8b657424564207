/* archon-pool */ SELECT DISTINCT a.pid::bigint AS pid
FROM pg_catalog.pg_stat_get_backend_idset() AS i(n)
JOIN pg_catalog.pg_stat_activity a ON a.pid = pg_catalog.pg_stat_get_backend_pid(i.n)
JOIN (SELECT DISTINCT pg_catalog."substring"(s.nspname::text, '^pg_temp_([0-9]+)$')::integer AS id, c.relowner
      FROM pg_catalog.pg_namespace s JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid
      WHERE s.nspname ~ '^pg_temp_[0-9]+$') t
  ON CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000
       THEN i.n = t.id
       ELSE i.n <= t.id AND a.usesysid = t.relowner AND a.datname = pg_catalog.current_database()
     END