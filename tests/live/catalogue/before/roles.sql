/* archon-pool */ SELECT r.rolname::text AS name,
       nullif(r.rolconnlimit, -1)::bigint AS connection_limit,
       r.rolsuper AS superuser,
       pg_catalog.pg_has_role(r.oid, 'USAGE') AS granted,
       me.rolsuper OR r.oid = me.oid OR (NOT r.rolsuper AND me.rolcreaterole AND (
         pg_catalog.current_setting('server_version_num')::integer < 160000
         OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                    WHERE m.roleid = r.oid AND m.admin_option AND pg_catalog.pg_has_role(m.member, 'USAGE')))) AS alterable
FROM pg_catalog.pg_roles r, pg_catalog.pg_roles me
WHERE me.rolname = current_user
  AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid)
