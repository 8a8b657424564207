//! Credential of one call: the data that its scope found, and the API of its Supabase project.

use std::sync::Arc;

use archon_pool_contract::fault::Fault;
use archon_pool_core::limits::Limits;
use archon_pool_core::shutdown_guard::ShutdownGuard;

use crate::credentials::{Access, CallCredentials, Controller, FallbackTargets, Place};
use crate::opening;
use crate::project_api::ProjectApi;
use crate::target::Target;

mod vault;

/// Data behind a component's handle to a credential.
pub(crate) struct Credential {
    pub(crate) name: String,
    /// Server of its sessions; without a password when there is only an access token.
    pub(crate) target: Target,
    pub(crate) fallback_targets: FallbackTargets,
    /// Management API that the access token opens.
    pub(crate) project: Option<Arc<dyn ProjectApi>>,
    /// Controller of the size of its pool.
    pub(crate) controller: Option<Controller>,
}

impl Credential {
    /// Finds a scope's credential; opens the vault that stores it, if any.
    pub(crate) async fn find(
        scope: &CallCredentials,
        name: Option<&str>,
        limits: &Limits,
        guard: &ShutdownGuard,
    ) -> Result<Self, Fault> {
        let found = scope.find(name)?;
        let credential = match found.place {
            Place::Here(access) => Self::new(&found.name, *access, scope, limits)?,
            Place::Vault { via, opener, secret } => {
                let opener = Self::new(&via, *opener, scope, limits)?;
                let target = vault::fetch(&opener.target, opener.project.as_deref(), &secret, limits, guard).await?;
                Self::new(&found.name, target.into(), scope, limits)?
            }
        };
        Ok(Self { controller: found.controller.or(credential.controller), ..credential })
    }

    /// Returns the target of new sessions: the detour, if a session of this call needed it.
    pub(crate) fn reached(&self) -> Result<&Target, Fault> {
        match &self.project {
            Some(project) => opening::reached(&**project, &self.target),
            None => Ok(&self.target),
        }
    }

    fn new(name: &str, access: Access, scope: &CallCredentials, limits: &Limits) -> Result<Self, Fault> {
        let Access { target, fallback_targets, controller, token } = access;
        let project = token.map(|token| scope.project(&token, limits)).transpose()?;
        Ok(Self { name: name.to_owned(), target, fallback_targets, project, controller })
    }
}
