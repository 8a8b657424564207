//! Parser for connection URLs in libpq's form and in the variants of drivers.

use archon_pool_contract::fault::Fault;
use archon_pool_core::secret_scan::SCHEMES;
use percent_encoding::percent_decode_str;
use secrecy::zeroize::Zeroizing;

use super::fault::{invalid, separator_in_url};
use super::keywords;
use super::parts::Parts;
use super::setting::{Meaning, SEPARATORS, Setting};

/// Word between `jdbc:` and `postgresql:` that is no wrapper: Testcontainers' server does not exist yet.
const NO_WRAPPER: &str = "tc";

/// A URL without its scheme.
pub(super) struct Scheme<'a> {
    rest: &'a str,
    is_jdbc: bool,
    /// True if it requests TLS: `r2dbcs`.
    is_encrypted: bool,
    /// True if it contains no authority: `jdbc:postgresql:DATABASE` leads to the local machine.
    is_local: bool,
}

impl<'a> Scheme<'a> {
    /// Strips the scheme; none where the text is no URL.
    pub(super) fn of(text: &'a str) -> Result<Option<Self>, Fault> {
        if let Some((rest, is_encrypted)) = behind_java(text) {
            let is_local = !rest.starts_with("//");
            let slashes = if is_local { "/" } else { "//" };
            let rest = rest.strip_prefix(slashes).unwrap_or(rest);
            return Ok(Some(Self { rest, is_jdbc: true, is_encrypted, is_local }));
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
        if scheme.contains(|letter: char| letter == '=' || letter.is_whitespace()) {
            return Ok(None);
        }
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "prisma" || scheme.starts_with("prisma+") {
            return Err(invalid(
                "the URL leads to Prisma's proxy and not to a server: give the database's own postgres:// URL",
            ));
        }
        let system = scheme.split_once('+').map_or(scheme.as_str(), |(system, _)| system);
        if SCHEMES.contains(&system) {
            Ok(Some(Self { rest, is_jdbc: false, is_encrypted: false, is_local: false }))
        } else {
            Err(not_postgresql())
        }
    }
}

/// Creates the fault of a scheme that does not stand for PostgreSQL.
pub(super) fn not_postgresql() -> Fault {
    invalid("the URL must start with postgres:// or postgresql://")
}

/// Strips the scheme of JDBC or R2DBC, with any wrapper between that and `postgresql:`, and returns true if the scheme
/// requests TLS.
fn behind_java(text: &str) -> Option<(&str, bool)> {
    let (api, mut rest) = text.split_once(':')?;
    let api = ["jdbc", "r2dbc", "r2dbcs"].into_iter().find(|known| known.eq_ignore_ascii_case(api))?;
    for _ in 0..3 {
        let (word, more) = rest.split_once(':')?;
        rest = more;
        if word.eq_ignore_ascii_case("postgresql") || (api != "jdbc" && word.eq_ignore_ascii_case("postgres")) {
            return Some((rest, api == "r2dbcs"));
        }
        let is_wrapper = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_wrapper || word.eq_ignore_ascii_case(NO_WRAPPER) {
            return None;
        }
    }
    None
}

pub(super) fn parts(scheme: &Scheme<'_>) -> Result<Parts, Fault> {
    let Split { login, address, database, query } = if scheme.is_local {
        let (name, query) = scheme.rest.split_once('?').unwrap_or((scheme.rest, ""));
        check_database(name)?;
        Split { login: None, address: "", database: Some(name), query: Some(query) }
    } else {
        split(scheme.rest)?
    };
    let mut parts = Parts { is_jdbc: scheme.is_jdbc, ..Parts::default() };
    if let Some(login) = login {
        let (user, password) = login.split_once(':').map_or((login, None), |(user, word)| (user, Some(word)));
        check_separators(Setting::User, user)?;
        parts.set(Setting::User, &decode("user", user)?);
        parts.set(Setting::Password, &decode("password", password.unwrap_or_default())?);
    }
    address_parts(&mut parts, address)?;
    parts.set(Setting::Database, &decode("database name", database.unwrap_or_default())?);
    let holds_password = query.is_some_and(keywords::holds_password);
    let mut list = HostList::default();
    for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
        let known = keywords::meaning(name).is_some();
        if let (Some(Meaning::Is(setting)), Some(value)) = (keywords::meaning(name), value) {
            check_separators(setting, value)?;
        }
        // The name of an unknown one may be a part of a password, so the fault must not repeat it.
        let value = value.map(|value| decode(if known { name } else { "value of a parameter" }, value)).transpose()?;
        match (keywords::meaning(name), &value) {
            (Some(Meaning::Is(Setting::Host)), Some(value)) if !value.is_empty() => list.hosts.push(value.to_string()),
            (Some(Meaning::Is(Setting::Port)), Some(value)) if !value.is_empty() => list.ports.push(value.to_string()),
            _ => {}
        }
        parts.parameter(name, value.as_ref().map(|value| value.as_str()), holds_password)?;
    }
    list.set(&mut parts)?;
    if scheme.is_encrypted {
        parts.fill(Setting::Ssl, "true");
    }
    if scheme.is_jdbc && parts.get(Setting::Host).is_none() {
        parts.set(Setting::Host, "localhost");
    }
    Ok(parts)
}

/// Parameters `host` and `port`, which SQLAlchemy repeats for several hosts, and gives as `host=NAME:PORT`.
#[derive(Default)]
struct HostList {
    hosts: Vec<String>,
    ports: Vec<String>,
}

impl HostList {
    fn set(&self, parts: &mut Parts) -> Result<(), Fault> {
        let is_plain = |host: &&String| host.starts_with('/') || host.contains(',') || !host.contains(':');
        let are_plain = self.hosts.iter().all(|host| is_plain(&host));
        if self.hosts.is_empty() || (self.hosts.len() == 1 && are_plain) {
            return Ok(());
        }
        let split = |host: &String| if is_plain(&host) { Ok((host.clone(), String::new())) } else { owned(host) };
        let (hosts, ports): (Vec<_>, Vec<_>) =
            self.hosts.iter().map(split).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        parts.set(Setting::Host, &hosts.join(","));
        if are_plain {
            parts.set(Setting::Port, &self.ports.join(","));
        } else if self.ports.is_empty() {
            parts.set(Setting::Port, &ports.join(","));
        } else {
            return Err(invalid(
                "parameter host names ports and parameter port another: give either host=A:1&host=B:2 or \
                                host=A,B&port=1,2",
            ));
        }
        Ok(())
    }
}

fn owned(address: &str) -> Result<(String, String), Fault> {
    // An IPv6 address without brackets has no port.
    if !address.starts_with('[') && address.matches(':').count() > 1 {
        return Ok((address.to_owned(), String::new()));
    }
    split_port(address).map(|(host, port)| (host.to_owned(), port.to_owned()))
}

struct Split<'a> {
    login: Option<&'a str>,
    address: &'a str,
    database: Option<&'a str>,
    query: Option<&'a str>,
}

/// Splits a URL at the separators that are not part of a password.
fn split(rest: &str) -> Result<Split<'_>, Fault> {
    let at_first = rest.split_once('?');
    // As in libpq, a '?' before the '@' of the authority belongs to the password.
    let (head, query) = match at_first {
        Some((head, query)) if is_query(query) => (head, Some(query)),
        _ => {
            let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
            let host = authority.rfind('@').unwrap_or(0);
            match rest[host..].find('?') {
                Some(mark) => (&rest[..host + mark], Some(&rest[host + mark + 1..])),
                None => (rest, None),
            }
        }
    };
    let (authority, database) = head.split_once('/').map_or((head, None), |(head, name)| (head, Some(name)));
    let (login, address) =
        authority.rsplit_once('@').map_or((None, authority), |(login, address)| (Some(login), address));
    // Before any of it is taken for a host's name, resolved by the DNS, and logged.
    check_database(database.unwrap_or_default())?;
    if query.is_some_and(|query| !is_query(query)) {
        return Err(at_sign());
    }
    Ok(Split { login, address, database, query })
}

/// Refuses a misplaced separator in the database's name, which faults and logs repeat: a password may follow it.
fn check_database(name: &str) -> Result<(), Fault> {
    if name.contains('@') {
        return Err(at_sign());
    }
    check_separators(Setting::Database, name)
}

/// Refuses raw separators in a part that messages and logs repeat.
fn check_separators(setting: Setting, raw: &str) -> Result<(), Fault> {
    match setting.repeated_part() {
        Some(part) if raw.contains(SEPARATORS) => Err(separator_in_url(part)),
        _ => Ok(()),
    }
}

fn at_sign() -> Fault {
    invalid("an '@' after the host: percent-encode '/' (%2F), '?' (%3F) and '@' (%40) in the password")
}

/// Returns true if each '@' of a text is in the value of a known parameter.
fn is_query(text: &str) -> bool {
    text.split('&').filter(|pair| pair.contains('@')).all(|pair| {
        let name = pair.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| keywords::meaning(name).is_some())
    })
}

/// Adds hosts and ports, as lists where there are several.
fn address_parts(parts: &mut Parts, address: &str) -> Result<(), Fault> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for one in address.split(',') {
        let (host, port) = split_port(one)?;
        hosts.push(decode("host", host)?.as_str().to_owned());
        ports.push(port);
    }
    parts.set(Setting::Host, &hosts.join(","));
    parts.set(Setting::Port, &ports.join(","));
    Ok(())
}

/// Splits `host:port`, `[address]:port` and `host`.
fn split_port(address: &str) -> Result<(&str, &str), Fault> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| invalid("the host's '[' is not closed"))?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if rest.is_empty() => Ok((host, "")),
            None => Err(invalid("a port is missing after the host's ']'")),
        };
    }
    match address.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(invalid(
            "the host has several ':': write an IPv6 address in brackets, as in [::1], and ':' in a password as %3A",
        )),
        Some((host, port)) => Ok((host, port)),
        None => Ok((address, "")),
    }
}

/// Percent-decodes into a buffer that is wiped on drop. A '%' that begins no byte stands for itself.
fn decode(what: &str, text: &str) -> Result<Zeroizing<String>, Fault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    bytes.extend(percent_decode_str(text));
    let decoded = std::str::from_utf8(&bytes).map_err(|_| invalid(format!("the {what} is not UTF-8")))?;
    if decoded.contains('\0') {
        return Err(invalid(format!("the {what} holds a zero byte")));
    }
    Ok(Zeroizing::new(decoded.to_owned()))
}
