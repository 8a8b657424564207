//! The detour of a project whose own server cannot be reached: its pooler in session mode.
//!
//! The server's own host has no IPv4 address unless the project bought one. Only the API has the pooler's address: its
//! host contains a number that is in no other name of the project.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_postgres::target::Target;
use archon_pool_query_endpoint::pooler_settings::PoolerSettings;

use super::project::Project;

/// Port of the pooler's session mode, on the host whose port 6543 is for transactions.
const SESSION_PORT: u16 = 5432;

/// Finds the pooler of a project in its session mode.
pub(crate) async fn session_mode(project: &Project, target: &Target) -> Result<Target, Fault> {
    detour(&project.pooler().await?, target, project.is_local())
}

/// Returns the same login at the pooler.
fn detour(pooler: &PoolerSettings, target: &Target, is_local: bool) -> Result<Target, Fault> {
    let host = pooler.db_host.as_str();
    // The password is sent there.
    if !(host.ends_with(".pooler.supabase.com") || is_local && host == "127.0.0.1") {
        return Err(Fault::new(kind::UNEXPECTED_ANSWER, "the Management API names a pooler that is not Supabase's"));
    }
    let port = if pooler.pool_mode == "session" { pooler.db_port } else { SESSION_PORT };
    // The pooler identifies the project by the suffix of the role.
    let user = match pooler.db_user.split_once('.') {
        Some((_, project)) => format!("{}.{project}", target.user),
        None => target.user.clone(),
    };
    Ok(Target { user, options: None, ..target.at(host, port) })
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
    fn the_pooler_gets_the_same_login() {
        let detour = detour(&pooler("aws-1-eu-west-1.pooler.supabase.com", "transaction"), &target(), false).unwrap();
        assert_eq!(detour.to_string(), "aws-1-eu-west-1.pooler.supabase.com:5432");
        assert_eq!((detour.user.as_str(), detour.database.as_str()), ("app.abcdefghijklmnopqrst", "shop"));
        assert_eq!((detour.ssl_mode, detour.options), (target().ssl_mode, None));
    }

    #[test]
    fn the_password_is_sent_to_supabase_only() {
        for host in ["127.0.0.1", "pooler.supabase.com.example", "example.com"] {
            let fault = detour(&pooler(host, "session"), &target(), false).unwrap_err();
            assert_eq!(fault.kind, kind::UNEXPECTED_ANSWER, "{host}");
        }
        assert_eq!(detour(&pooler("127.0.0.1", "session"), &target(), true).unwrap().port, 6543);
    }
}
