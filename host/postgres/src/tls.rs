//! TLS with libpq's meaning of `sslmode`, on rustls.
//!
//! | sslmode | certificate |
//! |---|---|
//! | `allow`, `prefer`, `require` | accepted unseen; with a CA file as by `verify-ca` |
//! | `verify-ca` | chain verified, name not; without a CA file as by `verify-full` |
//! | `verify-full` | chain and name verified |

mod certificate;
mod chain;
mod names;
mod verifier;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::private_file;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, Error, RootCertStore, SupportedProtocolVersion};
use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::verifier::{Check, Trusted, Verifier};
use crate::target::{Roots, SslMode, SslNegotiation, Target, TlsVersion};

/// Largest file of certificates or a key; a bundle of all public authorities has a quarter of it.
const MOST_BYTES: usize = 1 << 20;

/// ALPN protocol name for servers that start with TLS at once.
const ALPN: &[u8] = b"postgresql";

fn check(target: &Target) -> Check {
    match (target.ssl_mode, &target.roots) {
        (SslMode::VerifyFull, _) => Check::ChainAndName,
        (SslMode::VerifyCa | SslMode::Allow | SslMode::Prefer | SslMode::Require, Some(Roots::File(_))) => Check::Chain,
        // libpq requires `verify-full` with `sslrootcert=system`: public authorities issue certificates to anyone, so a
        // chain without a name would prove nothing.
        (SslMode::VerifyCa, _) | (SslMode::Allow | SslMode::Prefer | SslMode::Require, Some(Roots::System)) => {
            Check::ChainAndName
        }
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require, _) => Check::Nothing,
    }
}

/// Opens TLS to the servers of a target.
#[derive(Clone)]
pub(crate) struct Connector {
    trusted: Option<Arc<Trusted>>,
    check: Check,
    target: Target,
    /// Reason for which a certificate is not verified although authorities are configured.
    pub(crate) unverified: Option<String>,
}

impl Connector {
    /// Reads the CA file, where one is needed.
    pub(crate) fn new(target: &Target) -> Result<Self, Fault> {
        // As in libpq: below `verify-ca` a missing file disables verification.
        let unverified = match &target.roots {
            Some(Roots::File(path)) if target.ssl_mode < SslMode::VerifyCa && !path.exists() => {
                Some(format!("sslrootcert {} does not exist: the server's certificate is not verified", path.display()))
            }
            _ => None,
        };
        let check = if unverified.is_some() { Check::Nothing } else { check(target) };
        let trusted = if check == Check::Nothing { None } else { Some(Arc::new(trusted(target)?)) };
        let connector = Self { trusted, check, target: target.clone(), unverified };
        if target.ssl_mode != SslMode::Disable {
            connector.config()?;
        }
        Ok(connector)
    }

    /// Returns the configuration of one connection, and its verifier.
    fn config(&self) -> Result<(ClientConfig, Arc<Verifier>), Fault> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new(self.check, self.trusted.clone(), Arc::clone(&provider));
        let verifier = Arc::new(verifier.map_err(|error| not_set_up(&error))?);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(&self.target))
            .map_err(|error| not_set_up(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Verifier>::clone(&verifier));
        let mut config = match &self.target.client_certificate {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let key = PrivateKeyDer::from_pem_slice(&read("key (sslkey)", &files.key)?)
                    .map_err(|error| unusable("key (sslkey)", &files.key, &error.to_string()))?;
                let chain = pem_file("certificate (sslcert)", &files.certificate)?;
                let found = builder.with_client_auth_cert(chain, key);
                found.map_err(|error| unusable("certificate (sslcert)", &files.certificate, &error.to_string()))?
            }
        };
        if self.target.ssl_negotiation == SslNegotiation::Direct {
            config.alpn_protocols.push(ALPN.to_vec());
        }
        Ok((config, verifier))
    }

    /// Performs the handshake, and returns the stream with the channel binding data for SCRAM.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Option<Vec<u8>>)> {
        let (config, verifier) = self.config().map_err(|fault| io::Error::other(fault.message))?;
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            // The name is neither sent nor verified.
            Err(_) if self.check != Check::ChainAndName => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
        };
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first());
        // Certificates are public: without a proof of the key there is nothing to bind to.
        let binding = shown.filter(|_| verifier.has_proved_its_key()).and_then(certificate::channel_binding);
        Ok((stream, binding))
    }
}

fn versions(target: &Target) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(TlsVersion::Tls13, &rustls::version::TLS13), (TlsVersion::Tls12, &rustls::version::TLS12)];
    let wanted = |version: &TlsVersion| {
        *version >= target.ssl_min_version && target.ssl_max_version.is_none_or(|most| *version <= most)
    };
    all.into_iter().filter(|(version, _)| wanted(version)).map(|(_, supported)| supported).collect()
}

/// Returns the configuration of HTTPS: HTTP/1.1, with certificates of the system's authorities.
pub fn for_https() -> Result<ClientConfig, Fault> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| not_set_up(&error))?;
    let mut config = builder.with_root_certificates(store(&from_system()?)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn not_set_up(error: &Error) -> Fault {
    Fault::new(kind::TLS_FAILED, format!("TLS cannot be set up: {error}"))
}

fn unusable(what: &str, path: &Path, why: &str) -> Fault {
    Fault::new(kind::TLS_FAILED, format!("{what} {}: {why}", path.display()))
}

fn trusted(target: &Target) -> Result<Trusted, Fault> {
    let certificates = match &target.roots {
        Some(Roots::File(path)) => {
            let certificates = pem_file("CA file", path)?;
            let unreadable = |why: &str| unusable("CA file", path, why);
            if certificates.is_empty() {
                return Err(unreadable("it holds no certificate"));
            }
            if let Some(error) = certificates.iter().find_map(|each| certificate::parse(each).err()) {
                return Err(unreadable(&error.to_string()));
            }
            certificates
        }
        Some(Roots::System) | None => from_system()?,
    };
    Ok(Trusted { store: Arc::new(store(&certificates)), certificates })
}

fn pem_file(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = read(what, path)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes);
    certificates.map(|each| each.map_err(|error| unusable(what, path, &error.to_string()))).collect()
}

/// Reads a regular file of limited size: a device would never end, and a pipe would block.
fn read(what: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let bytes = private_file::read_from_anyone(path, MOST_BYTES).map_err(|why| unusable(what, path, &why))?;
    Ok(Zeroizing::new(bytes))
}

fn store(certificates: &[CertificateDer<'static>]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    store
}

fn from_system() -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let message = "this system has no root certificates: set sslrootcert to a CA file";
        return Err(Fault::new(kind::TLS_FAILED, message));
    }
    Ok(found.certs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn target(parameters: &str) -> Target {
        Target::parse(&SecretString::from(format!("postgres://u@h/d?{parameters}"))).unwrap()
    }

    #[test]
    fn sslmode_has_the_meaning_of_libpq() {
        for (parameters, expected) in [
            ("sslmode=prefer", Check::Nothing),
            ("sslmode=allow", Check::Nothing),
            ("sslmode=require", Check::Nothing),
            ("sslmode=require&sslrootcert=/ca.pem", Check::Chain),
            ("sslmode=verify-ca&sslrootcert=/ca.pem", Check::Chain),
            ("sslmode=verify-ca", Check::ChainAndName),
            ("sslmode=verify-full", Check::ChainAndName),
            ("sslmode=verify-full&sslrootcert=system", Check::ChainAndName),
        ] {
            assert_eq!(check(&target(parameters)), expected, "{parameters}");
        }
    }

    #[test]
    fn a_ca_file_that_is_missing_is_named() {
        let fault = Connector::new(&target("sslmode=verify-ca&sslrootcert=/no/such/ca.pem")).err().unwrap();
        assert_eq!(fault.kind, kind::TLS_FAILED);
        assert!(fault.message.contains("/no/such/ca.pem"), "{fault}");
    }

    #[test]
    fn reads_no_device_as_a_ca_file() {
        let fault = Connector::new(&target("sslmode=verify-ca&sslrootcert=/dev/zero")).err().unwrap();
        assert!(fault.message.contains("/dev/zero: it is no regular file"), "{fault}");
    }

    #[test]
    fn below_verify_ca_a_missing_ca_file_disables_verification_with_a_note() {
        let connector = Connector::new(&target("sslmode=require&sslrootcert=/no/such/ca.pem")).unwrap();
        assert_eq!(connector.check, Check::Nothing);
        assert!(connector.unverified.unwrap().contains("/no/such/ca.pem"));
    }

    #[test]
    fn versions_are_those_between_the_bounds() {
        assert_eq!(versions(&target("")).len(), 2);
        assert_eq!(versions(&target("ssl_min_protocol_version=TLSv1.3")), [&rustls::version::TLS13]);
        assert_eq!(versions(&target("ssl_max_protocol_version=TLSv1.2")), [&rustls::version::TLS12]);
    }
}
