//! Sources of credentials, and the part of a request that selects one.

use std::fmt;
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use async_trait::async_trait;
use secrecy::SecretString;

use crate::bindings::{CredentialHandle, CredentialScope};
use crate::limits::Limits;
use crate::shutdown_guard::ShutdownGuard;

/// The fields of a request that select the database.
#[derive(Debug, Clone, Default)]
pub struct CredentialRequest {
    /// `supabaseUrl`: a connection text, or the URL of a Supabase project.
    pub url: Option<SecretString>,
    /// `supabaseKey`: a password or an access token for the URL.
    pub key: Option<SecretString>,
    /// `credential`: the name of a configured one; none for the default.
    pub name: Option<String>,
}

/// Grants calls the credentials that they may use.
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// Grants one call the credentials that its request contains or names; nothing is looked up or opened yet.
    ///
    /// Everything that the scope opens holds the guard until it is closed. Fails with `invalid-params` or
    /// `credential-invalid` for a request that contradicts itself or cannot be read.
    fn grant(
        self: Arc<Self>,
        request: CredentialRequest,
        limits: &Limits,
        guard: ShutdownGuard,
    ) -> Result<Box<dyn CredentialScope>, Fault>;

    /// Returns this source with a session that is kept open between calls; none where it cannot keep one.
    fn keeping_session(&self) -> Option<Arc<dyn CredentialSource>> {
        None
    }

    /// Returns the server of a credential, or of the default one: `host:port`. None where only opening it shows the
    /// server, or there is no such credential.
    fn server(&self, _name: Option<&str>) -> Option<String> {
        None
    }

    /// Prepares what is kept open between calls, while the component of the next call starts.
    fn prepare(&self) {}
}

impl<T: CredentialSource + ?Sized> CredentialSource for Arc<T> {
    fn grant(
        self: Arc<Self>,
        request: CredentialRequest,
        limits: &Limits,
        guard: ShutdownGuard,
    ) -> Result<Box<dyn CredentialScope>, Fault> {
        T::grant(Arc::unwrap_or_clone(self), request, limits, guard)
    }

    fn keeping_session(&self) -> Option<Arc<dyn CredentialSource>> {
        (**self).keeping_session()
    }

    fn server(&self, name: Option<&str>) -> Option<String> {
        (**self).server(name)
    }

    fn prepare(&self) {
        (**self).prepare();
    }
}

/// The source of a host that has no credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

impl CredentialSource for NoCredentials {
    fn grant(
        self: Arc<Self>,
        _: CredentialRequest,
        _: &Limits,
        _: ShutdownGuard,
    ) -> Result<Box<dyn CredentialScope>, Fault> {
        Ok(Box::new(*self))
    }
}

#[async_trait]
impl CredentialScope for NoCredentials {
    async fn lookup(&self, _: Option<&str>) -> Result<CredentialHandle, Fault> {
        Err(Fault::new(kind::CREDENTIALS_NOT_FOUND, "Supabase credentials not found: this host has none"))
    }
}
