//! Projects of an organisation.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::Limits;
use archon_pool_postgres::credentials::ProjectReference;
use hyper::Method;
use secrecy::SecretString;
use serde::Deserialize;

use crate::api::{Api, Request};

/// Projects of one answer, the most that the API allows.
const PAGE: usize = 100;

/// Largest number of projects.
const MOST: usize = 20_000;

/// A project of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedProject {
    /// Its reference.
    pub reference: ProjectReference,
    /// True unless it is paused, being restored or being removed.
    pub is_active: bool,
}

#[derive(Deserialize)]
struct Page {
    projects: Vec<Entry>,
    pagination: Pagination,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "ref")]
    reference: String,
    status: String,
}

#[derive(Deserialize)]
struct Pagination {
    count: usize,
}

/// Lists the projects of an organisation, named by its slug. `api` is the API's address, when it is not Supabase's own.
///
/// # Errors
///
/// Fails if the token may not list them, or the API does not answer.
pub async fn projects(
    token: &SecretString,
    organisation: &str,
    api: Option<&str>,
    limits: &Limits,
) -> Result<Vec<ListedProject>, Fault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if organisation.is_empty() || organisation.len() > 64 || !organisation.bytes().all(plain) {
        return Err(Fault::invalid("--supabase-org must be the slug in the organisation's dashboard URL"));
    }
    let api = Api::new(api, organisation, token, limits)?;
    let mut projects = Vec::new();
    loop {
        let offset = projects.len();
        let request = Request {
            method: Method::GET,
            path: format!("/v1/organizations/{organisation}/projects?limit={PAGE}&offset={offset}"),
            body: None,
            scope: "organization_projects_read",
            reads: true,
            most: None,
        };
        let Page { projects: page, pagination } =
            api.ask(&request).await.map_err(|fault| unknown(fault, organisation))?;
        let is_last = page.is_empty() || offset + page.len() >= pagination.count.min(MOST);
        for Entry { reference, status } in page {
            let reference = ProjectReference::parse(&reference).ok_or_else(|| {
                Fault::new(kind::UNEXPECTED_ANSWER, "the Management API names a project without a reference")
            })?;
            projects.push(ListedProject { reference, is_active: status.starts_with("ACTIVE") });
        }
        if is_last {
            return Ok(projects);
        }
    }
}

/// Names the organisation where the API has none of this name.
fn unknown(fault: Fault, organisation: &str) -> Fault {
    if fault.kind != kind::CREDENTIAL_INVALID {
        return fault;
    }
    let message = format!(
        "Supabase knows no organisation {organisation}, or the access token's user is not its member: check --supabase-org"
    );
    Fault { message, ..fault }
}
