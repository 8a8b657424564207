//! The server: what it may do, and what it keeps between calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use rmcp::model::CallToolResult;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::answers::answered;
use crate::connections::Connections;
use crate::consent::Consents;
use crate::facts::Facts;
use crate::plan::FRESH;
use crate::plan_folder::PlanFolder;
use crate::reports::Reports;
use crate::untrusted::text;

/// Time after which an unused session is closed.
const IDLE: Duration = Duration::from_secs(60);

/// Most calls at the same time; one that waits for a person is one of them.
const MOST_CALLS: usize = 64;

/// Returns the names of the configured credentials.
pub type Names = Arc<dyn Fn() -> Result<Vec<String>, Fault> + Send + Sync>;

/// Settings of a server.
#[derive(Clone)]
pub struct Settings {
    /// Runs the components. Its policy must allow changes where `allow_apply` is set.
    pub host: Host,
    /// Component that reads.
    pub observer: Arc<Plugin>,
    /// Component that plans, and makes the changes of a plan.
    pub manager: Arc<Plugin>,
    /// Names of credentials.
    pub names: Names,
    /// The only credential that clients may use; none for all of `names`.
    pub credential: Option<String>,
    /// Name of the credential that is used when a call names none, where it has one.
    pub default: Option<String>,
    /// Options of the operator, which clients cannot change.
    pub options: Map<String, Value>,
    /// Place of the plans.
    pub plans: PlanFolder,
    /// Lists the tool that applies a plan.
    pub allow_apply: bool,
    /// Time after which an unused session is closed.
    pub idle: Duration,
    /// Time in which a person can consent to a plan.
    pub patience: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Settings");
        shown.field("credential", &self.credential).field("allow_apply", &self.allow_apply).finish_non_exhaustive()
    }
}

impl Settings {
    /// Creates settings for the default credential, without operator's options and without permission to change
    /// anything.
    pub fn new(host: Host, observer: Arc<Plugin>, manager: Arc<Plugin>, names: Names, plans: PlanFolder) -> Self {
        let (credential, default, options) = (None, None, Map::new());
        Self {
            host,
            observer,
            manager,
            names,
            credential,
            default,
            options,
            plans,
            allow_apply: false,
            idle: IDLE,
            patience: FRESH,
        }
    }
}

/// A server for any number of clients, which share its sessions. Clones are the same server.
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Shared>);

/// The parts of a server.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) connections: Connections,
    pub(crate) reports: Reports,
    pub(crate) consents: Consents,
    calls: Semaphore,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.settings.fmt(f)
    }
}

impl Server {
    /// Creates a server. Nothing is opened before the first call.
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        let connections = Connections::new(settings.host.clone(), settings.idle);
        let (reports, consents) = (Reports::default(), Consents::new(settings.patience)?);
        let calls = Semaphore::new(MOST_CALLS);
        Ok(Self(Arc::new(Shared { settings, connections, reports, consents, calls })))
    }
}

impl Shared {
    /// Admits a call until the permit is dropped.
    pub(crate) fn admit(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.calls.try_acquire().map_err(|_| {
            let message = format!("{MOST_CALLS} calls are under way: call again later");
            Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) }
        })
    }

    /// Returns the credential of a call: the operator's only one, or one of those that are configured.
    pub(crate) fn credential(&self, asked: Option<&str>) -> Result<Option<String>, Fault> {
        let Some(asked) = asked else { return Ok(self.settings.credential.clone()) };
        if !self.allowed_names()?.iter().any(|name| name == asked) {
            return Err(Fault::invalid("credential: there is none of this name: list_credentials has the names"));
        }
        // The default one has one session, whether it is named or not.
        let is_default = self.settings.credential.is_none() && self.settings.default.as_deref() == Some(asked);
        Ok((!is_default).then(|| asked.to_owned()))
    }

    /// Answers `list_credentials`.
    pub(crate) fn list_credentials(&self) -> Result<CallToolResult, Fault> {
        let names = self.allowed_names()?;
        let default = self.settings.credential.as_ref().or(self.settings.default.as_ref()).map(|name| text(name));
        let shown: Vec<String> = names.iter().map(|name| text(name)).collect();
        let facts = Facts::from_iter([("names".to_owned(), json!(shown)), ("default".to_owned(), json!(default))]);
        Ok(answered("list_credentials", facts))
    }

    fn allowed_names(&self) -> Result<Vec<String>, Fault> {
        match &self.settings.credential {
            Some(only) => Ok(vec![only.clone()]),
            None => (self.settings.names)(),
        }
    }

    /// Joins the options of a client to those of the operator, which it cannot replace.
    pub(crate) fn options(&self, given: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
        let mut options = self.settings.options.clone();
        for (name, value) in given {
            if options.contains_key(&name) {
                return Err(Fault::invalid(format!("{name} is set by the operator of this server: leave it out")));
            }
            options.insert(name, value);
        }
        Ok(options)
    }
}
