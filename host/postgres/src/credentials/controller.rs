//! Controller of a credential's pool size: a PgBouncer console or a connection limit of the server.

use std::str::FromStr;

use archon_pool_contract::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use crate::connection_config::{self, Origin, Setting, invalid};
use crate::target::Target;

/// Database name of PgBouncer's admin console.
pub const CONSOLE_DATABASE: &str = "pgbouncer";

/// Controller of a credential's pool size.
#[derive(Debug, Clone)]
pub(crate) enum Controller {
    /// The admin console of a PgBouncer.
    PgBouncer(Box<Target>),
    /// A connection limit of the credential's own server.
    Limit(Limited),
}

/// Object with a connection limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Limited {
    /// A role.
    Role(String),
    /// The credential's database.
    Database,
}

impl FromStr for Limited {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match (text, text.strip_prefix("role:")) {
            ("database", _) => Ok(Self::Database),
            (_, Some(role)) if !role.is_empty() => Ok(Self::Role(role.to_owned())),
            // It may be a misplaced secret, so it is not repeated.
            _ => Err(invalid("controller must be \"database\" or \"role:NAME\"")),
        }
    }
}

impl Controller {
    /// Parses the URL of a console or the name of a limit. The CA file applies if the URL names none.
    pub(super) fn of(
        pooler: Option<&SecretString>,
        limit: Option<&str>,
        ca_file: Option<&str>,
        origin: Origin<'_>,
    ) -> Result<Option<Self>, Fault> {
        match (pooler, limit) {
            (Some(_), Some(_)) => Err(invalid("pooler and controller both control the pool: give one of them")),
            (Some(url), None) => console(url, ca_file, origin).map(|target| Some(Self::PgBouncer(Box::new(target)))),
            (None, Some(limit)) => limit.parse().map(|limit| Some(Self::Limit(limit))),
            (None, None) => Ok(None),
        }
    }
}

fn console(url: &SecretString, ca_file: Option<&str>, origin: Origin<'_>) -> Result<Target, Fault> {
    let within = |fault: Fault| Fault { message: format!("pooler: {}", fault.message), ..fault };
    let mut parts = connection_config::parts(url.expose_secret()).map_err(within)?;
    if parts.get(Setting::Database).is_some_and(|database| database != CONSOLE_DATABASE) {
        let message = "pooler: the URL must end in /pgbouncer: that database is the admin console of PgBouncer";
        return Err(invalid(message));
    }
    parts.set(Setting::Database, CONSOLE_DATABASE);
    if let Some(ca_file) = ca_file {
        parts.fill(Setting::SslRootCert, ca_file);
    }
    parts.finish(origin).map_err(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_role_or_the_database_as_a_controller() {
        assert_eq!("database".parse(), Ok(Limited::Database));
        assert_eq!("role:web:eu".parse(), Ok(Limited::Role("web:eu".into())));
        for wrong in ["", "role:", "web", "hunter2"] {
            let fault = wrong.parse::<Limited>().unwrap_err();
            assert!(!fault.message.contains("hunter2"), "{fault}");
        }
    }
}
