//! Opening of a session on a credential's own server or, where a project's API has one, at its detour.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::access_path::AccessPath;
use archon_pool_core::limits::Limits;
use archon_pool_core::shutdown_guard::ShutdownGuard;

use crate::project::ProjectReference;
use crate::project_api::ProjectApi;
use crate::session::Session;
use crate::target::Target;

/// Opens a session, and returns it with its access path; `project` is the API that an access token opens.
pub(crate) async fn open(
    target: &Target,
    project: Option<&dyn ProjectApi>,
    limits: &Limits,
    guard: &ShutdownGuard,
) -> Result<(Session, AccessPath), Fault> {
    let Some(project) = project else {
        let opened = Session::open(target, limits, guard).await;
        return opened.map(|session| (session, AccessPath::Direct)).map_err(|fault| advised(fault, target));
    };
    let reached = reached(project, target)?;
    let unreachable = match Session::open(reached, limits, guard).await {
        Ok(session) if std::ptr::eq(reached, target) => return Ok((session, AccessPath::Direct)),
        Ok(session) => return Ok((session, AccessPath::Pooler)),
        Err(fault) if fault.kind == kind::SERVER_UNREACHABLE && project.known_detour().is_none() => fault,
        Err(fault) => return Err(fault),
    };
    let detour = project.detour(target).await;
    let both = |why: Fault| Fault { message: format!("{}; its pooler: {}", unreachable.message, why.message), ..why };
    Session::open(detour.map_err(both)?, limits, guard).await.map(|session| (session, AccessPath::Pooler))
}

/// Returns the target of new sessions of a call: the one at which the last session was opened.
pub(crate) fn reached<'a>(project: &'a dyn ProjectApi, target: &'a Target) -> Result<&'a Target, Fault> {
    if target.password.is_none() {
        return Err(no_password(project.name()));
    }
    Ok(project.known_detour().unwrap_or(target))
}

fn no_password(project: &str) -> Fault {
    let message = format!(
        "the access token opens no session of project {project}: give the database password beside it \
         (dashboard, Project Settings, Database)"
    );
    Fault::new(kind::CREDENTIAL_INVALID, message)
}

/// Adds advice to the fault of a server that is reachable over IPv6 alone.
fn advised(fault: Fault, target: &Target) -> Fault {
    let is_direct = target.host.starts_with("db.") && ProjectReference::of_target(target).is_some();
    if fault.kind != kind::SERVER_UNREACHABLE || !is_direct {
        return fault;
    }
    let message = format!(
        "{}; this host has no IPv4 address unless the project bought one: give an access token beside the password, \
         or the session pooler's URL (dashboard, Connect)",
        fault.message
    );
    Fault { message, ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn suggests_a_remedy_without_ipv6() {
        let unreachable = || Fault::new(kind::SERVER_UNREACHABLE, "no answer");
        let target = |url: &str| Target::parse(&SecretString::from(url)).unwrap();
        let supabase = target("postgres://app:x@db.abcdefghijklmnopqrst.supabase.co/shop");
        assert!(advised(unreachable(), &supabase).message.contains("access token"));
        assert_eq!(advised(unreachable(), &target("postgres://u@db.example/d")).message, "no answer");
    }
}
