//! Credentials: a project's reference, with the access token of the component's environment.

use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use wasip2::cli::environment::get_environment;

use super::Component;
use super::api::Project;
use super::bindings::exports::archon::connection_pool::credentials::{self, Guest, GuestCredential};
use super::bindings::exports::archon::connection_pool::types;

/// Variable with the access token.
const TOKEN: &str = "SUPABASE_ACCESS_TOKEN";
/// Variable with the address of another API.
const API: &str = "SUPABASE_API_URL";

/// A credential: what opens sessions and the console of a project.
pub(super) struct Credential(pub(super) Arc<Project>);

impl Guest for Component {
    type Credential = Credential;

    fn lookup(name: Option<String>) -> Result<credentials::Credential, types::Fault> {
        let project = open(name.as_deref()).map_err(types::Fault::from)?;
        Ok(credentials::Credential::new(Credential(Arc::new(project))))
    }
}

impl GuestCredential for Credential {
    fn name(&self) -> String {
        self.0.reference().to_owned()
    }
}

fn open(name: Option<&str>) -> Result<Project, Fault> {
    let not_found = |why: &str| {
        let message = format!("Supabase credentials not found: {why}");
        Fault::new(kind::CREDENTIALS_NOT_FOUND, message)
    };
    let reference = name.ok_or_else(|| not_found("no project was named"))?;
    let environment = get_environment();
    let variable = |wanted: &str| {
        let set = environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
        set.map(|(_, value)| value.trim())
    };
    let token = variable(TOKEN).ok_or_else(|| not_found(&format!("the component's environment has no {TOKEN}")))?;
    Project::open(reference, token, variable(API))
}

impl From<Fault> for types::Fault {
    fn from(fault: Fault) -> Self {
        let Fault { kind, message, sqlstate, retryable } = fault;
        Self { kind, message, sqlstate, retryable }
    }
}
