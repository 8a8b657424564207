//! Hosts, addresses and ports, as lists of the same length.

use std::net::{IpAddr, Ipv6Addr};

use archon_pool_contract::fault::Fault;

use super::ambient::Origin;
use super::fault::invalid;
use super::parts::{Parts, Source};
use super::setting::Setting;
use super::target::HostPort;

/// Default port.
const PORT: u16 = 5432;

/// Hosts of one connection text: each may take a look-up and a connection.
const MOST_HOSTS: usize = 16;

/// Folders of sockets where no host is given: Debian's, and that of PostgreSQL's own builds.
pub(super) const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Lists all hosts in the order in which they are tried: at least one, without passwords.
pub(super) fn hosts(parts: &Parts, origin: Origin<'_>) -> Result<Vec<HostPort>, Fault> {
    let mut names = list(parts, Setting::Host);
    let addresses = list(parts, Setting::HostAddr);
    if names.len().max(addresses.len()) > MOST_HOSTS {
        return Err(invalid(format!("at most {MOST_HOSTS} hosts may be named")));
    }
    let addresses = addresses.into_iter().map(address).collect::<Result<Vec<_>, _>>();
    let addresses = addresses.map_err(|fault| source(parts, Setting::HostAddr).within(fault))?;
    if names.is_empty() {
        names = addresses.iter().map(|_| "").collect();
    }
    if !addresses.is_empty() && addresses.len() != names.len() {
        return Err(counts(names.len(), addresses.len(), "address", "es", "give one hostaddr for each host"));
    }
    // Without a host, the first existing socket is used.
    let anywhere = names.is_empty();
    let named: Vec<&str> = if anywhere { SOCKETS.to_vec() } else { names };
    let ports = ports(parts, if anywhere { 1 } else { named.len() })?;

    let host = |(place, name): (usize, &&str)| {
        let address = addresses.get(place).copied();
        let host = match (address, *name, anywhere) {
            (Some(address), "", _) => address.to_string(),
            (None, _, true) | (None, "", _) => by_socket(origin, if anywhere { name } else { SOCKETS[0] })?,
            (_, name, _) => checked(name, origin)?,
        };
        let port = if let [only] = ports[..] { only } else { ports[place] };
        Ok(HostPort { host, address, port, password: None })
    };
    named.iter().enumerate().map(host).collect()
}

/// Falls back to the local socket for an operator; a request must name a host.
fn by_socket(origin: Origin<'_>, folder: &str) -> Result<String, Fault> {
    match origin {
        Origin::Operator(Some(_)) => Ok(folder.to_owned()),
        Origin::Operator(None) | Origin::Request => Err(invalid("the connection has no host")),
    }
}

/// Refuses a text that is no host before it reaches the DNS, a log or a message, and a socket in a request: the server
/// would authenticate the operating system's user of this process.
fn checked(host: &str, origin: Origin<'_>) -> Result<String, Fault> {
    if matches!(origin, Origin::Request) && host.starts_with(['/', '@']) {
        return Err(invalid("a request's URL may not name a Unix socket: give a host name"));
    }
    if host.contains('@') {
        return Err(invalid("the host holds an '@': give user and password apart from it"));
    }
    if host.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(invalid("the host holds white space or a control character"));
    }
    if without_zone(host).contains(['&', ';', '=', '%', '"', '\'', '`']) {
        return Err(invalid(
            "the host holds one of & ; = % or a quote: parameters begin with '?' in a URL, and with a blank in \
             key=value text",
        ));
    }
    Ok(host.to_owned())
}

/// Strips the zone of an IPv6 address, as in `fe80::1%eth0`.
fn without_zone(host: &str) -> &str {
    let is_zone = |zone: &str| !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match host.split_once('%') {
        Some((address, zone)) if address.parse::<Ipv6Addr>().is_ok() && is_zone(zone) => address,
        _ => host,
    }
}

fn ports(parts: &Parts, hosts: usize) -> Result<Vec<u16>, Fault> {
    let given = list(parts, Setting::Port);
    let ports: Result<Vec<_>, _> = given.into_iter().map(port).collect();
    let ports = ports.map_err(|fault| source(parts, Setting::Port).within(fault))?;
    match ports.len() {
        0 => Ok(vec![PORT]),
        count if count == 1 || count == hosts => Ok(ports),
        count => Err(counts(hosts, count, "port", "s", "give one port, or one for each host")),
    }
}

fn counts(hosts: usize, others: usize, what: &str, plural: &str, help: &str) -> Fault {
    let of = |count: usize, what: &str, plural: &str| format!("{count} {what}{}", if count == 1 { "" } else { plural });
    invalid(format!("the connection has {} and {}: {help}", of(hosts, "host", "s"), of(others, what, plural)))
}

fn list(parts: &Parts, setting: Setting) -> Vec<&str> {
    parts.get(setting).map(|text| text.split(',').map(str::trim).collect()).unwrap_or_default()
}

fn source(parts: &Parts, setting: Setting) -> Source {
    parts.given.get(&setting).map_or(Source::Text, |given| given.source.clone())
}

fn address(text: &str) -> Result<IpAddr, Fault> {
    text.parse().map_err(|_| invalid("hostaddr must be an IP address, or one for each host"))
}

fn port(text: &str) -> Result<u16, Fault> {
    if text.is_empty() {
        return Ok(PORT);
    }
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        invalid("the port must be a number from 1 to 65535; if a password holds '@', ':' or '/', percent-encode it")
    })
}
