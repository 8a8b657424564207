//! Who must never be ended and who is no leak, by name. The host enforces the first two lists; the
//! plugin uses all of them, so that it does not propose what the host would refuse.
//!
//! Sources: Supabase's roles documentation and its services' sources for the names they set as
//! `application_name`; `*` stands for anything.

use std::sync::LazyLock;

use wildmatch::WildMatch;

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

/// Backends that a pooler owns: idle by design.
pub const POOLER_PATTERNS: &[&str] = &["Supavisor*", "pgbouncer*", "pgcat*", "odyssey*", "PgDog*"];

/// Tools with a person in front of them.
pub const HUMAN_TOOL_PATTERNS: &[&str] = &[
    "psql",
    "pgcli",
    "DBeaver*",
    "DataGrip*",
    "IntelliJ*",
    "pgAdmin*",
    "TablePlus*",
    "Postico*",
    "Navicat*",
    "HeidiSQL*",
    "Beekeeper Studio*",
    "Azure Data Studio*",
    "dbForge*",
    "SQL Workbench*",
];

/// Whether sessions of this role must never be ended.
pub fn is_protected_role(role: &str) -> bool {
    static COMPILED: LazyLock<Vec<Pattern>> = LazyLock::new(|| compile(ROLE_PATTERNS));
    matches_any(&COMPILED, role)
}

/// Whether sessions of this application must never be ended.
pub fn is_protected_application(application: &str) -> bool {
    static COMPILED: LazyLock<Vec<Pattern>> = LazyLock::new(|| compile(APPLICATION_PATTERNS));
    matches_any(&COMPILED, application)
}

/// Whether a pooler owns this session.
pub fn is_pooler(application: &str) -> bool {
    static COMPILED: LazyLock<Vec<Pattern>> = LazyLock::new(|| compile(POOLER_PATTERNS));
    matches_any(&COMPILED, application)
}

/// Whether a person sits in front of this session.
pub fn is_human_tool(application: &str) -> bool {
    static COMPILED: LazyLock<Vec<Pattern>> = LazyLock::new(|| compile(HUMAN_TOOL_PATTERNS));
    matches_any(&COMPILED, application)
}

/// A pattern ready for use, letter case aside.
pub struct Pattern {
    /// What a name must start with, if it starts with ASCII: most names are told apart by that.
    initial: Option<u8>,
    whole: WildMatch,
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        Self { initial: initial(pattern), whole: WildMatch::new_case_insensitive(pattern) }
    }

    fn may_match(&self, initial: Option<u8>) -> bool {
        self.initial.is_none() || initial.is_none() || self.initial == initial
    }
}

/// The letter or digit of ASCII that a text starts with.
fn initial(text: &str) -> Option<u8> {
    text.bytes().next().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}

/// Patterns ready for use.
pub fn compile<P: AsRef<str>>(patterns: &[P]) -> Vec<Pattern> {
    patterns.iter().map(|pattern| Pattern::new(pattern.as_ref())).collect()
}

/// Whether a name matches one of the patterns.
pub fn matches_any(patterns: &[Pattern], name: &str) -> bool {
    let initial = initial(name);
    patterns.iter().any(|pattern| pattern.may_match(initial) && pattern.whole.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_services_are_protected_and_applications_are_not() {
        assert!(is_protected_role("supabase_auth_admin"));
        assert!(is_protected_application("PostgREST 12.2.3 (519615d)"));
        assert!(is_protected_application("pg_dump"));
        assert!(!is_protected_role("postgres"));
        assert!(!is_protected_application("checkout-service"));
        assert!(!is_protected_application(""));
    }

    #[test]
    fn poolers_and_people_are_known_by_name() {
        assert!(is_pooler("Supavisor (auth_query)"));
        assert!(is_human_tool("DBeaver 24.1 - Main"));
        assert!(!is_human_tool("psqlrunner"));
    }

    #[test]
    fn patterns_that_begin_with_anything_match_anything() {
        assert!(matches_any(&compile(&["*api"]), "web-api"));
        assert!(matches_any(&compile(&["?api"]), "-api"));
        assert!(matches_any(&compile(&["WEB*"]), "web-api"));
        assert!(!matches_any(&compile(&["api*", "-*"]), "web-api"));
    }
}
