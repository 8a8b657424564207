//! Data of one credential: the server of its sessions, the fallbacks, the pool's controller and the project's token.

use archon_pool_contract::fault::Fault;
use secrecy::SecretString;

use super::controller::Controller;
use crate::connection_config::{Parts, Setting, invalid};
use crate::project::{AccessToken, ProjectReference};
use crate::target::Target;

/// The targets and tokens of one credential.
#[derive(Clone)]
pub(crate) struct Access {
    /// Server of its sessions; without a password when there is only an access token.
    pub(crate) target: Target,
    pub(crate) fallback_targets: FallbackTargets,
    pub(crate) controller: Option<Controller>,
    pub(crate) token: Option<AccessToken>,
}

/// Targets to try when the server has no free slot for the credential's own login.
#[derive(Debug, Clone, Default)]
pub(crate) struct FallbackTargets {
    /// `reserve` in the credentials file.
    pub(crate) reserve: Option<Target>,
    /// `through` in the credentials file.
    pub(crate) through: Option<Target>,
}

impl From<Target> for Access {
    fn from(target: Target) -> Self {
        Self { target, fallback_targets: FallbackTargets::default(), controller: None, token: None }
    }
}

impl Access {
    /// Joins a connection with the access token of its project.
    pub(super) fn of_project(
        target: Target,
        reference: Option<ProjectReference>,
        token: Option<&SecretString>,
    ) -> Result<Self, Fault> {
        let token = match (reference.or_else(|| ProjectReference::of_target(&target)), token) {
            (_, None) => None,
            (Some(reference), Some(token)) => Some(AccessToken::new(reference, token)?),
            (None, Some(_)) => {
                return Err(invalid("an access token opens a project, and no part of the connection names one"));
            }
        };
        Ok(Self { token, ..Self::from(target) })
    }

    /// Adds a token from another source, if the connection names its project.
    pub(super) fn beside(self, token: Option<&SecretString>) -> Result<Self, Fault> {
        if self.token.is_some() || ProjectReference::of_target(&self.target).is_none() {
            return Ok(self);
        }
        let with_token = Self::of_project(self.target, None, token)?;
        Ok(Self { fallback_targets: self.fallback_targets, controller: self.controller, ..with_token })
    }
}

/// Returns the connection settings of a project's own server.
pub(super) fn direct(reference: &ProjectReference) -> Parts {
    let mut parts = Parts::default();
    parts.set(Setting::Host, &reference.direct_host());
    parts.set(Setting::User, "postgres");
    parts.set(Setting::Database, "postgres");
    parts
}
