//! Match of a server's name and its certificate, by libpq's rules (RFC 6125, with the common name as fallback).

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Returns true if a certificate is valid for this server. The common name counts only where no alternative name is of
/// the host's kind: a name, or an address.
pub(super) fn fits(certificate: &Certificate, server: &ServerName<'_>) -> bool {
    let (host, address) = match server {
        ServerName::DnsName(name) => (name.as_ref().to_owned(), None),
        ServerName::IpAddress(address) => {
            let address = IpAddr::from(*address);
            (address.to_string(), Some(address))
        }
        _ => return false,
    };
    let names = match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(names) => names.map(|(_, names)| names.0).unwrap_or_default(),
        Err(_) => return false,
    };
    let mut counts = true;
    for name in &names {
        match name {
            GeneralName::DnsName(name) => {
                counts &= address.is_some();
                if matches(name.as_str(), &host) {
                    return true;
                }
            }
            GeneralName::IpAddress(octets) => {
                counts &= address.is_none();
                if address.is_some_and(|address| same_address(octets.as_bytes(), address)) {
                    return true;
                }
            }
            _ => {}
        }
    }
    counts && common_name(certificate).is_some_and(|name| matches(&name, &host))
}

fn same_address(octets: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => octets == address.octets(),
        IpAddr::V6(address) => octets == address.octets(),
    }
}

/// Returns true if the names are equal in any case; `*` stands for one label at the beginning.
fn matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(suffix), Some((first, rest))) = (pattern.strip_prefix("*."), host.split_once('.')) else { return false };
    // An address has no labels.
    !first.is_empty() && host.parse::<IpAddr>().is_err() && suffix.eq_ignore_ascii_case(rest)
}

fn common_name(certificate: &Certificate) -> Option<String> {
    let mut parts = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let value = &parts.find(|part| part.oid == COMMON_NAME)?.value;
    let text = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    let text = text.or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned()));
    text.or_else(|_| value.decode_as::<Ia5StringRef<'_>>().map(|text| text.as_str().to_owned())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, host, expected) in [
            ("db.example", "DB.example", true),
            ("*.example", "db.example", true),
            ("*.example", "a.db.example", false),
            ("*.example", "example", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("*", "db", false),
        ] {
            assert_eq!(matches(pattern, host), expected, "{pattern} {host}");
        }
    }
}
