//! Verification of a chain as OpenSSL does it, where webpki is stricter: X.509 v1 certificates, and a server's
//! certificate that is its own root.

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};

use super::certificate::{is_signed_by, parse};

/// Deeper than any real chain.
const DEPTH: usize = 8;
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// Extensions that are evaluated here or restrict nothing: key usage, alternative names, basic constraints, extended
/// key usage.
const HEEDED: [&str; 4] = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"];
const NAME_CONSTRAINTS: &str = "2.5.29.30";

/// Verifies that the server's certificate leads to a self-issued root.
pub(super) fn verify(
    shown: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &[CertificateDer<'static>],
    now: UnixTime,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
) -> Result<(), Error> {
    let roots: Vec<_> = roots.iter().filter_map(|root| parse(root).ok()).collect();
    let intermediates: Vec<_> = intermediates.iter().filter_map(|each| parse(each).ok()).collect();
    let mut current = parse(shown)?;
    is_for_servers(&current)?;
    for depth in 0..DEPTH {
        is_valid(&current, now)?;
        let own_issuer = current.tbs_certificate.issuer == current.tbs_certificate.subject;
        let is_root = roots.contains(&current);
        if depth > 0 {
            may_issue(&current, depth, is_root && own_issuer)?;
        }
        if is_root && own_issuer {
            return Ok(());
        }
        if own_issuer {
            // OpenSSL treats it as an untrusted root, independent of its signer.
            return Err(refused(CertificateError::UnknownIssuer));
        }
        let issued = |issuer: &&Certificate| {
            issuer.tbs_certificate.subject == current.tbs_certificate.issuer
                && is_signed_by(&current, issuer, algorithms)
        };
        let issuer = roots.iter().find(issued).or_else(|| intermediates.iter().find(issued)).cloned();
        current = issuer.ok_or_else(|| refused(CertificateError::UnknownIssuer))?;
    }
    Err(refused(CertificateError::UnknownIssuer))
}

fn refused(error: CertificateError) -> Error {
    Error::InvalidCertificate(error)
}

fn is_valid(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    let seconds = now.as_secs();
    if seconds < validity.not_before.to_unix_duration().as_secs() {
        return Err(refused(CertificateError::NotValidYet));
    }
    if seconds > validity.not_after.to_unix_duration().as_secs() {
        return Err(refused(CertificateError::Expired));
    }
    let mut extensions = certificate.tbs_certificate.extensions.iter().flatten();
    let unheeded = extensions.any(|extension| {
        let id = extension.extn_id.to_string();
        id == NAME_CONSTRAINTS || (extension.critical && !HEEDED.contains(&id.as_str()))
    });
    if unheeded { Err(refused(CertificateError::UnhandledCriticalExtension)) } else { Ok(()) }
}

fn is_for_servers(certificate: &Certificate) -> Result<(), Error> {
    let purposes = certificate.tbs_certificate.get::<ExtendedKeyUsage>().map_err(|_| unreadable())?;
    let usage = certificate.tbs_certificate.get::<KeyUsage>().map_err(|_| unreadable())?;
    let purpose =
        purposes.is_none_or(|(_, purposes)| purposes.0.iter().any(|it| [SERVER_AUTH, ANY_PURPOSE].contains(it)));
    let signs = KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment | KeyUsages::KeyAgreement;
    let usage = usage.is_none_or(|(_, usage)| !usage.0.is_disjoint(signs));
    if purpose && usage { Ok(()) } else { Err(refused(CertificateError::InvalidPurpose)) }
}

/// Checks that a certificate may issue others. One without extensions is an authority only as a root.
fn may_issue(certificate: &Certificate, depth: usize, is_root: bool) -> Result<(), Error> {
    let tbs = &certificate.tbs_certificate;
    let constraints = tbs.get::<BasicConstraints>().map_err(|_| unreadable())?.map(|(_, constraints)| constraints);
    let authority = match constraints {
        // Certificates between it and the server's are counted.
        Some(BasicConstraints { ca, path_len_constraint }) => {
            ca && path_len_constraint.is_none_or(|most| depth - 1 <= usize::from(most))
        }
        None => is_root && tbs.version == Version::V1,
    };
    let usage = tbs.get::<KeyUsage>().map_err(|_| unreadable())?;
    let signs = usage.is_none_or(|(_, usage)| usage.0.contains(KeyUsages::KeyCertSign));
    if authority && signs { Ok(()) } else { Err(refused(CertificateError::InvalidPurpose)) }
}

fn unreadable() -> Error {
    refused(CertificateError::BadEncoding)
}
