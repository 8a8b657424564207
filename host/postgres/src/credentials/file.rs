//! The credentials file: named entries in TOML, readable by its owner alone.
//!
//! ```toml
//! [default]
//! url = "postgres://operator:secret@db.example/shop?sslmode=verify-full"
//! ca-file = "/etc/ssl/example-ca.pem"
//! reserve = "postgres://postgres:secret@db.example/shop"
//! through = "postgres://operator:secret@pooler.example:6432/shop"
//! pooler = "postgres://admin:secret@pooler.example:6432/pgbouncer"
//!
//! [reports]
//! host = "db.example"
//! user = "reports"
//! password = "secret"
//! dbname = "shop"
//! controller = "role:web"
//!
//! [project]
//! project = "abcdefghijklmnopqrst"
//! password = "the database's"
//! access-token = "sbp_…"
//! resize = "supabase"
//!
//! [tenant]
//! vault = { via = "default", secret = "tenant-database-url" }
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use archon_pool_contract::fault::Fault;
use archon_pool_core::private_file::{self, Readers};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::access::{Access, FallbackTargets, direct};
use super::controller::Controller;
use crate::connection_config::{self, Origin, Parts, Setting, invalid};
use crate::project::ProjectReference;

/// Enough for thousands of entries.
const MOST_BYTES: usize = 1 << 20;

/// One entry of the file.
pub(super) enum Entry {
    /// A connection, with its fallbacks, controller and token.
    Access(Box<Access>),
    /// A connection URL stored in Supabase Vault, and the credential that opens the vault.
    Vault { via: String, secret: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    #[serde(default, deserialize_with = "secret")]
    url: Option<SecretString>,
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<SecretString>,
    dbname: Option<String>,
    sslmode: Option<String>,
    ca_file: Option<String>,
    /// Fallback when no slot is free: a role that may use reserved slots.
    #[serde(default, deserialize_with = "secret")]
    reserve: Option<SecretString>,
    /// Fallback when no slot is free: a pooler.
    #[serde(default, deserialize_with = "secret")]
    through: Option<SecretString>,
    project: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    access_token: Option<SecretString>,
    resize: Option<String>,
    /// The admin console of the PgBouncer before the server.
    #[serde(default, deserialize_with = "secret")]
    pooler: Option<SecretString>,
    /// Object whose connection limit is the pool's size.
    controller: Option<String>,
    vault: Option<Vault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vault {
    via: String,
    secret: String,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(|text| Zeroizing::new(text).as_str().into()))
}

const KEYS: &str = "url, host, port, user, password, dbname, sslmode, ca-file, reserve, through, pooler, \
     controller, project, access-token, resize, vault";

/// Reads one entry; none when the file has no such entry. A missing file is a fault: it was configured, and the
/// environment may name another server.
pub(super) fn entry(path: &Path, name: &str, origin: Origin<'_>) -> Result<Option<Entry>, Fault> {
    let Some(raw) = entries(path)?.remove(name) else { return Ok(None) };
    let in_entry = |fault: Fault| unreadable(path, &format_args!("entry '{name}': {}", fault.message));
    raw.entry(origin).map(Some).map_err(in_entry)
}

/// Returns the names of the entries, in their order.
pub(super) fn names(path: &Path) -> Result<Vec<String>, Fault> {
    Ok(entries(path)?.into_keys().collect())
}

fn entries(path: &Path) -> Result<BTreeMap<String, Raw>, Fault> {
    let bytes = private_file::read(path, Readers::Owner, MOST_BYTES).map_err(|why| unreadable(path, &why))?;
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable(path, &"it is not UTF-8"))?;
    toml::from_str(text).map_err(|error| {
        // The error itself quotes the line, which may hold a secret.
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        let why = format_args!("line {line} or its entry is not valid: an entry is [name] with some of {KEYS}");
        unreadable(path, &why)
    })
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Fault {
    invalid(format!("credentials file {}: {why}", path.display()))
}

impl Raw {
    fn entry(mut self, origin: Origin<'_>) -> Result<Entry, Fault> {
        if let Some(Vault { via, secret }) = self.vault.take() {
            if self.is_more() {
                return Err(invalid("vault stands alone: the vault's secret is the whole connection URL"));
            }
            return Ok(Entry::Vault { via, secret });
        }
        let reference = self.reference()?;
        let (token, resize) = (self.access_token.take(), self.resize.take());
        let (fallback_targets, controller) = (self.fallback_targets(origin)?, self.controller(origin)?);
        // The whole address of a project is known: the environment must not complete it.
        let origin = if reference.is_some() && self.url.is_none() { Origin::Operator(None) } else { origin };
        let parts = self.parts(reference.as_ref())?;
        if reference.is_some() && parts.get(Setting::Password).is_none() && token.is_none() {
            return Err(invalid(
                "a project is opened by its database's password or an access-token: give one, or both",
            ));
        }
        let mut access = Access::of_project(parts.finish(origin)?, reference, token.as_ref())?;
        (access.fallback_targets, access.controller) = (fallback_targets, controller);
        match (resize.as_deref(), &mut access.token) {
            (None, _) => {}
            (Some("supabase"), Some(token)) => token.may_resize = true,
            (Some("supabase"), None) => return Err(invalid("resize = \"supabase\" takes an access-token beside it")),
            (Some(_), _) => return Err(invalid("resize can be \"supabase\" and nothing else")),
        }
        Ok(Entry::Access(Box::new(access)))
    }

    fn is_apart(&self) -> bool {
        self.host.is_some() || self.port.is_some() || self.user.is_some() || self.dbname.is_some()
    }

    /// Returns true if the entry has any field other than `vault`.
    fn is_more(&self) -> bool {
        let of_project = self.project.is_some() || self.access_token.is_some() || self.resize.is_some();
        let of_connection = self.url.is_some() || self.password.is_some() || self.sslmode.is_some();
        let other_ways = self.reserve.is_some() || self.through.is_some();
        let of_pool = self.pooler.is_some() || self.controller.is_some();
        of_project || of_connection || other_ways || of_pool || self.is_apart() || self.ca_file.is_some()
    }

    fn fallback_targets(&self, origin: Origin<'_>) -> Result<FallbackTargets, Fault> {
        let other = |url: &SecretString| {
            let mut parts = connection_config::parts(url.expose_secret())?;
            if let Some(ca_file) = &self.ca_file {
                parts.fill(Setting::SslRootCert, ca_file);
            }
            parts.finish(origin)
        };
        let reserve = self.reserve.as_ref().map(other).transpose()?;
        let through = self.through.as_ref().map(other).transpose()?;
        Ok(FallbackTargets { reserve, through })
    }

    fn controller(&self, origin: Origin<'_>) -> Result<Option<Controller>, Fault> {
        Controller::of(self.pooler.as_ref(), self.controller.as_deref(), self.ca_file.as_deref(), origin)
    }

    /// Takes the project that the entry names, by `project` or by its API URL.
    fn reference(&mut self) -> Result<Option<ProjectReference>, Fault> {
        let by_url = self.url.as_ref().and_then(|url| ProjectReference::of_url(url.expose_secret().trim()));
        if by_url.is_some() {
            self.url = None;
        }
        match self.project.take() {
            None => Ok(by_url),
            Some(_) if by_url.is_some() => Err(invalid("url and project both name a project: give one of them")),
            Some(name) => ProjectReference::parse(&name)
                .map(Some)
                .ok_or_else(|| invalid("project must be a reference of twenty small letters, as in its URL")),
        }
    }

    fn parts(self, reference: Option<&ProjectReference>) -> Result<Parts, Fault> {
        let mut parts = match (&self.url, reference) {
            (Some(_), _) if self.is_apart() => {
                return Err(invalid("give either url or host, port, user and dbname"));
            }
            (Some(url), _) => connection_config::parts(url.expose_secret())?,
            (None, reference) => reference.map(direct).unwrap_or_default(),
        };
        let port = self.port.map(|port| port.to_string());
        let password = self.password.as_ref().map(|password| password.expose_secret());
        let own = [
            (Setting::Host, self.host.as_deref()),
            (Setting::Port, port.as_deref()),
            (Setting::User, self.user.as_deref()),
            (Setting::Database, self.dbname.as_deref()),
            (Setting::Password, password),
            (Setting::SslMode, self.sslmode.as_deref()),
            (Setting::SslRootCert, self.ca_file.as_deref()),
        ];
        own.into_iter().filter_map(|(setting, text)| Some((setting, text?))).for_each(|(setting, text)| {
            parts.set(setting, text);
        });
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Roots, SslMode};
    use std::os::unix::fs::PermissionsExt as _;

    fn with(text: &str, mode: u32, name: &str) -> Result<Option<Entry>, Fault> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        entry(file.path(), name, Origin::Operator(None))
    }

    fn access(text: &str) -> Access {
        match with(text, 0o600, "a").unwrap() {
            Some(Entry::Access(access)) => *access,
            _ => panic!("it opens nothing"),
        }
    }

    #[test]
    fn a_project_is_opened_by_a_password_a_token_or_both() {
        let project = "project = 'abcdefghijklmnopqrst'";
        let url = "url = 'https://abcdefghijklmnopqrst.supabase.co'";
        for named in [project, url] {
            let both = access(&format!("[a]\n{named}\npassword = 'x'\naccess-token = 'sbp_x'\nresize = 'supabase'"));
            assert_eq!(both.target.to_string(), "db.abcdefghijklmnopqrst.supabase.co:5432");
            assert!(both.target.password.is_some() && both.token.unwrap().may_resize);
            let token = access(&format!("[a]\n{named}\naccess-token = 'sbp_x'"));
            assert!(token.target.password.is_none() && !token.token.unwrap().may_resize);
            assert!(access(&format!("[a]\n{named}\npassword = 'x'")).token.is_none());
        }
        let own = access(&format!("[a]\n{project}\nurl = 'postgres://u@h/d'\naccess-token = 'sbp_x'"));
        assert_eq!((own.target.host.as_str(), own.token.is_some()), ("h", true));
        for wrong in [
            project.to_owned(),
            "project = 'short'\npassword = 'x'".into(),
            format!("{project}\n{url}\npassword = 'x'"),
            format!("{project}\npassword = 'x'\nresize = 'supabase'"),
            format!("{project}\naccess-token = 'sbp_x'\nresize = 'always'"),
            "url = 'postgres://u@h/d'\naccess-token = 'sbp_x'".into(),
        ] {
            assert!(with(&format!("[a]\n{wrong}"), 0o600, "a").is_err(), "{wrong}");
        }
    }

    #[test]
    fn both_forms_of_an_entry_are_read() {
        let Access { target: one, fallback_targets, .. } =
            access("[a]\nurl = 'postgres://u@h/d'\npassword = 'x'\nsslmode = 'verify-ca'\nca-file = '/ca.pem'");
        assert_eq!((one.to_string().as_str(), one.ssl_mode), ("h:5432", SslMode::VerifyCa));
        assert!(fallback_targets.reserve.is_none() && fallback_targets.through.is_none());
        let two = access("[a]\nhost = 'h'\nport = 6543\nuser = 'u'\npassword = 'x'\ndbname = 'd'").target;
        assert_eq!((two.to_string().as_str(), two.database.as_str()), ("h:6543", "d"));
    }

    #[test]
    fn other_access_paths_are_part_of_an_entry() {
        let text = "[a]\nurl = 'postgres://u@h/d'\nca-file = '/ca.pem'\nreserve = 'postgres://s@h/d'\nthrough = 'postgres://u@p:6432/d'";
        let fallback_targets = access(text).fallback_targets;
        assert_eq!(fallback_targets.through.unwrap().to_string(), "p:6432");
        assert_eq!(fallback_targets.reserve.unwrap().roots, Some(Roots::File("/ca.pem".into())));
        let fault = with("[a]\nurl = 'postgres://u@h/d'\nreserve = 'hunter2'", 0o600, "a").err().unwrap();
        assert!(!fault.message.contains("hunter2"), "{fault}");
    }

    #[test]
    fn a_console_is_part_of_an_entry_and_uses_its_ca_file() {
        let url = "[a]\nurl = 'postgres://u@h/d'\n";
        let with_console = format!("{url}ca-file = '/ca.pem'\npooler = 'postgres://a@p:6432/pgbouncer'");
        let Some(Controller::PgBouncer(console)) = access(&with_console).controller else { panic!("no console") };
        assert_eq!((console.to_string().as_str(), console.roots), ("p:6432", Some(Roots::File("/ca.pem".into()))));
        assert!(matches!(access(&format!("{url}controller = 'role:web'")).controller, Some(Controller::Limit(_))));
        for (wrong, word) in [
            ("pooler = 'postgres://a:hunter2@p/shop'", "pgbouncer"),
            ("pooler = 'postgres://a:hunter2@p/pgbouncer'\ncontroller = 'database'", "one of them"),
            ("controller = 'hunter2'", "role:NAME"),
        ] {
            let fault = with(&format!("{url}{wrong}"), 0o600, "a").err().unwrap();
            assert!(fault.message.contains(word) && !fault.message.contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn a_vault_entry_allows_no_other_keys() {
        let vault = "[a]\nvault = { via = 'b', secret = 's' }";
        assert!(matches!(with(vault, 0o600, "a").unwrap(), Some(Entry::Vault { .. })));
        for more in ["host = 'h'", "access-token = 'sbp_x'", "project = 'abcdefghijklmnopqrst'"] {
            assert!(with(&format!("{vault}\n{more}"), 0o600, "a").is_err(), "{more}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o666] {
            let fault = with("[a]\nurl = 'postgres://u@h/d'", mode, "a").err().unwrap();
            assert!(fault.message.contains("chmod 600"), "{fault}");
        }
        assert!(with("[a]\nurl = 'postgres://u@h/d'", 0o400, "a").is_ok());
    }

    #[test]
    fn errors_show_the_line_and_no_secret() {
        for text in ["[a]\nhost = 'h'\npassword = 123456789", "[a]\npassword = 'hunter2", "[a]\nhunter2 = 1"] {
            let fault = with(text, 0o600, "a").err().unwrap();
            assert!(fault.message.contains("line ") && !fault.message.contains("hunter2"), "{fault}");
            assert!(!fault.message.contains("123456789"), "{fault}");
        }
    }

    #[test]
    fn a_missing_entry_is_accepted_and_a_missing_file_is_not() {
        assert!(entry(Path::new("/no/such/file"), "a", Origin::Operator(None)).is_err());
        assert!(with("", 0o600, "a").unwrap().is_none());
    }
}
