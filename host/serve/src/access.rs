//! Address of the server, and what a client must present: nothing on a loopback address, otherwise a token or a
//! certificate.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::private_file::{self, Readers};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Largest file of a token, a key or certificates, bytes.
const MOST_BYTES: usize = 256 << 10;

/// Shortest token, bytes.
const SHORTEST_TOKEN: usize = 16;

/// Address and requirements, as files.
#[derive(Debug, Clone)]
pub struct Access {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Name of the flag that sets the address, for messages.
    pub flag: &'static str,
    /// File of the token that a client sends as `Authorization: Bearer TOKEN`.
    pub token: Option<PathBuf>,
    /// Certificate and key of the server.
    pub tls: Option<Tls>,
}

/// Files of the server's certificate.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Authorities of the clients' certificates, PEM. With them, a client without a certificate is refused.
    pub client_ca: Option<PathBuf>,
}

/// The token and the certificates that clients must present, read from the files.
#[derive(Clone)]
pub(crate) struct Requirements {
    token: Option<Sha256Text>,
    pub(crate) tls: Option<TlsAcceptor>,
    client_ca: Option<Sha256Text>,
}

/// The requirements in force, which a reload replaces.
#[derive(Debug, Clone)]
pub(crate) struct InForce(Arc<watch::Sender<Requirements>>);

impl InForce {
    pub(crate) fn new(requirements: Requirements) -> Self {
        Self(Arc::new(watch::Sender::new(requirements)))
    }

    pub(crate) fn get(&self) -> Requirements {
        self.0.borrow().clone()
    }

    pub(crate) fn replace(&self, requirements: Requirements) {
        self.0.send_replace(requirements);
    }

    /// Waits until what a client has presented is not admitted any more.
    pub(crate) async fn refuses(&self, presented: Presented) {
        // The sender is this value's own, so the channel is not closed.
        let _ = self.0.subscribe().wait_for(|requirements| !requirements.admits(&presented)).await;
    }

    /// Waits until the authorities of clients are other ones than those of these requirements.
    pub(crate) async fn distrusts(&self, accepted: &Requirements) {
        let _ = self.0.subscribe().wait_for(|requirements| requirements.client_ca != accepted.client_ca).await;
    }
}

/// Token that a client has presented, as its digest; none without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Presented(Option<Sha256Text>);

impl Presented {
    /// Reads the value of `Authorization`.
    pub(crate) fn of(authorization: Option<&[u8]>) -> Self {
        let parts = authorization.and_then(|value| value.split_at_checked(b"Bearer ".len()));
        let token = parts.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        Self(token.map(|(_, token)| digest(token.trim_ascii())))
    }
}

/// SHA-256 of a token or a file: comparing digests takes a time that depends on no secret.
type Sha256Text = [u8; 32];

impl fmt::Debug for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirements").field("token", &self.token.is_some()).field("tls", &self.tls.is_some()).finish()
    }
}

impl Access {
    /// Refuses an address that others can reach unless they must present something.
    pub(crate) fn check(self) -> Result<Self, Fault> {
        let is_guarded = self.token.is_some() || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if self.listen.ip().is_loopback() || is_guarded {
            return Ok(self);
        }
        let message = format!(
            "--{} {}: other machines can reach this address: set --token-file, or --tls-cert, --tls-key and \
             --tls-client-ca",
            self.flag, self.listen
        );
        Err(Fault::invalid(message))
    }

    /// Returns true if any program of this machine may connect, browsers included.
    pub(crate) fn is_open(&self) -> bool {
        self.token.is_none() && self.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none())
    }

    /// Returns the URL of a bound address.
    pub(crate) fn address(&self, listener: &TcpListener) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        listener.local_addr().map_or_else(|_| scheme.to_owned(), |address| format!("{scheme}://{address}"))
    }

    pub(crate) async fn bind(&self) -> Result<TcpListener, Fault> {
        TcpListener::bind(self.listen).await.map_err(|error| {
            let Self { flag, listen, .. } = self;
            Fault::new(kind::OVERLOADED, format!("--{flag} {listen}: the address cannot be used: {error}"))
        })
    }

    /// Reads the files.
    pub(crate) fn read(&self) -> Result<Requirements, Fault> {
        let token = self.token.as_deref().map(|path| token(path).map_err(|why| invalid("token-file", path, &why)));
        let tls = self.tls.as_ref().map(acceptor);
        let client_ca = self.tls.as_ref().and_then(|tls| tls.client_ca.as_deref());
        let client_ca = client_ca.map(|path| {
            let pem = private_file::read(path, Readers::Anyone, MOST_BYTES);
            pem.map(|pem| digest(&pem)).map_err(|why| invalid("tls-client-ca", path, &why))
        });
        Ok(Requirements { token: token.transpose()?, tls: tls.transpose()?, client_ca: client_ca.transpose()? })
    }
}

impl Requirements {
    /// Returns true if the token is the required one, or none is required.
    pub(crate) fn admits(&self, presented: &Presented) -> bool {
        self.token.is_none() || self.token == presented.0
    }
}

fn digest(text: &[u8]) -> Sha256Text {
    Sha256::digest(text).into()
}

fn invalid(flag: &str, path: &Path, why: &str) -> Fault {
    Fault::invalid(format!("--{flag} {}: {why}", path.display()))
}

fn token(path: &Path) -> Result<Sha256Text, String> {
    let bytes = secret(path)?;
    let token = bytes.trim_ascii();
    if token.len() < SHORTEST_TOKEN || !token.iter().all(u8::is_ascii_graphic) {
        return Err(format!("a token has at least {SHORTEST_TOKEN} printable characters: `openssl rand -hex 32`"));
    }
    Ok(digest(token))
}

/// Reads a file that no other user may read, but perhaps a group: secrets of Kubernetes belong to root and to the pod's
/// group.
fn secret(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = private_file::read(path, Readers::Anyone, MOST_BYTES)?;
    let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.mode();
    if mode & 0o007 != 0 {
        return Err(format!("all users may read it (mode {:04o}): run `chmod o=` on it", mode & 0o777));
    }
    Ok(bytes)
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, Fault> {
    let Tls { certificate, key, client_ca } = tls;
    let chain = certificates(certificate).map_err(|why| invalid("tls-cert", certificate, &why))?;
    let private = secret(key).and_then(|pem| PrivateKeyDer::from_pem_slice(&pem).map_err(|error| error.to_string()));
    let private = private.map_err(|why| invalid("tls-key", key, &why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("tls-cert", certificate, &error.to_string()))?;
    let config = match client_ca {
        None => config.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            let added = certificates(path).and_then(|authorities| {
                authorities.into_iter().try_for_each(|one| roots.add(one).map_err(|error| error.to_string()))
            });
            added.map_err(|why| invalid("tls-client-ca", path, &why))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(
                verifier.map_err(|error| invalid("tls-client-ca", path, &error.to_string()))?,
            )
        }
    };
    let mut config = config
        .with_single_cert(chain, private)
        .map_err(|error| invalid("tls-key", key, &format!("it does not fit --tls-cert: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = private_file::read(path, Readers::Anyone, MOST_BYTES)?;
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if found.is_empty() { Err("it has no certificate in PEM".into()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use futures_util::FutureExt as _;

    use super::*;

    fn access(listen: &str) -> Access {
        Access { listen: listen.parse().expect("an address"), flag: "listen", token: None, tls: None }
    }

    fn file(content: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("set");
        file
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token_or_certificates_of_clients() {
        let tls = |client_ca| Tls { certificate: "c".into(), key: "k".into(), client_ca };
        for address in ["127.0.0.1:9788", "[::1]:9788", "127.8.8.8:1"] {
            assert!(access(address).check().is_ok(), "{address}");
        }
        for address in ["0.0.0.0:9788", "[::]:9788", "10.0.0.1:1"] {
            let fault = access(address).check().expect_err(address);
            assert!(fault.message.contains("--token-file"), "{}", fault.message);
            assert!(Access { tls: Some(tls(None)), ..access(address) }.check().is_err(), "TLS alone admits everybody");
            assert!(Access { tls: Some(tls(Some("ca".into()))), ..access(address) }.check().is_ok());
            assert!(Access { token: Some("t".into()), ..access(address) }.check().is_ok());
        }
    }

    #[test]
    fn only_the_token_is_admitted() {
        let file = file("0123456789abcdef\n", 0o640);
        let access = Access { token: Some(file.path().to_owned()), ..access("0.0.0.0:1") };
        let required = access.read().expect("read");
        let admits = |authorization| required.admits(&Presented::of(authorization));
        assert!(admits(Some(b"Bearer 0123456789abcdef")) && admits(Some(b"bearer 0123456789abcdef")));
        for wrong in
            [None, Some(&b""[..]), Some(b"Bearer"), Some(b"Bearer 0123456789abcde"), Some(b"Basic 0123456789abcdef")]
        {
            assert!(!admits(wrong), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_replaced_token_is_noticed_and_the_same_one_read_again_is_not() {
        let requirements = |token: &[u8]| Requirements { token: Some(digest(token)), tls: None, client_ca: None };
        let in_force = InForce::new(requirements(b"0123456789abcdef"));
        let presented = Presented::of(Some(b"Bearer 0123456789abcdef"));
        let mut refused = std::pin::pin!(in_force.refuses(presented));
        in_force.replace(requirements(b"0123456789abcdef"));
        assert!((&mut refused).now_or_never().is_none());
        in_force.replace(requirements(b"fedcba9876543210"));
        refused.await;
        in_force.refuses(Presented::default()).await;
    }

    #[test]
    fn a_token_that_all_can_read_or_guess_is_refused() {
        for (content, mode, words) in [
            ("0123456789abcdef", 0o644, "chmod o="),
            ("short", 0o600, "at least 16"),
            ("with a blank inside it", 0o600, "printable"),
        ] {
            let file = file(content, mode);
            let access = Access { token: Some(file.path().to_owned()), ..access("0.0.0.0:1") };
            let message = access.read().expect_err("refused").message;
            assert!(message.contains(words) && !message.contains(content), "{message}");
        }
    }
}
