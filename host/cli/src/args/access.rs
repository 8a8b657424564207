//! Flags of the commands that serve HTTP: what a client must present.

use std::net::SocketAddr;
use std::path::PathBuf;

use archon_pool_serve::{Access, Tls};
use clap::Args as Group;

/// Token and certificates.
#[derive(Debug, Group)]
pub(crate) struct AccessFlags {
    /// Require this file's token of clients, as `Authorization: Bearer TOKEN`
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Serve HTTPS with this certificate chain
    #[arg(long, value_name = "CERT.pem", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert
    #[arg(long, value_name = "KEY.pem", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Require certificates of clients, issued by these authorities
    #[arg(long, value_name = "CA.pem", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

impl AccessFlags {
    /// Returns true if any of them is given.
    #[cfg(feature = "mcp")]
    pub(crate) fn is_given(&self) -> bool {
        self.token_file.is_some() || self.tls_cert.is_some()
    }

    /// Returns true if clients must present something.
    #[cfg(feature = "mcp")]
    pub(crate) fn identifies_clients(&self) -> bool {
        self.token_file.is_some() || self.tls_client_ca.is_some()
    }

    /// Returns the access to an address, which this flag sets.
    pub(crate) fn access(&self, listen: SocketAddr, flag: &'static str) -> Access {
        let tls = self.tls_cert.as_ref().zip(self.tls_key.as_ref()).map(|(certificate, key)| Tls {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: self.tls_client_ca.clone(),
        });
        Access { listen, flag, token: self.token_file.clone(), tls }
    }
}
