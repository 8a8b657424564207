//! Settings of the operator's environment, as libpq finds them (variables, service files, `~/.pgpass` and
//! `~/.postgresql`), and the origin of a connection text, which decides whether they apply.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use archon_pool_contract::fault::Fault;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::parts::{Parts, Source};
use super::service_file;
use super::setting::Setting;

/// Variables of libpq, each with its parameter.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGOPTIONS", "options"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGSSLMODE", "sslmode"),
    ("PGREQUIRESSL", "requiressl"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCERTMODE", "sslcertmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
    ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
    ("PGMINPROTOCOLVERSION", "min_protocol_version"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
];

const SERVICE: &str = "PGSERVICE";
const SERVICE_FILE: &str = "PGSERVICEFILE";
const SYSTEM_FOLDER: &str = "PGSYSCONFDIR";

/// Variables that name a server: any of them is a credential by itself.
const PLACES: [&str; 4] = [SERVICE, "PGHOST", "PGHOSTADDR", "PGDATABASE"];

/// Folders of the system's service file: Debian's, Red Hat's, and that of PostgreSQL's own builds.
const SYSTEM_FOLDERS: [&str; 3] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"];

/// Origin of a connection text, which decides the settings that apply to it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// A request, or a store where others write: nothing of this machine applies.
    Request,
    /// The operator, with the environment where that is a source.
    Operator(Option<&'a Ambient>),
}

/// Environment of the operator.
#[derive(Clone, Default)]
pub(crate) struct Ambient {
    variables: HashMap<&'static str, SecretString>,
    home: Option<PathBuf>,
    user: Option<String>,
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Ambient {
    /// Reads libpq's variables; files are read when they are needed.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>, home: Option<PathBuf>, user: Option<String>) -> Self {
        let names = VARIABLES.iter().map(|(name, _)| *name).chain([SERVICE, SERVICE_FILE, SYSTEM_FOLDER]);
        let set = |name| {
            let value = Zeroizing::new(variable(name)?);
            (!value.is_empty()).then(|| (name, value.as_str().into()))
        };
        Self { variables: names.filter_map(set).collect(), home, user }
    }

    /// Returns true if the variables alone name a server.
    pub(crate) fn names_a_place(&self) -> bool {
        PLACES.iter().any(|name| self.variables.contains_key(name))
    }

    /// Returns the path of a file in the user's home.
    pub(super) fn in_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }

    /// Fills unset settings: from the service, then from variables, then from the files that libpq reads by itself.
    pub(super) fn fill(&self, parts: &mut Parts) -> Result<(), Fault> {
        if let Some(service) = parts.get(Setting::Service).or_else(|| self.get(SERVICE)).map(str::to_owned) {
            let named = parts.get(Setting::ServiceFile).or_else(|| self.get(SERVICE_FILE)).map(PathBuf::from);
            self.service_files(named).fill(&service, parts)?;
        }
        for (name, keyword) in VARIABLES {
            if let Some(value) = self.get(name) {
                parts.fallback(keyword, value, &Source::Variable(name))?;
            }
        }
        if let Some(user) = &self.user {
            parts.fill(Setting::User, user);
        }
        self.fill_certificates(parts);
        Ok(())
    }

    fn service_files(&self, named: Option<PathBuf>) -> service_file::Files {
        let of_user = if named.is_some() { None } else { self.in_home(".pg_service.conf") };
        let of_system = match self.get(SYSTEM_FOLDER) {
            Some(folder) => vec![PathBuf::from(folder)],
            // Without an environment only a named file counts.
            None if self.home.is_none() => Vec::new(),
            None => SYSTEM_FOLDERS.iter().map(PathBuf::from).collect(),
        };
        let of_system = of_system.into_iter().map(|folder| folder.join("pg_service.conf"));
        service_file::Files { named, others: of_user.into_iter().chain(of_system).collect() }
    }

    fn fill_certificates(&self, parts: &mut Parts) {
        let file = |name: &str| {
            let path = self.in_home(".postgresql")?.join(name);
            path.is_file().then(|| path.display().to_string())
        };
        if let Some(root) = file("root.crt") {
            parts.fill(Setting::SslRootCert, &root);
        }
        let certificate = parts.get(Setting::SslCert).map(str::to_owned).or_else(|| file("postgresql.crt"));
        let key = parts.get(Setting::SslKey).map(str::to_owned).or_else(|| file("postgresql.key"));
        if let (Some(certificate), Some(key)) = (certificate, key) {
            parts.fill(Setting::SslCert, &certificate);
            parts.fill(Setting::SslKey, &key);
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.expose_secret())
    }
}
