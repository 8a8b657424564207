//! What opens a connection: named, opaque, and never shown.
//!
//! A component gets a handle; the secret stays here. Where a credential comes from, in this order:
//! the request or `--url`, the credentials file (which may point into Supabase Vault), the
//! environment.
//!
#![doc = include_str!("../../docs/credentials.md")]

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use secrecy::SecretString;

use self::access::Access;
pub(crate) use self::controller::Controller;
use self::environment::Environment;
use self::file::Entry;
use crate::audit_sink::Event;
use crate::connection_config::{Origin, invalid};
use crate::door::Others;
use crate::limits::Limits;
use crate::session::Presence;
use crate::supabase::Project;
use crate::target::Target;

mod access;
#[cfg(test)]
mod connections;
mod controller;
mod environment;
mod file;
mod local_stack;
mod supabase;
mod vault;

/// The entry of the credentials file that counts when no name is given.
const DEFAULT: &str = "default";

/// Where credentials are looked for. Without any source only requests can bring one.
#[derive(Default, Clone)]
pub struct Credentials {
    url: Option<SecretString>,
    pooler: Option<SecretString>,
    controller: Option<String>,
    file: Option<PathBuf>,
    environment: Option<Environment>,
    api: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("url", &self.url.is_some())
            .field("pooler", &self.pooler.is_some())
            .field("controller", &self.controller.is_some())
            .field("file", &self.file)
            .field("environment", &self.environment)
            .field("api", &self.api)
            .finish()
    }
}

impl Credentials {
    /// No source at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a credentials file. It must exist when it is needed, and be readable by its owner alone.
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = Some(path.as_ref().to_owned());
        self
    }

    /// Adds `DATABASE_URL`, `SUPABASE_DB_URL`, `SUPABASE_URL` with `SUPABASE_KEY` or `SUPABASE_ACCESS_TOKEN`,
    /// the console in `PGBOUNCER_URL`, and `SUPABASE_API_URL`, where Supabase's Management API is, as they are now.
    ///
    /// libpq's variables (`PGHOST`, `PGSERVICE`, `PGPASSWORD`, …), `~/.pgpass`, `pg_service.conf` and `~/.postgresql`
    /// count, too: for what a URL of the operator leaves open (in a variable, in the credentials file, or given by
    /// [`Credentials::url`]), and by themselves when none of the others is set. They never count for what a request
    /// or a vault brings: the operator's password is sent to no server that somebody else named.
    pub fn environment(mut self) -> Self {
        self.environment = Some(Environment::of_process());
        self
    }

    /// Adds a connection URL that goes before file and environment.
    pub fn url(mut self, url: SecretString) -> Self {
        self.url = Some(url);
        self
    }

    /// Where the Management API of Supabase is, when it is not Supabase's own: `https://HOST`, or
    /// `http://127.0.0.1:PORT`. Access tokens are sent there.
    pub fn supabase_api(mut self, url: &str) -> Self {
        self.api = Some(url.to_owned());
        self
    }

    /// Whose texts its own are, and what they may draw upon.
    fn origin(&self) -> Origin<'_> {
        self.environment.as_ref().map_or(Origin::Operator(None), Environment::origin)
    }

    fn api(&self) -> Option<&str> {
        self.api.as_deref().or_else(|| self.environment.as_ref().and_then(Environment::api))
    }

    /// Adds the admin console of the PgBouncer that the default credential's applications go through,
    /// wherever that credential comes from: `postgres://ADMIN:PASSWORD@HOST:6432/pgbouncer`. It goes before
    /// `pooler` in the file and `PGBOUNCER_URL`, and is not that of a request's own URL.
    pub fn pooler(mut self, url: SecretString) -> Self {
        self.pooler = Some(url);
        self
    }

    /// Takes a connection limit of the server's own for the pool's size, for the default credential:
    /// `role:NAME` or `database`.
    pub fn controller(mut self, whose: &str) -> Self {
        self.controller = Some(whose.to_owned());
        self
    }
}

/// The credentials that one call may use: the one that the request brought or named, or the default.
#[derive(Clone)]
pub(crate) struct Lent {
    sources: Arc<Credentials>,
    request: Option<Access>,
    name: Option<String>,
}

/// A credential that was found.
pub struct Credential {
    pub(crate) name: String,
    /// Without a password where there is an access token alone.
    pub(crate) target: Target,
    pub(crate) others: Others,
    /// What an access token opens beside it.
    pub(crate) project: Option<Project>,
    /// What controls the size of its pool.
    pub(crate) controller: Option<Controller>,
}

impl Credential {
    /// Where its fresh sessions go: in a call that had to, the way around.
    pub(crate) fn reached(&self) -> Result<&Target, Fault> {
        match &self.project {
            Some(project) => project.reached(&self.target),
            None => Ok(&self.target),
        }
    }

    /// Puts into an event which credential it is, and where it leads: never what opens it.
    pub(crate) fn on_record(&self, event: Event) -> Event {
        let event = event.with("credential", self.name.as_str());
        event.with_login(&self.target.user, self.target.to_string(), &self.target.database)
    }
}

impl Lent {
    /// What a request brings: a URL, its key, or a name.
    pub(crate) fn new(
        sources: Arc<Credentials>,
        url: Option<&SecretString>,
        key: Option<&SecretString>,
        name: Option<String>,
    ) -> Result<Self, Fault> {
        let request = match (url, key) {
            (Some(_), _) if name.is_some() => {
                return Err(Fault::invalid("supabaseUrl and credential both name a database: give one of them"));
            }
            (Some(url), key) => Some(supabase::access(url, key, None, Origin::Request)?),
            (None, Some(_)) => return Err(invalid("supabaseKey opens nothing by itself: give supabaseUrl with it")),
            (None, None) => None,
        };
        Ok(Self { sources, request, name })
    }

    /// Finds the credential of this call. A component that asks for another name gets none: the
    /// operator lent it one database, not all of them.
    pub(crate) async fn lookup(
        &self,
        name: Option<&str>,
        limits: &Limits,
        presence: &Presence,
    ) -> Result<Credential, Fault> {
        let asked = match (name, self.name.as_deref()) {
            (Some(asked), Some(lent)) if asked == lent => Some(asked),
            (Some(asked), _) => {
                let message =
                    format!("Supabase credentials not found: credential {} is not lent to this call", shown(asked));
                return Err(Fault::new(kind::CREDENTIALS_NOT_FOUND, message));
            }
            (None, lent) => lent,
        };
        let found = match asked {
            Some(name) => self.named(name, limits, presence).await?,
            None => self.default(limits, presence).await?,
        };
        found.ok_or_else(|| self.not_found(asked))
    }

    async fn default(&self, limits: &Limits, presence: &Presence) -> Result<Option<Credential>, Fault> {
        if let Some(access) = &self.request {
            return self.credential("request", access.clone(), limits).map(Some);
        }
        let found = if let Some(url) = &self.sources.url {
            let token = self.sources.environment.as_ref().and_then(Environment::token);
            let access = supabase::access(url, None, None, self.sources.origin())?.beside(token)?;
            Some(self.credential("url", access, limits)?)
        } else {
            match self.in_file(DEFAULT, limits, presence).await? {
                Some(found) => Some(found),
                None => self.in_environment(limits)?,
            }
        };
        let given = Controller::of(
            self.sources.pooler.as_ref(),
            self.sources.controller.as_deref(),
            None,
            self.sources.origin(),
        )?;
        Ok(found.map(|found| Credential { controller: given.or(found.controller), ..found }))
    }

    async fn named(&self, name: &str, limits: &Limits, presence: &Presence) -> Result<Option<Credential>, Fault> {
        if name == "environment" {
            return self.in_environment(limits);
        }
        self.in_file(name, limits, presence).await
    }

    fn in_environment(&self, limits: &Limits) -> Result<Option<Credential>, Fault> {
        let Some(environment) = &self.sources.environment else { return Ok(None) };
        let Some(mut access) = environment.access().transpose()? else { return Ok(None) };
        access.controller = environment.controller()?;
        self.credential("environment", access, limits).map(Some)
    }

    async fn in_file(&self, name: &str, limits: &Limits, presence: &Presence) -> Result<Option<Credential>, Fault> {
        let Some(path) = &self.sources.file else { return Ok(None) };
        let (via, secret) = match file::entry(path, name, self.sources.origin())? {
            None => return Ok(None),
            Some(Entry::Access(access)) => return self.credential(name, *access, limits).map(Some),
            Some(Entry::Vault { via, secret }) => (via, secret),
        };
        let opener = match file::entry(path, &via, self.sources.origin())? {
            Some(Entry::Access(access)) => self.credential(&via, *access, limits)?,
            Some(Entry::Vault { .. }) => {
                return Err(invalid(format!("credential '{name}': '{via}' is in a vault itself and cannot open one")));
            }
            None => {
                let message = format!(
                    "Supabase credentials not found: {} has no entry '{via}', which opens the vault for '{name}'",
                    path.display()
                );
                return Err(Fault::new(kind::CREDENTIALS_NOT_FOUND, message));
            }
        };
        let target = vault::fetch(&opener, &secret, limits, presence).await?;
        self.credential(name, target.into(), limits).map(Some)
    }

    fn credential(&self, name: &str, access: Access, limits: &Limits) -> Result<Credential, Fault> {
        access.named(name, self.sources.api(), limits)
    }

    fn not_found(&self, name: Option<&str>) -> Fault {
        let mut tried = Vec::new();
        if name.is_none() {
            tried.push("request (supabaseUrl, supabaseKey)".to_owned());
        }
        match &self.sources.file {
            Some(path) => {
                let entry = shown(name.unwrap_or(DEFAULT));
                tried.push(format!("credentials file {} (no entry {entry})", path.display()));
            }
            None => tried.push("credentials file (none configured)".to_owned()),
        }
        if name.is_none() || name == Some("environment") {
            tried.push(match self.sources.environment {
                Some(_) => format!("{} (none set)", environment::PLACES),
                None => "environment (not consulted)".to_owned(),
            });
        }
        let which = name.map(|name| format!(" under the name {}", shown(name))).unwrap_or_default();
        let message = format!("Supabase credentials not found{which}; tried: {}", tried.join(", "));
        Fault::new(kind::CREDENTIALS_NOT_FOUND, message)
    }
}

/// A name in quotes, as long as it looks like one: what else it is may be a slipped secret.
fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(plain);
    if is_name { format!("'{name}'") } else { "that is no plain name".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(credentials: Credentials, name: Option<&str>) -> Lent {
        Lent::new(Arc::new(credentials), None, None, name.map(Into::into)).unwrap()
    }

    async fn lookup(lent: &Lent, name: Option<&str>) -> Result<Credential, Fault> {
        let (presence, _all_gone) = tokio::sync::mpsc::channel(1);
        lent.lookup(name, &Limits::default(), &presence).await
    }

    #[tokio::test]
    async fn every_place_that_was_tried_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let mut credentials = Credentials::new().file(file.path());
        credentials.environment = Some(Environment::default());
        let fault = lookup(&lent(credentials, None), None).await.err().unwrap();
        assert_eq!(fault.kind, kind::CREDENTIALS_NOT_FOUND);
        assert!(fault.message.starts_with("Supabase credentials not found"), "{fault}");
        for place in ["supabaseUrl", &path, "DATABASE_URL", "SUPABASE_DB_URL", "SUPABASE_KEY"] {
            assert!(fault.message.contains(place), "{place}: {fault}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_missing_is_no_reason_to_look_elsewhere() {
        let mut credentials = Credentials::new().file("/no/such/credentials.toml");
        credentials.environment = Some(Environment::read(|_| Some("postgres://u@elsewhere/d".into()), None, None));
        for name in [None, Some("main")] {
            let fault = lookup(&lent(credentials.clone(), name), None).await.err().unwrap();
            assert_eq!(fault.kind, kind::CREDENTIAL_INVALID);
            assert!(fault.message.contains("/no/such/credentials.toml"), "{fault}");
        }
    }

    #[tokio::test]
    async fn what_is_no_plain_name_is_not_repeated() {
        let fault = lookup(&lent(Credentials::new(), Some("hunter2 hunter2")), None).await.err().unwrap();
        assert!(!fault.message.contains("hunter2"), "{fault}");
        let fault = lookup(&lent(Credentials::new(), None), Some("u:hunter2@h")).await.err().unwrap();
        assert!(!fault.message.contains("hunter2"), "{fault}");
    }

    #[tokio::test]
    async fn the_request_goes_first() {
        let sources = Arc::new(Credentials::new().url("postgres://u@configured/d".into()));
        let url = SecretString::from("postgres://u@requested/d");
        let lent = Lent::new(Arc::clone(&sources), Some(&url), None, None).unwrap();
        assert_eq!(lookup(&lent, None).await.ok().unwrap().target.host, "requested");
        let lent = Lent::new(sources, None, None, None).unwrap();
        assert_eq!(lookup(&lent, None).await.ok().unwrap().target.host, "configured");
    }

    #[tokio::test]
    async fn a_component_cannot_reach_for_another_credential() {
        let fault = lookup(&lent(Credentials::new(), None), Some("production")).await.err().unwrap();
        assert!(fault.message.contains("not lent"), "{fault}");
        assert!(lookup(&lent(Credentials::new(), Some("test")), Some("production")).await.is_err());
    }

    #[tokio::test]
    async fn a_console_belongs_to_the_default_credential_and_not_to_the_request() {
        let console = || "postgres://admin:x@pooler:6432/pgbouncer".into();
        let sources = Arc::new(Credentials::new().url("postgres://u@h/d".into()).pooler(console()));
        let of = async |lent: Lent| lookup(&lent, None).await.map(|found| found.controller);
        let lent = Lent::new(Arc::clone(&sources), None, None, None).unwrap();
        assert!(matches!(of(lent).await.unwrap(), Some(Controller::PgBouncer(target)) if target.host == "pooler"));
        let url = SecretString::from("postgres://u@requested/d");
        let lent = Lent::new(sources, Some(&url), None, None).unwrap();
        assert!(of(lent).await.unwrap().is_none());
        let both = Credentials::new().url("postgres://u@h/d".into()).pooler(console()).controller("database");
        assert!(of(Lent::new(Arc::new(both), None, None, None).unwrap()).await.is_err());
    }

    #[test]
    fn nothing_is_shown() {
        let credentials = Credentials::new().url("postgres://u:hunter2@h/d".into());
        let credentials = credentials.pooler("postgres://u:hunter2@h/pgbouncer".into());
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
