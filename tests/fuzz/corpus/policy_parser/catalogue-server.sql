/* archon-pool */ SELECT pg_catalog.clock_timestamp() AS at,
       pg_catalog.current_setting('server_version_num')::bigint AS version_num,
       pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS')
         || '/' || d.oid::text AS identity,
       d.datname::text AS database,
       r.rolname::text AS role,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('max_connections')::bigint AS max_connections,
       pg_catalog.current_setting('superuser_reserved_connections')::bigint AS superuser_reserved,
       coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::bigint AS reserved,
       nullif(d.datconnlimit, -1)::bigint AS database_limit,
       r.rolsuper AS superuser,
       pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') AS signals_backends,
       pg_catalog.pg_has_role(d.datdba, 'USAGE') AS owns_database,
       EXISTS (SELECT FROM pg_catalog.pg_roles s WHERE s.rolname = 'supabase_admin') AS supabase
FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user