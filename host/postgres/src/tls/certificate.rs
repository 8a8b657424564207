//! Reading of certificates that libpq accepts and webpki does not: X.509 v1, and short keys.

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, Error};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use webpki::RawPublicKeyEntity;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// Parses a certificate of any version.
pub(super) fn parse(der: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(der).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// Returns true if one of the algorithms verifies the signature with the certificate's key.
pub(super) fn verifies(
    signer: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Ok(key) = signer.tbs_certificate.subject_public_key_info.to_der() else { return false };
    let key = SubjectPublicKeyInfoDer::from(key);
    let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
    algorithms.iter().any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok())
}

/// Returns true if `issuer` signed `certificate`.
pub(super) fn is_signed_by(
    certificate: &Certificate,
    issuer: &Certificate,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
) -> bool {
    let (Ok(message), Ok(algorithm)) = (certificate.tbs_certificate.to_der(), certificate.signature_algorithm.to_der())
    else {
        return false;
    };
    let Some(signature) = certificate.signature.as_bytes() else { return false };
    // The identifiers of algorithms are given without the tag and length of their sequence.
    let fitting =
        algorithms.iter().copied().filter(|each| algorithm.get(2..) == Some(each.signature_alg_id().as_ref()));
    verifies(issuer, &fitting.collect::<Vec<_>>(), &message, signature)
}

/// Returns `tls-server-end-point` (RFC 5929): the digest of the certificate by its own signature's algorithm, at least
/// SHA-256. None where the algorithm has none.
pub(super) fn channel_binding(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let algorithm = parse(der).ok()?.signature_algorithm.oid.to_string();
    Some(match algorithm.as_str() {
        // MD5, SHA-1 and SHA-256, with RSA and with ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Sha256::digest(der).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(der).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(der).to_vec(),
        _ => return None,
    })
}
