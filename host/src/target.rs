//! Where to connect and as whom: a PostgreSQL connection URL, taken apart.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use archon_pool_plugin::fault::{Fault, kind};
use percent_encoding::percent_decode_str;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::audit::Event;

/// How much of TLS is asked for, with libpq's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted when the server offers it; the certificate is not checked.
    Prefer,
    /// Encrypted; the certificate is checked only against a CA file, when one is given.
    Require,
    /// Encrypted, and the certificate's chain is checked.
    VerifyCa,
    /// Encrypted, and the certificate's chain and name are checked.
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            // The value may be a slipped secret, so it is not repeated.
            _ => return Err(invalid("sslmode must be one of disable, prefer, require, verify-ca, verify-full")),
        })
    }
}

/// Whose word is taken for a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The operating system's.
    System,
    /// This PEM file's.
    File(PathBuf),
}

/// Where to connect and as whom.
#[derive(Clone)]
pub struct Target {
    /// Host name, address, or the directory of a Unix socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Password; none for servers that do not ask.
    pub password: Option<SecretString>,
    /// Database.
    pub database: String,
    /// How much of TLS is asked for.
    pub ssl_mode: SslMode,
    /// `sslrootcert`.
    pub roots: Option<Roots>,
    /// `connect_timeout`, when the URL sets one.
    pub connect_timeout: Option<Duration>,
    /// `options` of the URL, such as `reference=…` for Supavisor.
    pub options: Option<String>,
}

/// Where, without who or how: fit for logs.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}

/// The parts before defaults are filled in; a URL and a credentials file both end here.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: Option<String>,
    pub(crate) ssl_mode: Option<SslMode>,
    pub(crate) roots: Option<Roots>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) options: Option<String>,
}

impl Parts {
    pub(crate) fn finish(self) -> Result<Target, Fault> {
        let host = self.host.ok_or_else(|| invalid("the connection has no host"))?;
        // It would be asked of the DNS, and logged.
        if host.contains('@') {
            return Err(invalid("the host holds an '@': give user and password apart from it"));
        }
        let user = self.user.ok_or_else(|| invalid("the connection has no user"))?;
        let ssl_mode = self.ssl_mode.unwrap_or(if is_supabase(&host) {
            // Supabase always offers TLS, so nothing is lost by never falling back from it.
            SslMode::Require
        } else {
            SslMode::Prefer
        });
        Ok(Target {
            port: self.port.unwrap_or(5432),
            database: self.database.unwrap_or_else(|| user.clone()),
            host,
            user,
            password: self.password,
            ssl_mode,
            roots: self.roots,
            connect_timeout: self.connect_timeout,
            options: self.options,
        })
    }
}

impl Target {
    /// Takes a `postgres://` URL apart. No error repeats any part that could be a secret.
    pub fn parse(url: &SecretString) -> Result<Self, Fault> {
        parts(url.expose_secret())?.finish()
    }

    /// Whether both lead to the same database as the same role.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        (&self.host, self.port, &self.user, &self.database) == (&other.host, other.port, &other.user, &other.database)
    }

    /// Puts into an event as whom and where, and nothing else.
    pub(crate) fn on_record(&self, event: Event) -> Event {
        let server = self.to_string();
        event.with("by", self.user.as_str()).with("server", server).with("database", self.database.as_str())
    }

    /// Whether this is a Unix socket.
    pub(crate) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

const PARAMETERS: &str = "host, port, user, password, dbname, sslmode, sslrootcert, connect_timeout, options";

/// Whether a text is a PostgreSQL connection URL.
pub(crate) fn is_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

pub(crate) fn parts(url: &str) -> Result<Parts, Fault> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .ok_or_else(|| invalid("a connection URL starts with postgres://"))?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, database) = rest.split_once('/').map_or((rest, None), |(rest, name)| (rest, Some(name)));
    let (login, address) =
        authority.rsplit_once('@').map_or((None, authority), |(login, address)| (Some(login), address));

    // Before anything of it is taken for a host's name: that would be asked of the DNS, and logged.
    if rest[authority.len()..].contains('@') || query.is_some_and(|query| query.contains('@')) {
        return Err(invalid("an '@' after the host: percent-encode '/', '?' and '@' in the password"));
    }
    let mut parts = Parts::default();
    if let Some(login) = login {
        let (user, password) = login.split_once(':').map_or((login, None), |(user, word)| (user, Some(word)));
        parts.user = non_empty(decode("user", user)?);
        parts.password = password.map(decode_password).transpose()?.flatten();
    }
    let (host, port) = split_port(address)?;
    parts.host = non_empty(decode("host", host)?);
    parts.port = port.map(parse_port).transpose()?;
    if let Some(name) = database {
        if name.contains('/') {
            return Err(invalid(
                "the database name holds a '/': percent-encode it, and likewise '/', '?' and '@' in a password",
            ));
        }
        parts.database = non_empty(decode("database name", name)?);
    }
    for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == "password" {
            parts.password = decode_password(value)?;
        } else {
            parameter(&mut parts, name, decode(name, value)?)?;
        }
    }
    Ok(parts)
}

fn parameter(parts: &mut Parts, name: &str, value: String) -> Result<(), Fault> {
    match name {
        "host" => parts.host = non_empty(value),
        "port" => parts.port = Some(parse_port(&value)?),
        "user" => parts.user = non_empty(value),
        "dbname" => parts.database = non_empty(value),
        "sslmode" => parts.ssl_mode = Some(value.parse()?),
        "sslrootcert" => parts.roots = Some(roots(&value)),
        "connect_timeout" => {
            let seconds = value.parse().map_err(|_| invalid("connect_timeout must be a number of seconds"))?;
            // libpq: 0 means "no limit of its own".
            parts.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
        }
        "options" => parts.options = non_empty(value),
        // A password with a raw '?' ends up here, so only what looks like a name is repeated.
        _ if name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
            return Err(invalid(format!("URL parameter '{name}' is unknown: use one of {PARAMETERS}")));
        }
        _ => return Err(invalid(format!("a URL parameter is unknown: use one of {PARAMETERS}"))),
    }
    Ok(())
}

pub(crate) fn roots(value: &str) -> Roots {
    if value == "system" { Roots::System } else { Roots::File(PathBuf::from(value)) }
}

/// Splits `host:port`, `[address]:port` and `host`.
fn split_port(address: &str) -> Result<(&str, Option<&str>), Fault> {
    if address.contains(',') {
        return Err(invalid("a connection has one host: choose one of the listed ones"));
    }
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| invalid("the host's '[' is not closed"))?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(invalid("a port is missing after the host's ']'")),
        };
    }
    Ok(address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))))
}

fn parse_port(text: &str) -> Result<u16, Fault> {
    text.parse().ok().filter(|&port| port > 0).ok_or_else(|| {
        invalid("the port must be a number from 1 to 65535; if a password holds '@', ':' or '/', percent-encode it")
    })
}

fn decode(what: &str, text: &str) -> Result<String, Fault> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| invalid(format!("the {what} is not UTF-8")))?;
    if decoded.contains('\0') {
        return Err(invalid(format!("the {what} holds a zero byte")));
    }
    Ok(decoded.into_owned())
}

/// Decodes a password into one place that is wiped, and leaves no copy anywhere else.
fn decode_password(text: &str) -> Result<Option<SecretString>, Fault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    bytes.extend(percent_decode_str(text));
    let decoded = std::str::from_utf8(&bytes).map_err(|_| invalid("the password is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(invalid("the password holds a zero byte"));
    }
    Ok((!decoded.is_empty()).then(|| decoded.into()))
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn is_supabase(host: &str) -> bool {
    [".supabase.co", ".supabase.com"].iter().any(|domain| host.ends_with(domain))
}

pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(kind::CREDENTIAL_INVALID, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, Fault> {
        Target::parse(&SecretString::from(url))
    }

    #[test]
    fn a_full_url() {
        let target =
            parse("postgresql://ann:p%40ss@db.example:6543/shop?sslmode=verify-full&sslrootcert=/ca.pem").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("db.example", 6543, "ann"));
        assert_eq!(target.password.unwrap().expose_secret(), "p@ss");
        assert_eq!((target.database.as_str(), target.ssl_mode), ("shop", SslMode::VerifyFull));
        assert_eq!(target.roots, Some(Roots::File("/ca.pem".into())));
    }

    #[test]
    fn defaults() {
        let target = parse("postgres://ann@[::1]").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.database.as_str()), ("::1", 5432, "ann"));
        assert_eq!(target.ssl_mode, SslMode::Prefer);
        let target = parse("postgres://postgres:x@db.abcdefghijklmnopqrst.supabase.co/postgres").unwrap();
        assert_eq!(target.ssl_mode, SslMode::Require);
    }

    #[test]
    fn sockets() {
        assert!(parse("postgres://ann@/shop?host=/var/run/postgresql").unwrap().is_socket());
        assert!(parse("postgres://ann@%2Frun%2Fpg/shop").unwrap().is_socket());
    }

    #[test]
    fn a_raw_at_sign_in_a_password_is_understood() {
        assert_eq!(parse("postgres://ann:p@ss@h/d").unwrap().password.unwrap().expose_secret(), "p@ss");
    }

    #[test]
    fn an_encoded_at_sign_is_legal_after_the_host() {
        assert_eq!(parse("postgres://ann@h/a%40b?options=x%40y").unwrap().database, "a@b");
    }

    #[test]
    fn what_is_wrong_is_named_and_secrets_are_not() {
        let unknown = parse("postgres://ann:hunter2@h/d?pgbouncer=true").unwrap_err();
        assert!(unknown.message.contains("'pgbouncer'"), "{unknown}");
        for url in [
            "postgres://ann:hunter2/x@h/d",
            "postgres://ann:hunter2?x@h/d",
            "postgres://ann:p@hunter2/x@h/d",
            "postgres://ann:p@hunter2?x@h/d",
            "postgres://ann:hunter2@h:99999/d",
            "postgres://ann:hunter2@h1,h2/d",
            "postgres://ann:hunter2@h/d?sslmode=hunter2",
            "postgres://:hunter2@h/d",
            "mysql://ann:hunter2@h/d",
            "postgres://ann:hunter2@/d",
        ] {
            let fault = parse(url).unwrap_err();
            assert_eq!(fault.kind, kind::CREDENTIAL_INVALID, "{url}");
            assert!(!fault.message.contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let shown = format!("{:?} {0}", parse("postgres://ann:hunter2@h/d").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
