//! Resolution of settings into a target: the environment fills unset settings, then the texts are interpreted.

use archon_pool_contract::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use super::ambient::{Ambient, Origin};
use super::fault::refused;
use super::parts::Parts;
use super::setting::Setting::{PassFile, Service, ServiceFile, SslCert, SslKey, SslRootCert};
use super::target::Target;
use super::{text, values};

impl Target {
    /// Parses a connection URL or key=value text, without the environment. No error repeats a part that may be a
    /// secret.
    pub fn parse(text: &SecretString) -> Result<Self, Fault> {
        text::parts(text.expose_secret())?.finish(Origin::Operator(None))
    }
}

impl Parts {
    /// Fills unset settings from the environment, as far as the origin allows, and interprets all.
    pub(crate) fn finish(mut self, origin: Origin<'_>) -> Result<Target, Fault> {
        values::settle_certificates(&mut self)?;
        match origin {
            Origin::Request => refuse_files(&self)?,
            Origin::Operator(None) => Ambient::default().fill(&mut self)?,
            Origin::Operator(Some(ambient)) => ambient.fill(&mut self)?,
        }
        values::target(self, origin)
    }
}

/// Refuses local files in a request, whether they exist or not. The system's certificates are not a file.
fn refuse_files(parts: &Parts) -> Result<(), Fault> {
    let roots = parts.get(SslRootCert).filter(|roots| *roots != "system").map(|_| SslRootCert);
    let mut files = [PassFile, Service, ServiceFile, SslCert, SslKey].into_iter().chain(roots);
    files.find_map(|it| parts.given.get(&it)).map_or(Ok(()), |given| {
        let reason = "it names a file of this machine, which a request may not; name it in the credentials file";
        Err(refused(&given.name, reason))
    })
}
