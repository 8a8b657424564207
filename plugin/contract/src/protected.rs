//! Names of sessions that must never be ended. The host enforces them, and the plugin does not propose what the host
//! would refuse.
//!
//! Sources: Supabase's roles documentation and its services' sources for the names they set as `application_name`; `*`
//! stands for anything.

/// Roles of Supabase's platform, and of poolers.
pub const ROLE_PATTERNS: &[&str] = &[
    "supabase_*",
    "authenticator",
    "dashboard_user",
    "pgbouncer",
    "cli_login_*",
    "pgtle_admin",
    "pgsodium_*",
    "cloudsqladmin",
    "rdsadmin",
    "azuresu",
];

/// Applications of Supabase's platform, backups and maintenance.
pub const APPLICATION_PATTERNS: &[&str] = &[
    "PostgREST*",
    "realtime_*",
    "Supabase Storage API*",
    "postgres-meta*",
    "supabase_etl_*",
    "auth_migrations",
    "auth_indexworker",
    "pg_cron*",
    "pg_net*",
    "cluster_node_*",
    "pg_dump*",
    "pg_restore",
    "pg_basebackup",
    "pg_receivewal",
    "pg_repack",
    "wal-g*",
    "pgbackrest*",
    "barman*",
];
