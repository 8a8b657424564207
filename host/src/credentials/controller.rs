//! What controls the size of a credential's pool.

use archon_pool_contract::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use crate::connection_config::{self, Origin, Setting, invalid};
use crate::pooler::{DATABASE, Limited};
use crate::target::Target;

/// What controls the size of a credential's pool.
#[derive(Debug, Clone)]
pub(crate) enum Controller {
    /// The admin console of a PgBouncer.
    PgBouncer(Box<Target>),
    /// A connection limit of the credential's own server.
    Limit(Limited),
}

impl Controller {
    /// What a console's URL or the name of a limit stands for. The CA file holds where the URL names none.
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
    if parts.get(Setting::Database).is_some_and(|database| database != DATABASE) {
        let message = "pooler: the URL must end in /pgbouncer: that database is the admin console of PgBouncer";
        return Err(invalid(message));
    }
    parts.set(Setting::Database, DATABASE);
    if let Some(ca_file) = ca_file {
        parts.fill(Setting::SslRootCert, ca_file);
    }
    parts.finish(origin).map_err(within)
}
