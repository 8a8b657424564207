//! Sessions that are protected, or cannot be leaks, by the names of their role and application; `*` stands for
//! anything.
//!
//! Sources: Supabase's roles documentation and its services' sources for the names they set as `application_name`.

use std::borrow::Cow;
use std::sync::LazyLock;

use archon_pool_contract::protected::{APPLICATION_PATTERNS, ROLE_PATTERNS};
use wildmatch::WildMatch;

use crate::application::{family, without_address};

/// Backends that a pooler owns: idle by design.
pub const POOLER_PATTERNS: &[&str] = &["Supavisor*", "pgbouncer*", "pgcat*", "odyssey*", "PgDog*"];

/// Interactive tools.
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

/// Returns true if sessions of this role must never be ended.
pub fn is_protected_role(role: &str) -> bool {
    static COMPILED: LazyLock<Patterns> = LazyLock::new(|| compile(ROLE_PATTERNS));
    matches_any(&COMPILED, role)
}

/// Returns true if sessions of this application must never be ended.
pub fn is_protected_application(application: &str) -> bool {
    static COMPILED: LazyLock<Patterns> = LazyLock::new(|| compile(APPLICATION_PATTERNS));
    matches_application(&COMPILED, application)
}

/// Returns true for a pooler's session.
pub fn is_pooler(application: &str) -> bool {
    static COMPILED: LazyLock<Patterns> = LazyLock::new(|| compile(POOLER_PATTERNS));
    matches_application(&COMPILED, application)
}

/// Returns true for an interactive tool.
pub fn is_human_tool(application: &str) -> bool {
    static COMPILED: LazyLock<Patterns> = LazyLock::new(|| compile(HUMAN_TOOL_PATTERNS));
    matches_application(&COMPILED, application)
}

/// Compiled patterns, letter case aside. The first letter rules out most of them.
pub struct Patterns {
    patterns: Vec<(u64, WildMatch)>,
    initials: u64,
}

/// Every initial.
const ANY: u64 = u64::MAX;

/// The letter or digit of ASCII that a text starts with, as a bit; any for another text.
fn initial(text: &str) -> u64 {
    let first = text.bytes().next().map(|byte| byte.to_ascii_lowercase());
    match first {
        Some(digit @ b'0'..=b'9') => 1 << (digit - b'0'),
        Some(letter @ b'a'..=b'z') => 1 << (letter - b'a' + 10),
        _ => ANY,
    }
}

/// Compiles patterns.
pub fn compile<P: AsRef<str>>(patterns: &[P]) -> Patterns {
    let ready = |pattern: &P| (initial(pattern.as_ref()), WildMatch::new_case_insensitive(pattern.as_ref()));
    let patterns: Vec<_> = patterns.iter().map(ready).collect();
    Patterns { initials: patterns.iter().fold(0, |initials, (initial, _)| initials | initial), patterns }
}

/// Returns true if a name matches one of the patterns.
pub fn matches_any(patterns: &Patterns, name: &str) -> bool {
    let initial = initial(name);
    let may_match = |initials: u64| initials & initial != 0;
    may_match(patterns.initials)
        && patterns.patterns.iter().any(|(initial, pattern)| may_match(*initial) && pattern.matches(name))
}

/// Returns true if an application matches one of the patterns: by its name, by that without an address that a pooler
/// appended, or by its family.
pub fn matches_application(patterns: &Patterns, name: &str) -> bool {
    if matches_any(patterns, name) {
        return true;
    }
    // Without its variable parts a name starts with the same letter, unless that is one of a number's.
    let same_initial = !name.starts_with(|letter: char| letter.is_ascii_hexdigit());
    if patterns.patterns.is_empty() || (same_initial && patterns.initials & initial(name) == 0) {
        return false;
    }
    let bare = without_address(name);
    (bare.len() < name.len() && matches_any(patterns, bare))
        || match family(name) {
            Cow::Borrowed(_) => false,
            Cow::Owned(family) => matches_any(patterns, &family),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_names_match_with_variable_parts() {
        assert!(is_protected_application("pg_dump - 10.0.0.1:5000"));
        assert!(is_human_tool("psql - unix(1@vm):6432") && !is_human_tool("psql - not an address"));
        let patterns = compile(&["worker ?", "sidekiq *.* app [* of * busy]", "mail 3"]);
        let matches = |name| matches_application(&patterns, name);
        assert!(matches("worker 12") && matches("sidekiq 7.1 app [2 of 10 busy]") && matches("mail 3"));
        assert!(!matches("mail 4") && !matches("worker"));
    }

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
    fn poolers_and_interactive_clients_are_recognised_by_name() {
        assert!(is_pooler("Supavisor (auth_query)"));
        assert!(is_human_tool("DBeaver 24.1 - Main"));
        assert!(!is_human_tool("psqlrunner"));
    }

    #[test]
    fn patterns_with_a_leading_wildcard_match_any_prefix() {
        assert!(matches_any(&compile(&["*api"]), "web-api"));
        assert!(matches_any(&compile(&["?api"]), "-api"));
        assert!(matches_any(&compile(&["WEB*"]), "web-api"));
        assert!(!matches_any(&compile(&["api*", "-*"]), "web-api"));
    }
}
