//! Connection URLs stored in Supabase Vault.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::Limits;
use archon_pool_core::shutdown_guard::ShutdownGuard;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::types::Type;

use crate::connection_config::{self, Origin, invalid};
use crate::opening;
use crate::project_api::ProjectApi;
use crate::session::Session;
use crate::target::Target;

// Privileges cannot be queried for a view that does not exist, so its existence comes first.
const READABLE: &str = "select case when to_regclass('vault.decrypted_secrets') is null then null \
     else has_schema_privilege('vault', 'USAGE') and has_table_privilege('vault.decrypted_secrets', 'SELECT') end";

// The name is bound, so that it is in no statement log beside the secret's text.
const SECRET: &str = "select decrypted_secret::text from vault.decrypted_secrets where name = $1";

/// Fetches a secret with its own session and parses it as a connection URL.
pub(super) async fn fetch(
    via: &Target,
    project: Option<&dyn ProjectApi>,
    secret: &str,
    limits: &Limits,
    guard: &ShutdownGuard,
) -> Result<Target, Fault> {
    let (session, _) = opening::open(via, project, limits, guard).await?;
    let readable = match one(&session, READABLE, None).await {
        // Without privileges on the schema even its existence is hidden.
        Err(fault) if fault.kind == kind::INSUFFICIENT_PRIVILEGE => Some(false),
        row => row?.and_then(|row| row.try_get::<_, Option<bool>>(0).ok().flatten()),
    };
    match readable {
        Some(true) => {}
        Some(false) => {
            let message = format!(
                "role '{}' may not read vault.decrypted_secrets: grant it USAGE on schema vault and SELECT on the view",
                session.user()
            );
            return Err(Fault::new(kind::INSUFFICIENT_PRIVILEGE, message));
        }
        None => return Err(invalid(format!("{via} has no Supabase Vault: install the extension supabase_vault"))),
    }
    let row = one(&session, SECRET, Some(&secret)).await?.ok_or_else(|| missing(secret, via))?;
    // Borrowed, so that the wiped copy is the only one.
    let url: Option<&str> = row.try_get(0).map_err(|_| missing(secret, via))?;
    let url = SecretString::from(url.ok_or_else(|| missing(secret, via))?);
    // A user who can write to the vault must not be able to send the operator's password to another server.
    let target = connection_config::parts(url.expose_secret()).and_then(|parts| parts.finish(Origin::Request));
    target.map_err(|fault| invalid(format!("vault secret '{secret}': {}", fault.message)))
}

async fn one(session: &Session, sql: &str, name: Option<&&str>) -> Result<Option<tokio_postgres::Row>, Fault> {
    let params = name.map(|name| (name as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT));
    let answer = session.own_rows(sql, [params.into_iter().collect()]).await.pop();
    answer.map_or(Ok(None), |rows| rows.map(|mut rows| rows.pop()))
}

fn missing(secret: &str, via: &Target) -> Fault {
    Fault::new(
        kind::CREDENTIALS_NOT_FOUND,
        format!("Supabase credentials not found: the vault at {via} has no secret '{secret}'"),
    )
}
