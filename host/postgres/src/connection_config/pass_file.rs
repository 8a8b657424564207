//! Pass file of libpq: `host:port:database:user:password`; the first line that matches counts.

use std::path::{Path, PathBuf};

use archon_pool_core::private_file::{self, Readers};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::ambient::Origin;
use super::hosts::SOCKETS;
use super::target::{HostPort, PASS_FILE_NOTE};

/// Enough for thousands of lines.
const MOST_BYTES: usize = 1 << 20;

/// Sets the passwords of the hosts from the pass file, and returns a note with the reason for which a file is ignored.
/// A missing file sets none.
pub(super) fn fill(
    named: Option<&str>,
    origin: Origin<'_>,
    hosts: &mut [HostPort],
    user: &str,
    database: &str,
) -> Option<String> {
    let path = match (named, origin) {
        (_, Origin::Request) => return None,
        (Some(path), _) => PathBuf::from(path),
        (None, Origin::Operator(ambient)) => ambient?.in_home(".pgpass")?,
    };
    let bytes = match read(&path) {
        Ok(bytes) => bytes?,
        Err(why) => return Some(format!("{PASS_FILE_NOTE}{} is passed over: {why}", path.display())),
    };
    for host in hosts {
        // The default socket is that of the local machine.
        let name = if SOCKETS.contains(&host.host.as_str()) { "localhost" } else { &host.host };
        host.password = password(&bytes, [name, &host.port.to_string(), database, user]);
    }
    None
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    if !private_file::is_there(path) {
        return Ok(None);
    }
    private_file::read(path, Readers::Owner, MOST_BYTES).map(|bytes| Some(Zeroizing::new(bytes)))
}

fn password(file: &[u8], wanted: [&str; 4]) -> Option<SecretString> {
    let lines = file.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let password = lines
        .filter(|line| !line.starts_with(b"#"))
        .find_map(|line| wanted.iter().try_fold(line, |rest, wanted| behind(rest, wanted.as_bytes())))?;
    let password = Zeroizing::new(unescaped(password));
    std::str::from_utf8(&password).ok().filter(|text| !text.is_empty()).map(SecretString::from)
}

/// Returns the rest of a line after a field that matches.
fn behind<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut rest = line;
    for byte in wanted {
        if let [b'\\', more @ ..] = rest {
            rest = more;
        }
        rest = rest.strip_prefix(std::slice::from_ref(byte))?;
    }
    rest.strip_prefix(b":")
}

/// Unescapes the password up to an unescaped ':'.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut password = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next().filter(|byte| *byte != b':') {
        password.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    password
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn found(file: &str, host: &str) -> Option<String> {
        let found = password(file.as_bytes(), [host, "5432", "d", "u"]);
        found.map(|password| password.expose_secret().to_owned())
    }

    #[test]
    fn matches_each_field_whole() {
        assert_eq!(found("h:5432:d:u:x", "h").as_deref(), Some("x"));
        for line in ["hh:5432:d:u:x", "h:543:d:u:x", "h:5432:d:user:x", "h:5432:d:u", "h", "", "#h:5432:d:u:x"] {
            assert_eq!(found(line, "h"), None, "{line}");
        }
    }

    #[test]
    fn reads_an_ipv6_address_with_escapes_alone() {
        assert_eq!(found(r"\:\:1:*:*:*:x", "::1").as_deref(), Some("x"));
        assert_eq!(found("::1:*:*:*:x", "::1").as_deref(), Some("x"));
    }

    #[test]
    fn unescapes_the_password() {
        assert_eq!(found(r"*:*:*:*:a\:b\\c\", "h").as_deref(), Some(r"a:b\c\"));
        assert_eq!(found("*:*:*:*:", "h"), None);
    }
}
