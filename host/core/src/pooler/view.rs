//! Vocabulary of a PgBouncer console: the views to show, the setting to change, the settings to withhold.

use archon_pool_contract::columns::Unfit;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Cell;

use crate::call_budget::CallBudget;

/// Setting that can be changed while PgBouncer runs.
pub const SIZE: &str = "default_pool_size";

/// Prefix of settings whose values are credentials: `auth_ldap_options` may hold a password.
pub const WITHHELD: &str = "auth_ldap";

/// A view of the contract. Only its name is sent to a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// `SHOW POOLS`.
    Pools,
    /// `SHOW CLIENTS`.
    Clients,
    /// `SHOW SERVERS`.
    Servers,
    /// `SHOW DATABASES`.
    Databases,
    /// `SHOW STATS`.
    Stats,
    /// `SHOW USERS`.
    Users,
    /// `SHOW CONFIG`.
    Config,
    /// `SHOW LISTS`.
    Lists,
    /// `SHOW VERSION`.
    Version,
    /// `SHOW STATE`, which PgBouncer 1.18 does not have.
    State,
}

impl View {
    /// All views.
    pub const ALL: [Self; 10] = [
        Self::Pools,
        Self::Clients,
        Self::Servers,
        Self::Databases,
        Self::Stats,
        Self::Users,
        Self::Config,
        Self::Lists,
        Self::Version,
        Self::State,
    ];

    /// Finds a view by its name, which is in lower case.
    pub fn parse(name: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|view| view.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Fault::new(kind::UNSUPPORTED_VIEW, format!("there is no such view: a view is one of {names}"))
        })
    }

    /// Returns the view's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pools => "pools",
            Self::Clients => "clients",
            Self::Servers => "servers",
            Self::Databases => "databases",
            Self::Stats => "stats",
            Self::Users => "users",
            Self::Config => "config",
            Self::Lists => "lists",
            Self::Version => "version",
            Self::State => "state",
        }
    }

    /// Creates the fault for a kind of console that does not have the view.
    pub fn unsupported(self, by: &str) -> Fault {
        Fault::new(kind::UNSUPPORTED_VIEW, format!("{by} has no view '{}'", self.name()))
    }
}

/// Returns the view `config` of a controller that has settings and no console.
pub fn config(settings: &[(&str, Option<String>)], budget: &CallBudget) -> Result<RowSet, Unfit> {
    /// OID of `text`, in `pg_type.dat`.
    const TEXT: u32 = 25;
    let mut set = RowSet::with_columns(["key", "value"].map(|name| (name, TEXT)));
    for (key, value) in settings {
        let value = value.as_deref().map_or(Cell::Null, Cell::from);
        if !budget.append(&mut set, u32::MAX, [Cell::from(*key), value].into_iter())? {
            break;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_are_views() {
        assert!(View::ALL.into_iter().all(|view| View::parse(view.name()) == Ok(view)));
        for name in ["", "POOLS", "pools;", "pools; SHUTDOWN", "pools\nKILL shop", " pools", "fds", "help", "\"pools\""]
        {
            assert_eq!(View::parse(name).unwrap_err().kind, kind::UNSUPPORTED_VIEW, "{name}");
        }
    }
}
