//! The operator's policy: statements, changes and caps that bind every component.
//!
#![doc = include_str!("../../docs/policy.md")]

use std::collections::BTreeSet;
use std::sync::Arc;

use archon_pool_contract::{catalogue, protected};

use crate::audit_sink::NAME_BYTES;
use crate::digest::Digest;
use crate::statement_checker::StatementChecker;

/// Statements that a component may send.
///
/// A function such as `pg_terminate_backend` is allowed in a read-only transaction, so only this keeps a component from
/// ending sessions without the host's checks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sql {
    /// The contract's catalogue, by exact text.
    #[default]
    Catalogue,
    /// The texts whose SHA-256 an operator approved. One that could do more than read statistics is sent only with
    /// [`Policy::apply`], and is recorded as an order before it is sent.
    Pinned(Arc<BTreeSet<Digest>>),
    /// The catalogue, and any statement that the host's [`StatementChecker`] admits: for a component whose statements
    /// have not been reviewed.
    Strict,
    /// Any statement: for a component that is trusted with all privileges of its credential's role. One that could do
    /// more than read statistics needs [`Policy::apply`], as a pinned one does.
    Any,
}

/// The rules for a component's statements: the policy's mode, with the checker of the host.
#[derive(Debug, Clone, Default)]
pub struct StatementRules {
    sql: Sql,
    checker: Option<Arc<dyn StatementChecker>>,
}

impl StatementRules {
    /// Creates the rules of a mode.
    pub fn new(sql: Sql, checker: Option<Arc<dyn StatementChecker>>) -> Self {
        Self { sql, checker }
    }

    /// Checks that a component may send this text. The error is the reason against it.
    pub fn check(&self, text: &str) -> Result<(), String> {
        match &self.sql {
            Sql::Catalogue if is_ours(text) => Ok(()),
            Sql::Catalogue => Err("it is not in the catalogue: the policy's `sql` allows no other".into()),
            Sql::Pinned(digests) if digests.contains(&Digest::of(text.as_bytes())) => Ok(()),
            Sql::Pinned(_) => Err("its text is not approved: the policy pins statements by SHA-256".into()),
            Sql::Strict => match self.beyond_reading(text) {
                None => Ok(()),
                Some(refused) => Err(format!("{refused} (the policy's `sql` is strict)")),
            },
            Sql::Any => Ok(()),
        }
    }

    /// Returns the reason why an admitted text could do more than read statistics; none when it cannot.
    pub fn acts(&self, text: &str) -> Option<String> {
        match self.sql {
            // These modes admit only texts of the catalogue and texts that the checker admits.
            Sql::Catalogue | Sql::Strict => None,
            Sql::Pinned(_) | Sql::Any => self.beyond_reading(text),
        }
    }

    /// Checks that a component may send this many bytes of parameters with one statement. The error is the reason
    /// against it.
    pub fn check_params(&self, bytes: usize) -> Result<(), String> {
        let most = self.checker.as_ref().map_or(0, |checker| checker.parameter_bytes());
        if self.sql == Sql::Strict && bytes > most {
            return Err(format!("its parameters have more than {most} bytes (the policy's `sql` is strict)"));
        }
        Ok(())
    }

    /// Returns the reason why a text could do more than read statistics: it is not in the catalogue, and the checker
    /// does not admit it. None for all others.
    fn beyond_reading(&self, text: &str) -> Option<String> {
        if is_ours(text) {
            return None;
        }
        match &self.checker {
            Some(checker) => checker.admit(text).err(),
            None => Some("it is not in the catalogue, and this host has no checker of statements".to_owned()),
        }
    }
}

/// Returns true if a statement is in the catalogue, none of whose statements changes its session.
pub fn is_ours(text: &str) -> bool {
    catalogue::ALL.iter().any(|entry| entry.sql == text)
}

/// Changes, statements and caps that an operator allows, whatever a component requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// True if anything may be changed at all. Otherwise every order is refused, dry runs excepted, even if consent
    /// would be given ([`crate::host::Host::consent`]).
    pub apply: bool,
    /// Statements that a component may send.
    pub sql: Sql,
    /// Cap on ended sessions in one call: a percentage of the killable sessions or of all client sessions of the
    /// database, whichever number is smaller, rounded down. A request can only lower it, and defaults to the contract's
    /// 25.
    pub max_kill_percentage: u32,
    /// Cap on ended sessions in one call, over all databases.
    pub max_kills: u32,
    /// Cap on ended sessions of one database, by the name used to connect, in any 60 minutes: over all calls of a host
    /// and its clones and, with an audit log or [`crate::host::Host::share_hour`], of all processes that share it.
    /// Without either, the report states that.
    pub max_kills_per_hour: u32,
    /// True if pools may be resized, and their server connections reconnected.
    pub resize: bool,
    /// Cap on resizes and reconnects at one console in any 60 minutes, counted as `max_kills_per_hour` is.
    pub max_resizes_per_hour: u32,
    /// Role name patterns to protect in addition to the built-in ones; `*` matches anything, and case does not matter.
    pub protected_roles: Vec<String>,
    /// Application name patterns to protect in addition to the built-in ones; `*` matches anything, and case does not
    /// matter.
    pub protected_applications: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            apply: true,
            sql: Sql::default(),
            max_kill_percentage: 100,
            max_kills: 1_000,
            max_kills_per_hour: 1_000,
            resize: true,
            max_resizes_per_hour: 240,
            protected_roles: Vec::new(),
            protected_applications: Vec::new(),
        }
    }
}

impl Policy {
    /// Returns the protected roles as patterns of SQL's `ILIKE`.
    pub fn role_patterns(&self) -> Vec<String> {
        like(protected::ROLE_PATTERNS, &self.protected_roles)
    }

    /// Returns the protected applications as patterns of SQL's `ILIKE`.
    pub fn application_patterns(&self) -> Vec<String> {
        like(protected::APPLICATION_PATTERNS, &self.protected_applications)
    }
}

/// Adapts a pattern to names as the guard reads them: cut to [`NAME_BYTES`], and with `*` for each letter that is not
/// ASCII. The server shows `?` or `\x…` in application names, and a role's letters depend on its database's encoding.
fn as_shown(glob: &str) -> String {
    let cut = &glob[..glob.floor_char_boundary(NAME_BYTES)];
    let mut shown: String = cut.chars().map(|letter| if letter.is_ascii() { letter } else { '*' }).collect();
    if cut.len() < glob.len() {
        shown.push('*');
    }
    shown
}

/// Checks a pattern of names of a policy: one that requires more bytes than a name has matches nothing.
pub fn check_pattern(glob: &str) -> Result<(), String> {
    let bytes = glob.bytes().filter(|byte| *byte != b'*').count();
    if bytes > NAME_BYTES {
        return Err(format!("a name has at most {NAME_BYTES} bytes, and this one has {bytes}: shorten it, or use '*'"));
    }
    Ok(())
}

fn like(built_in: &[&str], added: &[String]) -> Vec<String> {
    let added = added.iter().map(|glob| as_shown(glob));
    built_in.iter().map(|&glob| glob.to_owned()).chain(added).map(|glob| to_like(&glob)).collect()
}

/// Converts a glob to a pattern of SQL's `LIKE`.
fn to_like(glob: &str) -> String {
    let mut pattern = String::with_capacity(glob.len() + 4);
    for letter in glob.chars() {
        match letter {
            '*' => pattern.push('%'),
            '?' => pattern.push('_'),
            '%' | '_' | '\\' => pattern.extend(['\\', letter]),
            _ => pattern.push(letter),
        }
    }
    pattern
}

/// Returns the number of sessions that may be ended: the percentage of the smaller number, rounded down.
pub fn kill_cap(percentage: u32, killable: u64, clients: u64) -> u64 {
    killable.min(clients).saturating_mul(u64::from(percentage.min(100))) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Admits texts that start with `SELECT 1`.
    #[derive(Debug)]
    struct Simple;

    impl StatementChecker for Simple {
        fn admit(&self, text: &str) -> Result<(), String> {
            if text.starts_with("SELECT 1") { Ok(()) } else { Err("it does not start with SELECT 1".into()) }
        }

        fn parameter_bytes(&self) -> usize {
            8
        }
    }

    const KILL: &str = "SELECT pg_catalog.pg_terminate_backend(7)";

    fn rules(sql: Sql) -> StatementRules {
        StatementRules::new(sql, Some(Arc::new(Simple)))
    }

    fn unchecked(sql: Sql) -> StatementRules {
        StatementRules::new(sql, None)
    }

    #[test]
    fn only_catalogue_statements_are_sent_unless_any_sql_is_allowed() {
        assert!(rules(Sql::default()).check(KILL).is_err() && rules(Sql::Any).check(KILL).is_ok());
        assert!(catalogue::ALL.iter().all(|entry| rules(Sql::default()).check(entry.sql).is_ok()));
        assert!(rules(Sql::default()).check(&format!("{};{KILL}", catalogue::CLOCK.sql)).is_err());
    }

    #[test]
    fn a_pinned_statement_matches_its_exact_text_only() {
        let pinned = rules(Sql::Pinned(Arc::new([Digest::of(b"SELECT 1")].into())));
        assert!(pinned.check("SELECT 1").is_ok());
        assert!(pinned.check("SELECT 1 ").unwrap_err().contains("SHA-256"));
        assert!(pinned.check(catalogue::CLOCK.sql).is_err());
    }

    #[test]
    fn the_strict_mode_admits_the_catalogue_and_what_the_checker_admits() {
        assert!(catalogue::ALL.iter().all(|entry| rules(Sql::Strict).check(entry.sql).is_ok()));
        assert!(rules(Sql::Strict).check("SELECT 1").is_ok() && unchecked(Sql::Strict).check("SELECT 1").is_err());
        let why = rules(Sql::Strict).check(KILL).unwrap_err();
        assert!(why.contains("it does not start with") && why.contains("`sql`"), "{why}");
        assert!(rules(Sql::Strict).check_params(8).is_ok() && rules(Sql::Strict).check_params(9).is_err());
        assert!(rules(Sql::Any).check_params(9).is_ok());
    }

    #[test]
    fn a_statement_that_cannot_be_parsed_counts_as_a_change() {
        let pinned = Sql::Pinned(Arc::new([KILL, "SELECT 1"].map(|text| Digest::of(text.as_bytes())).into()));
        for sql in [pinned, Sql::Any] {
            assert!(rules(sql.clone()).acts(KILL).is_some());
            assert!(
                rules(sql.clone()).acts("SELECT 1").is_none()
                    && rules(sql.clone()).acts(catalogue::PAUSE.sql).is_none()
            );
            assert!(unchecked(sql).acts("SELECT 1").is_some());
        }
    }

    #[test]
    fn globs_are_translated_to_like_patterns() {
        assert_eq!(to_like("supabase_*"), r"supabase\_%");
        assert_eq!(to_like("a?b%"), r"a_b\%");
    }

    #[test]
    fn application_patterns_match_the_name_as_the_server_stores_it() {
        assert_eq!(as_shown("Facturación*"), "Facturaci*n*");
        assert_eq!(as_shown(&"a".repeat(70)), format!("{}*", "a".repeat(63)));
        assert_eq!(as_shown("web"), "web");
        // The 63rd byte is the first of a letter of two.
        let halved = format!("{}é", "a".repeat(62));
        assert_eq!(as_shown(&halved), format!("{}*", "a".repeat(62)));
    }

    #[test]
    fn a_pattern_longer_than_any_name_is_refused() {
        check_pattern(&"a".repeat(63)).unwrap();
        check_pattern(&format!("*{}*", "é".repeat(31))).unwrap();
        assert!(check_pattern(&"a".repeat(64)).unwrap_err().contains("63 bytes"));
        assert!(check_pattern(&"é".repeat(32)).is_err());
    }

    #[test]
    fn the_cap_is_rounded_down_and_at_most_all_sessions() {
        assert_eq!(kill_cap(25, 3, 100), 0);
        assert_eq!(kill_cap(25, 100, 8), 2);
        assert_eq!(kill_cap(900, 5, 9), 5);
        assert_eq!(kill_cap(0, 5, 9), 0);
    }
}
