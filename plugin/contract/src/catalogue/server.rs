//! The server, its roles and its settings.

use super::entry::Entry;

/// The server, the database, the connected role.
pub const SERVER: Entry = Entry {
    id: "server",
    purpose: "version, capacity, and what the connected role may do",
    sql: "\
SELECT /* archon-pool */ pg_catalog.clock_timestamp() AS at,
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
WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user",
};

/// The roles that own sessions. From PostgreSQL 16 on, altering a role needs `ADMIN OPTION` on it. The owners come from
/// the backends' numbers: `pg_stat_activity` would build a row of texts for each.
pub const ROLES: Entry = Entry {
    id: "roles",
    purpose: "connection limits of the roles with sessions, and whether they may be altered",
    sql: "\
SELECT /* archon-pool */ r.rolname::text AS name,
       nullif(r.rolconnlimit, -1)::bigint AS connection_limit,
       r.rolsuper AS superuser,
       pg_catalog.pg_has_role(r.oid, 'USAGE') AS granted,
       me.rolsuper OR r.oid = me.oid OR (NOT r.rolsuper AND me.rolcreaterole AND (
         pg_catalog.current_setting('server_version_num')::integer < 160000
         OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                    WHERE m.roleid = r.oid AND m.admin_option AND pg_catalog.pg_has_role(m.member, 'USAGE')))) AS alterable
FROM pg_catalog.pg_roles r, pg_catalog.pg_roles me
WHERE me.rolname = current_user
  AND r.oid IN (SELECT pg_catalog.pg_stat_get_backend_userid(i.n)
                FROM pg_catalog.pg_stat_get_backend_idset() AS i(n))",
};

/// Settings that can explain a finding. A session of ours may have them from its role, its database or its start:
/// such values are not the server's, and are left out.
pub const SETTINGS: Entry = Entry {
    id: "settings",
    purpose: "the server's settings that can explain a finding",
    sql: "\
SELECT /* archon-pool */ s.name, coalesce(s.setting, '') AS value, s.unit
FROM pg_catalog.pg_settings s
WHERE s.name IN ('idle_in_transaction_session_timeout', 'tcp_user_timeout', 'track_activities',
                 'max_standby_streaming_delay', 'max_standby_archive_delay')
  AND s.source IN ('default', 'environment variable', 'configuration file', 'command line', 'global')",
};

/// Limits that roles and databases have of their own, as `name=value`. The other settings are texts of any encoding:
/// they are compared byte by byte with the names, after which comes `=`, and `>` is the letter after that.
pub const ROLE_SETTINGS: Entry = Entry {
    id: "role-settings",
    purpose: "time limits of roles and databases",
    sql: "\
SELECT /* archon-pool */ r.rolname::text AS role,
       d.datname::text AS database,
       o.setting
FROM pg_catalog.pg_db_role_setting s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS o(setting)
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE ((o.setting COLLATE pg_catalog.\"C\" >= 'idle_in_transaction_session_timeout='
        AND o.setting COLLATE pg_catalog.\"C\" < 'idle_in_transaction_session_timeout>')
       OR (o.setting COLLATE pg_catalog.\"C\" >= 'transaction_timeout='
           AND o.setting COLLATE pg_catalog.\"C\" < 'transaction_timeout>'))
  AND (s.setrole = 0 OR s.setrole IN (SELECT pg_catalog.pg_stat_get_backend_userid(i.n)
                                      FROM pg_catalog.pg_stat_get_backend_idset() AS i(n)))",
};

/// The moment to which the sessions' ages refer, and the end of a call.
pub const CLOCK: Entry = Entry {
    id: "clock",
    purpose: "the server's time",
    sql: "SELECT /* archon-pool */ pg_catalog.clock_timestamp() AS at",
};
