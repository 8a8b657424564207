//! What controls the size of a credential's pool.

use archon_pool_plugin::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use crate::pooler::{DATABASE, Limited};
use crate::target::{self, Roots, Target, invalid};

/// What controls the size of a credential's pool.
#[derive(Debug, Clone)]
pub(crate) enum Controller {
    /// The admin console of a PgBouncer.
    PgBouncer(Box<Target>),
    /// A connection limit of the credential's own server.
    Limit(Limited),
}

impl Controller {
    /// What a console's URL or the name of a limit stands for. The roots hold where the URL names none.
    pub(super) fn of(
        pooler: Option<&SecretString>,
        limit: Option<&str>,
        roots: Option<&Roots>,
    ) -> Result<Option<Self>, Fault> {
        match (pooler, limit) {
            (Some(_), Some(_)) => Err(invalid("pooler and controller both control the pool: give one of them")),
            (Some(url), None) => console(url, roots).map(|target| Some(Self::PgBouncer(Box::new(target)))),
            (None, Some(limit)) => limit.parse().map(|limit| Some(Self::Limit(limit))),
            (None, None) => Ok(None),
        }
    }
}

fn console(url: &SecretString, roots: Option<&Roots>) -> Result<Target, Fault> {
    let within = |fault: Fault| Fault { message: format!("pooler: {}", fault.message), ..fault };
    let mut parts = target::parts(url.expose_secret()).map_err(within)?;
    if parts.database.as_deref().is_some_and(|database| database != DATABASE) {
        let message = "pooler: the URL must end in /pgbouncer: that database is the admin console of PgBouncer";
        return Err(invalid(message));
    }
    parts.database = Some(DATABASE.to_owned());
    parts.roots = parts.roots.or_else(|| roots.cloned());
    parts.finish().map_err(within)
}
