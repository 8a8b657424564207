//! Sessions of a project: on its own server, and where nothing answers there through the pooler's session mode.
//!
//! The server's own host has no IPv4 address unless the project bought one. Where the pooler is only the API can say:
//! its host has a number that is in no other name of the project.

use archon_pool_contract::fault::{Fault, kind};

use super::project::{PoolerSettings, Project};
use crate::access_path::AccessPath;
use crate::credentials::ProjectReference;
use crate::limits::Limits;
use crate::session::{Presence, Session};
use crate::target::Target;

/// Port of the pooler's session mode, on the host whose port 6543 is for transactions.
const SESSION_PORT: u16 = 5432;

/// Opens a session, and says by which way; `project` is what an access token beside the password opens.
pub(crate) async fn open(
    target: &Target,
    project: Option<&Project>,
    limits: &Limits,
    presence: &Presence,
) -> Result<(Session, AccessPath), Fault> {
    let Some(project) = project else {
        let opened = Session::open(target, limits, presence).await;
        return opened.map(|session| (session, AccessPath::Direct)).map_err(|fault| advised(fault, target));
    };
    let reached = project.reached(target)?;
    let unreachable = match Session::open(reached, limits, presence).await {
        Ok(session) if std::ptr::eq(reached, target) => return Ok((session, AccessPath::Direct)),
        Ok(session) => return Ok((session, AccessPath::Pooler)),
        Err(fault) if fault.kind == kind::SERVER_UNREACHABLE && project.detour.get().is_none() => fault,
        Err(fault) => return Err(fault),
    };
    let detour = project.detour.get_or_try_init(|| session_mode(project, target)).await;
    let both = |why: Fault| Fault { message: format!("{}; its pooler: {}", unreachable.message, why.message), ..why };
    Session::open(detour.map_err(both)?, limits, presence).await.map(|session| (session, AccessPath::Pooler))
}

impl Project {
    /// Where sessions of this call are opened: where the last one could be.
    pub(crate) fn reached<'a>(&'a self, target: &'a Target) -> Result<&'a Target, Fault> {
        if target.password.is_none() {
            return Err(no_password(self));
        }
        Ok(self.detour.get().unwrap_or(target))
    }
}

async fn session_mode(project: &Project, target: &Target) -> Result<Target, Fault> {
    detour(&project.pooler().await?, target, project.is_local())
}

/// The same login by the pooler.
fn detour(pooler: &PoolerSettings, target: &Target, is_local: bool) -> Result<Target, Fault> {
    let host = pooler.db_host.as_str();
    // The password goes there.
    if !(host.ends_with(".pooler.supabase.com") || is_local && host == "127.0.0.1") {
        return Err(Fault::new(kind::UNEXPECTED_ANSWER, "the Management API names a pooler that is not Supabase's"));
    }
    let port = if pooler.pool_mode == "session" { pooler.db_port } else { SESSION_PORT };
    // The pooler finds the project by what stands behind the role.
    let user = match pooler.db_user.split_once('.') {
        Some((_, project)) => format!("{}.{project}", target.user),
        None => target.user.clone(),
    };
    Ok(Target { user, options: None, ..target.at(host, port) })
}

fn no_password(project: &Project) -> Fault {
    let message = format!(
        "the access token opens no session of project {project}: give the database password beside it \
         (dashboard, Project Settings, Database)"
    );
    Fault::new(kind::CREDENTIAL_INVALID, message)
}

/// Says what helps where only IPv6 leads.
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

    fn pooler(host: &str, mode: &str) -> PoolerSettings {
        PoolerSettings {
            database_type: "PRIMARY".into(),
            db_user: "postgres.abcdefghijklmnopqrst".into(),
            db_host: host.into(),
            db_port: 6543,
            db_name: "postgres".into(),
            default_pool_size: None,
            max_client_conn: None,
            pool_mode: mode.into(),
        }
    }

    fn target() -> Target {
        let url = "postgres://app:hunter2@db.abcdefghijklmnopqrst.supabase.co/shop?sslmode=verify-full&options=x";
        Target::parse(&SecretString::from(url)).unwrap()
    }

    #[test]
    fn the_login_is_the_same_by_the_pooler() {
        let detour = detour(&pooler("aws-1-eu-west-1.pooler.supabase.com", "transaction"), &target(), false).unwrap();
        assert_eq!(detour.to_string(), "aws-1-eu-west-1.pooler.supabase.com:5432");
        assert_eq!((detour.user.as_str(), detour.database.as_str()), ("app.abcdefghijklmnopqrst", "shop"));
        assert_eq!((detour.ssl_mode, detour.options), (target().ssl_mode, None));
    }

    #[test]
    fn the_password_goes_to_supabase_alone() {
        for host in ["127.0.0.1", "pooler.supabase.com.example", "example.com"] {
            let fault = detour(&pooler(host, "session"), &target(), false).unwrap_err();
            assert_eq!(fault.kind, kind::UNEXPECTED_ANSWER, "{host}");
        }
        assert_eq!(detour(&pooler("127.0.0.1", "session"), &target(), true).unwrap().port, 6543);
    }

    #[test]
    fn whoever_lacks_ipv6_is_told_what_helps() {
        let unreachable = || Fault::new(kind::SERVER_UNREACHABLE, "no answer");
        assert!(advised(unreachable(), &target()).message.contains("access token"));
        let other = Target::parse(&SecretString::from("postgres://u@db.example/d")).unwrap();
        assert_eq!(advised(unreachable(), &other).message, "no answer");
    }
}
