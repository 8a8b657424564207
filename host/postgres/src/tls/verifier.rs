//! Verification of the server's certificate and its signature of the handshake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::{certificate, chain, names};

/// Verified parts of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// None: it is accepted unverified.
    Nothing,
    /// The chain.
    Chain,
    /// The chain and the name.
    ChainAndName,
}

/// The authorities that a certificate is verified against.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) store: Arc<RootCertStore>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// Signatures that the crypto provider cannot verify: by P-521, and by keys that are for RSA-PSS alone.
const UNVERIFIABLE: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
];

const UNVERIFIABLE_KEY: &str = "the server's key cannot be verified here, as it is of P-521 or for RSA-PSS alone: give the \
                                server a key of P-256, P-384 or RSA";

/// Verifies as libpq does: only the checks that `sslmode` requires can refuse.
#[derive(Debug)]
pub(super) struct Verifier {
    check: Check,
    trusted: Option<Arc<Trusted>>,
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    unproved: AtomicBool,
}

impl Verifier {
    pub(super) fn new(
        check: Check,
        trusted: Option<Arc<Trusted>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let roots = trusted.as_ref().map(|trusted| Arc::clone(&trusted.store)).filter(|store| !store.is_empty());
        let webpki =
            roots.map(|roots| WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build());
        let webpki = webpki.transpose().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { check, trusted, webpki, provider, unproved: AtomicBool::new(false) })
    }

    /// Returns true if the server proved that it holds the certificate's key. Where nothing is verified, a key or
    /// signature that is not supported here is accepted without a proof.
    pub(super) fn has_proved_its_key(&self) -> bool {
        !self.unproved.load(Ordering::Relaxed)
    }

    /// Verifies the chain, first by webpki, then by the rules of OpenSSL where webpki is stricter.
    fn chain(
        &self,
        trusted: &Trusted,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let by_webpki =
            self.webpki.as_ref().map_or(Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)), |webpki| {
                webpki.verify_server_cert(shown, intermediates, server, &[], now)
            });
        match by_webpki {
            // The name is checked last, so the chain is valid.
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            Err(error) => {
                let algorithms = self.provider.signature_verification_algorithms.all;
                let by_openssl = chain::verify(shown, intermediates, &trusted.certificates, now, algorithms);
                // The reason of webpki may not apply to libpq.
                by_openssl.map_err(|other| if is_about_rules(&error) { other } else { error })
            }
        }
    }

    /// Verifies a signature of the handshake by the certificate's key alone.
    fn by_key(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Err(error) = verified else { return verified };
        let mapping = self.provider.signature_verification_algorithms.mapping;
        let algorithms =
            mapping.iter().find(|(scheme, _)| *scheme == signed.scheme).map_or(&[][..], |(_, found)| *found);
        let by_key = certificate::parse(shown)
            .is_ok_and(|signer| certificate::verifies(&signer, algorithms, message, signed.signature()));
        if !by_key {
            if self.check != Check::Nothing {
                let is_known = mapping.iter().any(|(scheme, _)| *scheme == signed.scheme);
                return Err(if is_known { error } else { Error::General(UNVERIFIABLE_KEY.to_owned()) });
            }
            self.unproved.store(true, Ordering::Relaxed);
        }
        Ok(HandshakeSignatureValid::assertion())
    }
}

/// Returns true if webpki refused the chain for a reason on which OpenSSL has other rules.
fn is_about_rules(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = self.trusted.as_ref().filter(|_| self.check != Check::Nothing) else {
            return Ok(ServerCertVerified::assertion());
        };
        self.chain(trusted, shown, intermediates, server, now)?;
        if self.check == Check::ChainAndName {
            let by_libpq = || certificate::parse(shown).is_ok_and(|shown| names::fits(&shown, server));
            let by_webpki = ParsedCertificate::try_from(shown).and_then(|shown| verify_server_name(&shown, server));
            by_webpki.or_else(|error| match (by_libpq(), error) {
                (true, _) => Ok(()),
                (false, Error::InvalidCertificate(CertificateError::Other(OtherError(_)))) => {
                    Err(Error::InvalidCertificate(CertificateError::NotValidForName))
                }
                (false, error) => Err(error),
            })?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms);
        self.by_key(verified, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms);
        self.by_key(verified, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        // Servers with such a key would end the handshake, and no `sslmode` below `verify-ca` asks for its proof.
        schemes.extend(UNVERIFIABLE);
        schemes
    }
}
