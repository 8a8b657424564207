//! What an operator allows, whatever a component claims.

use archon_pool_plugin::{catalogue, protected};

/// Which statements a component may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sql {
    /// The contract's catalogue, letter by letter. A function such as `pg_terminate_backend` is allowed
    /// in a read-only transaction, so only this keeps a component from ending sessions behind the
    /// host's back.
    #[default]
    Catalogue,
    /// Any statement: for a component that is trusted with all that its credential's role may do.
    Any,
}

impl Sql {
    /// Whether a component may send this text.
    pub(crate) fn allows(self, sql: &str) -> bool {
        self == Self::Any || catalogue::ALL.iter().any(|entry| entry.sql == sql)
    }
}

/// What an operator allows, whatever a component claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether anything may be changed at all. Without it every order is refused, dry runs excepted.
    pub apply: bool,
    /// Which statements a component may send.
    pub sql: Sql,
    /// Cap on ended sessions in one call: percent of the killable sessions and of all client
    /// sessions of the database, the smaller, rounded down. A request can only lower it, and one that
    /// names none gets the contract's 25.
    pub max_kill_percentage: u32,
    /// Role name patterns to protect beside the built-in ones; `*` stands for anything, and case does
    /// not matter.
    pub protected_roles: Vec<String>,
    /// Application name patterns to protect beside the built-in ones; `*` stands for anything, and case
    /// does not matter.
    pub protected_applications: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            apply: true,
            sql: Sql::default(),
            max_kill_percentage: 100,
            protected_roles: Vec::new(),
            protected_applications: Vec::new(),
        }
    }
}

impl Policy {
    /// The protected roles as patterns of SQL's `ILIKE`.
    pub(crate) fn role_patterns(&self) -> Vec<String> {
        like(protected::ROLE_PATTERNS, &self.protected_roles)
    }

    /// The protected applications as patterns of SQL's `ILIKE`.
    pub(crate) fn application_patterns(&self) -> Vec<String> {
        like(protected::APPLICATION_PATTERNS, &self.protected_applications)
    }
}

fn like(built_in: &[&str], added: &[String]) -> Vec<String> {
    built_in.iter().copied().chain(added.iter().map(String::as_str)).map(to_like).collect()
}

/// A glob as a pattern of SQL's `LIKE`.
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

/// How many sessions may be ended: the percentage of the smaller number, rounded down.
pub(crate) fn kill_cap(percentage: u32, killable: u64, clients: u64) -> u64 {
    killable.min(clients).saturating_mul(u64::from(percentage.min(100))) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_catalogue_is_sent_unless_anything_may_be() {
        let kill = "SELECT pg_catalog.pg_terminate_backend(7)";
        assert!(!Sql::default().allows(kill) && Sql::Any.allows(kill));
        assert!(catalogue::ALL.iter().all(|entry| Sql::default().allows(entry.sql)));
        assert!(!Sql::default().allows(&format!("{};{kill}", catalogue::CLOCK.sql)));
    }

    #[test]
    fn globs_become_like_patterns() {
        assert_eq!(to_like("supabase_*"), r"supabase\_%");
        assert_eq!(to_like("a?b%"), r"a_b\%");
    }

    #[test]
    fn the_cap_is_rounded_down_and_never_above_everything() {
        assert_eq!(kill_cap(25, 3, 100), 0);
        assert_eq!(kill_cap(25, 100, 8), 2);
        assert_eq!(kill_cap(900, 5, 9), 5);
        assert_eq!(kill_cap(0, 5, 9), 0);
    }
}
