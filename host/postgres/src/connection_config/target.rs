//! Address, login and security settings of one connection.

use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use archon_pool_core::digest::Digest;
use archon_pool_core::login::Login;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

pub use super::security::{
    AuthMethod, ChannelBinding, ClientCertificate, Roots, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion,
};

/// Prefix of a note on a pass file that is ignored.
pub(super) const PASS_FILE_NOTE: &str = "pass file ";

/// Address, login and security settings of one connection.
#[derive(Clone)]
pub struct Target {
    /// Host name, address, or the directory of a Unix socket: the first one where there are several.
    pub host: String,
    /// `hostaddr`: the address to connect to instead of resolving the host's name.
    pub address: Option<IpAddr>,
    /// Port.
    pub port: u16,
    /// Further hosts, tried in this order after the first; [`Target::each`] returns all.
    pub more_hosts: Vec<HostPort>,
    /// Role.
    pub user: String,
    /// Password for the first host; none for servers that require none.
    pub password: Option<SecretString>,
    /// Database.
    pub database: String,
    /// `sslmode`.
    pub ssl_mode: SslMode,
    /// `sslrootcert`.
    pub roots: Option<Roots>,
    /// `sslcert` and `sslkey`.
    pub client_certificate: Option<ClientCertificate>,
    /// `sslnegotiation`.
    pub ssl_negotiation: SslNegotiation,
    /// `ssl_min_protocol_version`.
    pub ssl_min_version: TlsVersion,
    /// `ssl_max_protocol_version`.
    pub ssl_max_version: Option<TlsVersion>,
    /// `channel_binding`.
    pub channel_binding: ChannelBinding,
    /// `require_auth`: the allowed methods, in the order of [`AuthMethod::ALL`]; none where all are.
    pub require_auth: Option<Vec<AuthMethod>>,
    /// `target_session_attrs`.
    pub target_session_attrs: TargetSessionAttrs,
    /// `connect_timeout` for each host, when one is set.
    pub connect_timeout: Option<Duration>,
    /// `options`, such as `reference=…` for Supavisor.
    pub options: Option<String>,
    /// Facts about the settings that a report must state, such as ignored parameters.
    pub notes: Vec<String>,
}

/// One of several hosts.
#[derive(Clone)]
pub struct HostPort {
    /// Host name, address, or the directory of a Unix socket.
    pub host: String,
    /// `hostaddr` of this host.
    pub address: Option<IpAddr>,
    /// Port.
    pub port: u16,
    /// Password for this host.
    pub password: Option<SecretString>,
}

/// Writes hosts and ports alone, for logs.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)?;
        self.more_hosts.iter().try_for_each(|more| write!(f, ",{}:{}", more.host, more.port))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("hosts", &self.to_string())
            .field("user", &self.user)
            .field("database", &self.database)
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Target {
    /// Returns one target for each host, in the order in which they are tried.
    pub fn each(&self) -> Vec<Self> {
        let first = Self { more_hosts: Vec::new(), ..self.clone() };
        let more = self.more_hosts.iter().cloned().map(|HostPort { host, address, port, password }| Self {
            host,
            address,
            port,
            password,
            ..first.clone()
        });
        std::iter::once(first.clone()).chain(more).collect()
    }

    /// Copies the login for another host.
    pub fn at(&self, host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), address: None, port, more_hosts: Vec::new(), ..self.clone() }
    }

    /// Compares logins: hosts, role, database, secrets and settings. The time does not depend on the secrets.
    pub fn is_same_login(&self, other: &Self) -> bool {
        let Self {
            host,
            address,
            port,
            more_hosts,
            user,
            password,
            database,
            ssl_mode,
            roots,
            client_certificate,
            ssl_negotiation,
            ssl_min_version,
            ssl_max_version,
            channel_binding,
            require_auth,
            target_session_attrs,
            connect_timeout,
            options,
            notes: _,
        } = self;
        let is_same_host = |(one, other): (&HostPort, &HostPort)| {
            (&one.host, one.address, one.port) == (&other.host, other.address, other.port)
                && is_same_secret(one.password.as_ref(), other.password.as_ref())
        };
        (host, address, port, user, database)
            == (&other.host, &other.address, &other.port, &other.user, &other.database)
            && more_hosts.len() == other.more_hosts.len()
            && more_hosts.iter().zip(&other.more_hosts).all(is_same_host)
            && is_same_secret(password.as_ref(), other.password.as_ref())
            && (ssl_mode, roots, client_certificate) == (&other.ssl_mode, &other.roots, &other.client_certificate)
            && (ssl_negotiation, ssl_min_version, ssl_max_version)
                == (&other.ssl_negotiation, &other.ssl_min_version, &other.ssl_max_version)
            && (channel_binding, require_auth) == (&other.channel_binding, &other.require_auth)
            && (target_session_attrs, connect_timeout, options)
                == (&other.target_session_attrs, &other.connect_timeout, &other.options)
    }

    /// Returns server, database and role, for messages and the audit log.
    pub fn login(&self) -> Login {
        Login { server: self.to_string(), database: self.database.clone(), user: self.user.clone() }
    }

    /// Returns the note on an ignored pass file, the reason for a missing password.
    pub(crate) fn pass_file_note(&self) -> Option<&str> {
        self.notes.iter().map(String::as_str).find(|note| note.starts_with(PASS_FILE_NOTE))
    }

    /// Returns true if the first host is a Unix socket.
    pub(crate) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// Compares secrets by digests under a key of this process, so that the time does not depend on where they differ.
fn is_same_secret(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    static KEY: LazyLock<[u8; 32]> = LazyLock::new(rand::random);
    let keyed = |secret: &SecretString| {
        let text = secret.expose_secret().as_bytes();
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY.len() + text.len()));
        bytes.extend_from_slice(&*KEY);
        bytes.extend_from_slice(text);
        Digest::of(&bytes)
    };
    one.map(keyed) == other.map(keyed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_that_differ_in_any_field_are_different() {
        let parse = |text: &str| Target::parse(&SecretString::from(text)).unwrap();
        let login = "postgres://app:secret@one:5432,two:5433/shop?sslmode=require";
        assert!(parse(login).is_same_login(&parse(login)));
        for (from, to) in [
            ("app", "ap"),
            (":secret", ""),
            ("secret", "secres"),
            ("one", "uno"),
            ("two", "due"),
            (":5433", ":5434"),
            ("/shop", "/store"),
            ("require", "verify-full"),
            ("require", "require&sslrootcert=/tmp/ca.pem"),
            ("require", "require&channel_binding=require"),
            ("require", "require&require_auth=scram-sha-256"),
            ("require", "require&ssl_min_protocol_version=TLSv1.3"),
            ("require", "require&target_session_attrs=primary"),
            ("require", "require&connect_timeout=5"),
            ("require", "require&options=reference%3Dabc"),
        ] {
            let other = parse(&login.replacen(from, to, 1));
            assert!(!parse(login).is_same_login(&other) && !other.is_same_login(&parse(login)), "{from} to {to}");
        }
    }
}
