//! TLS with libpq's meaning of `sslmode`, on rustls.
//!
//! | sslmode | certificate |
//! |---|---|
//! | `prefer`, `require` | accepted unseen; with a CA file as by `verify-ca` |
//! | `verify-ca` | chain checked, name not; without a CA file as by `verify-full` |
//! | `verify-full` | chain and name checked |

use std::path::Path;
use std::sync::Arc;

use archon_pool_plugin::fault::{Fault, kind};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::target::{Roots, SslMode, Target};

/// How much of a certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

fn check(target: &Target) -> Check {
    match (target.ssl_mode, &target.roots) {
        (SslMode::VerifyFull, _) => Check::ChainAndName,
        (SslMode::VerifyCa | SslMode::Allow | SslMode::Prefer | SslMode::Require, Some(Roots::File(_))) => Check::Chain,
        // libpq insists on `verify-full` beside `sslrootcert=system`: anybody can have a certificate
        // of some public authority, so a chain without a name would prove nothing.
        (SslMode::VerifyCa, _) | (SslMode::Allow | SslMode::Prefer | SslMode::Require, Some(Roots::System)) => {
            Check::ChainAndName
        }
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require, _) => Check::Nothing,
    }
}

/// What opens TLS to a target.
pub(crate) fn connector(target: &Target) -> Result<MakeRustlsConnect, Fault> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| not_set_up(&error))?;
    let builder = match check(target) {
        Check::Nothing => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Lenient { chain: None, provider: Arc::clone(&provider) })),
        Check::Chain => {
            let chain = WebPkiServerVerifier::builder_with_provider(trusted(target)?, Arc::clone(&provider))
                .build()
                .map_err(|error| Fault::new(kind::TLS_FAILED, format!("the CA file cannot be used: {error}")))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient { chain: Some(chain), provider }))
        }
        Check::ChainAndName => builder.with_root_certificates(trusted(target)?),
    };
    Ok(MakeRustlsConnect::new(builder.with_no_client_auth()))
}

/// What opens HTTPS: certificates of the system's authorities, or of none where HTTPS is not used.
pub(crate) fn for_https(wanted: bool) -> Result<ClientConfig, Fault> {
    let roots = if wanted { from_system()? } else { RootCertStore::empty() };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| not_set_up(&error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn not_set_up(error: &Error) -> Fault {
    Fault::new(kind::TLS_FAILED, format!("TLS cannot be set up: {error}"))
}

fn trusted(target: &Target) -> Result<Arc<RootCertStore>, Fault> {
    let store = match &target.roots {
        Some(Roots::File(path)) => from_file(path)?,
        Some(Roots::System) | None => from_system()?,
    };
    Ok(Arc::new(store))
}

fn from_file(path: &Path) -> Result<RootCertStore, Fault> {
    let unusable = |why: String| Fault::new(kind::TLS_FAILED, format!("CA file {}: {why}", path.display()));
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        store.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unusable("it holds no certificate".into()));
    }
    Ok(store)
}

fn from_system() -> Result<RootCertStore, Fault> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let message = "this system has no root certificates: set sslrootcert to a CA file";
        return Err(Fault::new(kind::TLS_FAILED, message));
    }
    Ok(store)
}

/// Checks less than a browser would, because `sslmode` says so. That the server holds the key of
/// the certificate that it shows is checked always.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name comes last, so the chain is good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn checked(parameters: &str) -> Check {
        check(&Target::parse(&SecretString::from(format!("postgres://u@h/d?{parameters}"))).unwrap())
    }

    #[test]
    fn sslmode_has_the_meaning_of_libpq() {
        assert_eq!(checked("sslmode=prefer"), Check::Nothing);
        assert_eq!(checked("sslmode=require"), Check::Nothing);
        assert_eq!(checked("sslmode=require&sslrootcert=/ca.pem"), Check::Chain);
        assert_eq!(checked("sslmode=verify-ca&sslrootcert=/ca.pem"), Check::Chain);
        assert_eq!(checked("sslmode=verify-ca"), Check::ChainAndName);
        assert_eq!(checked("sslmode=verify-ca&sslrootcert=system"), Check::ChainAndName);
        assert_eq!(checked("sslmode=verify-full"), Check::ChainAndName);
        assert_eq!(checked("sslmode=require&sslrootcert=system"), Check::ChainAndName);
    }

    #[test]
    fn a_ca_file_that_is_missing_is_named() {
        let url = SecretString::from("postgres://u@h/d?sslmode=verify-ca&sslrootcert=/no/such/ca.pem");
        let fault = connector(&Target::parse(&url).unwrap()).err().unwrap();
        assert_eq!(fault.kind, kind::TLS_FAILED);
        assert!(fault.message.contains("/no/such/ca.pem"), "{fault}");
    }
}
