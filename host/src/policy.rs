//! What an operator allows, whatever a component claims.

use archon_pool_plugin::protected;

/// What an operator allows, whatever a component claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether anything may be changed at all. Without it every order is refused, dry runs excepted.
    pub apply: bool,
    /// Cap on ended sessions in one call: percent of the killable sessions and of all client
    /// sessions of the database, the smaller, rounded down. A request can only lower it, and one that
    /// names none gets the contract's 25.
    pub max_kill_percentage: u32,
    /// Role name patterns to protect beside the built-in ones; `*` stands for anything.
    pub protected_roles: Vec<String>,
    /// Application name patterns to protect beside the built-in ones; `*` stands for anything.
    pub protected_applications: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { apply: true, max_kill_percentage: 100, protected_roles: Vec::new(), protected_applications: Vec::new() }
    }
}

impl Policy {
    /// The protected roles as patterns of SQL's `LIKE`.
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
