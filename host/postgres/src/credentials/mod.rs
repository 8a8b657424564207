//! Credentials by name, as data. Their secrets are never shown.
//!
//! Sources, in order: the request or `--url`, the credentials file (which may point into Supabase Vault), the
//! environment.
//!
#![doc = include_str!("../../../docs/credentials.md")]

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::Limits;
use secrecy::SecretString;

pub(crate) use self::access::{Access, FallbackTargets};
pub use self::controller::CONSOLE_DATABASE;
pub(crate) use self::controller::{Controller, Limited};
use self::environment::Environment;
use self::file::Entry;
use crate::connection_config::{Origin, invalid};
pub use crate::project::{AccessToken, ProjectReference};
use crate::project_api::{ProjectApi, ProviderApi};
use crate::session_cache::SessionCache;

mod access;
#[cfg(test)]
mod connections;
mod controller;
mod environment;
mod file;
mod local_stack;
mod supabase;

/// The entry of the credentials file that is used when no name is given.
const DEFAULT: &str = "default";

/// The name of the credential in the environment.
const ENVIRONMENT: &str = "environment";

/// Sources of credentials. Without any, only requests can contain one.
#[derive(Default, Clone)]
pub struct Credentials {
    url: Option<SecretString>,
    pooler: Option<SecretString>,
    controller: Option<String>,
    file: Option<PathBuf>,
    environment: Option<Environment>,
    api: Option<String>,
    provider: Option<Arc<dyn ProviderApi>>,
    opens_projects: bool,
    /// Cache of a session between calls.
    pub(crate) cache: Option<SessionCache>,
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
    /// Creates credentials without a source.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a credentials file. It must exist when it is used, and be readable by its owner alone.
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = Some(path.as_ref().to_owned());
        self
    }

    /// Adds the variables `DATABASE_URL`, `SUPABASE_DB_URL`, `SUPABASE_URL` with `SUPABASE_KEY` or
    /// `SUPABASE_ACCESS_TOKEN`, the console in `PGBOUNCER_URL`, and `SUPABASE_API_URL`, the address of the Management
    /// API, with their current values.
    ///
    /// libpq's variables (`PGHOST`, `PGSERVICE`, `PGPASSWORD`, …), `~/.pgpass`, `pg_service.conf` and `~/.postgresql`
    /// complete a URL of the operator (in a variable, in the credentials file, or of [`Credentials::url`]), and count
    /// by themselves when none of the others is set. They never apply to a request's or a vault's URL, so the
    /// operator's password is sent to no other server.
    pub fn environment(mut self) -> Self {
        self.environment = Some(Environment::of_process());
        self
    }

    /// Adds a connection URL that takes precedence over file and environment.
    pub fn url(mut self, url: SecretString) -> Self {
        self.url = Some(url);
        self
    }

    /// Sets the address of Supabase's Management API, when it is not Supabase's own: `https://HOST`, or
    /// `http://127.0.0.1:PORT`. Access tokens are sent there.
    pub fn supabase_api(mut self, url: &str) -> Self {
        self.api = Some(url.to_owned());
        self
    }

    /// Opens a credential that is named like a project, and is not in the file, by the access token of the environment.
    pub fn projects(mut self) -> Self {
        self.opens_projects = true;
        self
    }

    /// Returns the access token of the environment.
    pub fn access_token(&self) -> Option<&SecretString> {
        self.environment.as_ref().and_then(Environment::token)
    }

    /// Sets the API that access tokens open, such as `ManagementApi` of `archon-pool-supabase`.
    pub fn provider(mut self, provider: impl ProviderApi + 'static) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Returns the names that a request may give as `credential`: those of the file, and `environment` where its
    /// variables name a server. Nothing is opened.
    pub fn names(&self) -> Result<Vec<String>, Fault> {
        let mut names = self.file.as_deref().map(file::names).transpose()?.unwrap_or_default();
        if self.environment.as_ref().is_some_and(|environment| environment.access().is_some()) {
            names.push(ENVIRONMENT.to_owned());
        }
        Ok(names)
    }

    /// Returns the origin of the operator's texts, which decides the settings that complete them.
    fn origin(&self) -> Origin<'_> {
        self.environment.as_ref().map_or(Origin::Operator(None), Environment::origin)
    }

    /// Returns the address of the Management API, when it is not Supabase's own.
    pub fn api(&self) -> Option<&str> {
        self.api.as_deref().or_else(|| self.environment.as_ref().and_then(Environment::api))
    }

    /// Adds the admin console of the PgBouncer that the default credential's applications go through, from whatever
    /// source that credential is: `postgres://ADMIN:PASSWORD@HOST:6432/pgbouncer`. It takes precedence over `pooler` in
    /// the file and `PGBOUNCER_URL`, and does not apply to a request's own URL.
    pub fn pooler(mut self, url: SecretString) -> Self {
        self.pooler = Some(url);
        self
    }

    /// Uses a connection limit of the server as the pool's size, for the default credential: `role:NAME` or `database`.
    pub fn controller(mut self, whose: &str) -> Self {
        self.controller = Some(whose.to_owned());
        self
    }
}

/// The credential that one call may use: the one that the request contains or names, or the default.
#[derive(Clone)]
pub(crate) struct CallCredentials {
    sources: Arc<Credentials>,
    request: Option<Access>,
    name: Option<String>,
}

/// Credential that a scope found.
pub(crate) struct Found {
    /// Name by which it was found.
    pub(crate) name: String,
    pub(crate) place: Place,
    /// Controller of the pool size that takes precedence over the credential's own.
    pub(crate) controller: Option<Controller>,
}

/// Location of a credential's data.
pub(crate) enum Place {
    /// In the sources themselves.
    Here(Box<Access>),
    /// In a secret in Supabase Vault, which another credential opens.
    Vault { via: String, opener: Box<Access>, secret: String },
}

impl CallCredentials {
    /// Creates the scope of a request: its URL and key, or a name.
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

    /// Finds the credential of this call. Another name is not granted: the scope of a call is one database.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<Found, Fault> {
        let asked = match (name, self.name.as_deref()) {
            (Some(asked), Some(granted)) if asked == granted => Some(asked),
            (Some(asked), _) => {
                let message =
                    format!("Supabase credentials not found: credential {} is not granted to this call", shown(asked));
                return Err(Fault::new(kind::CREDENTIALS_NOT_FOUND, message));
            }
            (None, granted) => granted,
        };
        let found = match asked {
            Some(name) => self.named(name)?,
            None => self.default()?,
        };
        found.ok_or_else(|| self.not_found(asked))
    }

    /// Opens the API of an access token. Fails with `credential-invalid` when no provider is configured.
    pub(crate) fn project(&self, token: &AccessToken, limits: &Limits) -> Result<Arc<dyn ProjectApi>, Fault> {
        match &self.sources.provider {
            Some(provider) => provider.project(token, self.sources.api(), limits),
            None => {
                Err(invalid("the credential has an access token, and this program cannot use one: give a password"))
            }
        }
    }

    fn default(&self) -> Result<Option<Found>, Fault> {
        if let Some(access) = &self.request {
            return Ok(Some(Found::here("request", access.clone())));
        }
        let found = if let Some(url) = &self.sources.url {
            let token = self.sources.environment.as_ref().and_then(Environment::token);
            let access = supabase::access(url, None, None, self.sources.origin())?.beside(token)?;
            Some(Found::here("url", access))
        } else {
            match self.in_file(DEFAULT)? {
                Some(found) => Some(found),
                None => self.in_environment()?,
            }
        };
        let controller = Controller::of(
            self.sources.pooler.as_ref(),
            self.sources.controller.as_deref(),
            None,
            self.sources.origin(),
        )?;
        Ok(found.map(|found| Found { controller, ..found }))
    }

    fn named(&self, name: &str) -> Result<Option<Found>, Fault> {
        if name == ENVIRONMENT {
            return self.in_environment();
        }
        match self.in_file(name)? {
            Some(found) => Ok(Some(found)),
            None => self.of_project(name),
        }
    }

    fn of_project(&self, name: &str) -> Result<Option<Found>, Fault> {
        let token = self.sources.access_token().filter(|_| self.sources.opens_projects);
        let (Some(reference), Some(token)) = (ProjectReference::parse(name), token) else { return Ok(None) };
        let url = SecretString::from(format!("https://{reference}.supabase.co"));
        let access = supabase::access(&url, None, Some(token), Origin::Request)?;
        Ok(Some(Found::here(name, access)))
    }

    fn in_environment(&self) -> Result<Option<Found>, Fault> {
        let Some(environment) = &self.sources.environment else { return Ok(None) };
        let Some(mut access) = environment.access().transpose()? else { return Ok(None) };
        access.controller = environment.controller()?;
        Ok(Some(Found::here(ENVIRONMENT, access)))
    }

    fn in_file(&self, name: &str) -> Result<Option<Found>, Fault> {
        let Some(path) = &self.sources.file else { return Ok(None) };
        let (via, secret) = match file::entry(path, name, self.sources.origin())? {
            None => return Ok(None),
            Some(Entry::Access(access)) => return Ok(Some(Found::here(name, *access))),
            Some(Entry::Vault { via, secret }) => (via, secret),
        };
        match file::entry(path, &via, self.sources.origin())? {
            Some(Entry::Access(opener)) => {
                let place = Place::Vault { via, opener, secret };
                Ok(Some(Found { name: name.to_owned(), place, controller: None }))
            }
            Some(Entry::Vault { .. }) => {
                Err(invalid(format!("credential '{name}': '{via}' is in a vault itself and cannot open one")))
            }
            None => {
                let message = format!(
                    "Supabase credentials not found: {} has no entry '{via}', which opens the vault for '{name}'",
                    path.display()
                );
                Err(Fault::new(kind::CREDENTIALS_NOT_FOUND, message))
            }
        }
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
        if name.is_none() || name == Some(ENVIRONMENT) {
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

impl Found {
    fn here(name: &str, access: Access) -> Self {
        Self { name: name.to_owned(), place: Place::Here(Box::new(access)), controller: None }
    }
}

/// Quotes a name; a text of another form may be a misplaced secret and is not repeated.
fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(plain);
    if is_name { format!("'{name}'") } else { "that is no plain name".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(credentials: Credentials, name: Option<&str>) -> CallCredentials {
        CallCredentials::new(Arc::new(credentials), None, None, name.map(Into::into)).unwrap()
    }

    fn access(found: Found) -> Access {
        match found.place {
            Place::Here(access) => *access,
            Place::Vault { .. } => panic!("it is in a vault"),
        }
    }

    #[test]
    fn names_every_source_that_was_tried() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let mut credentials = Credentials::new().file(file.path());
        credentials.environment = Some(Environment::default());
        let fault = granted(credentials, None).find(None).err().unwrap();
        assert_eq!(fault.kind, kind::CREDENTIALS_NOT_FOUND);
        assert!(fault.message.starts_with("Supabase credentials not found"), "{fault}");
        for place in ["supabaseUrl", &path, "DATABASE_URL", "SUPABASE_DB_URL", "SUPABASE_KEY"] {
            assert!(fault.message.contains(place), "{place}: {fault}");
        }
    }

    #[test]
    fn fails_when_the_named_file_is_missing() {
        let mut credentials = Credentials::new().file("/no/such/credentials.toml");
        credentials.environment = Some(Environment::read(|_| Some("postgres://u@elsewhere/d".into()), None, None));
        for name in [None, Some("main")] {
            let fault = granted(credentials.clone(), name).find(None).err().unwrap();
            assert_eq!(fault.kind, kind::CREDENTIAL_INVALID);
            assert!(fault.message.contains("/no/such/credentials.toml"), "{fault}");
        }
    }

    #[test]
    fn repeats_no_text_that_is_not_a_plain_name() {
        let fault = granted(Credentials::new(), Some("hunter2 hunter2")).find(None).err().unwrap();
        assert!(!fault.message.contains("hunter2"), "{fault}");
        let fault = granted(Credentials::new(), None).find(Some("u:hunter2@h")).err().unwrap();
        assert!(!fault.message.contains("hunter2"), "{fault}");
    }

    #[test]
    fn a_project_is_opened_by_the_token_of_the_environment_only_on_request() {
        let token = |name: &str| (name == "SUPABASE_ACCESS_TOKEN").then(|| "sbp_hunter2".into());
        let mut credentials = Credentials::new();
        credentials.environment = Some(Environment::read(token, None, None));
        let project = "abcdefghijklmnopqrst";
        assert!(granted(credentials.clone(), Some(project)).find(None).is_err());
        let found = access(granted(credentials.clone().projects(), Some(project)).find(None).ok().unwrap());
        assert_eq!(found.token.unwrap().reference.as_str(), project);
        assert!(granted(credentials.projects(), Some("shop")).find(None).is_err());
    }

    #[test]
    fn prefers_the_credential_of_the_request() {
        let sources = Arc::new(Credentials::new().url("postgres://u@configured/d".into()));
        let url = SecretString::from("postgres://u@requested/d");
        let granted = CallCredentials::new(Arc::clone(&sources), Some(&url), None, None).unwrap();
        assert_eq!(access(granted.find(None).ok().unwrap()).target.host, "requested");
        let granted = CallCredentials::new(sources, None, None, None).unwrap();
        assert_eq!(access(granted.find(None).ok().unwrap()).target.host, "configured");
    }

    #[test]
    fn refuses_a_component_a_credential_that_was_not_granted() {
        let fault = granted(Credentials::new(), None).find(Some("production")).err().unwrap();
        assert!(fault.message.contains("not granted"), "{fault}");
        assert!(granted(Credentials::new(), Some("test")).find(Some("production")).is_err());
    }

    #[test]
    fn gives_the_console_to_the_default_credential_and_not_to_the_request() {
        let console = || "postgres://admin:x@pooler:6432/pgbouncer".into();
        let sources = Arc::new(Credentials::new().url("postgres://u@h/d".into()).pooler(console()));
        let of = |granted: CallCredentials| granted.find(None).map(|found| found.controller);
        let granted = CallCredentials::new(Arc::clone(&sources), None, None, None).unwrap();
        assert!(matches!(of(granted).unwrap(), Some(Controller::PgBouncer(target)) if target.host == "pooler"));
        let url = SecretString::from("postgres://u@requested/d");
        let granted = CallCredentials::new(sources, Some(&url), None, None).unwrap();
        assert!(of(granted).unwrap().is_none());
        let both = Credentials::new().url("postgres://u@h/d".into()).pooler(console()).controller("database");
        assert!(of(CallCredentials::new(Arc::new(both), None, None, None).unwrap()).is_err());
    }

    #[test]
    fn lists_the_names_of_the_file_and_the_environment() {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"[main]\nurl = \"postgres://u:hunter2@h/d\"\n[archive]\nhost = \"h\"\n").unwrap();
        let mut credentials = Credentials::new().file(file.path());
        assert_eq!(credentials.names().unwrap(), ["archive", "main"]);
        credentials.environment = Some(Environment::read(|_| Some("postgres://u@h/d".into()), None, None));
        assert_eq!(credentials.names().unwrap(), ["archive", "main", "environment"]);
        assert!(Credentials::new().names().unwrap().is_empty());
    }

    #[test]
    fn shows_no_secret() {
        let credentials = Credentials::new().url("postgres://u:hunter2@h/d".into());
        let credentials = credentials.pooler("postgres://u:hunter2@h/pgbouncer".into());
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
