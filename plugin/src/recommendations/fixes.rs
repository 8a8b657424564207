//! What to change, in SQL that this server accepts, and who may run it.
//!
//! On hosted Supabase nobody has a superuser: `ALTER SYSTEM` does not exist there, and the platform's
//! own roles are reserved (supautils).

use crate::clock::span;
use crate::leaks;
use crate::params::Options;
use crate::protected;
use crate::report::Fix;
use crate::snapshot::{Backend, Role, Snapshot};

const YOU: &str = "you";
const ADMINISTRATOR: &str = "administrator";
const APPLICATION: &str = "application";

/// A quoted SQL identifier.
fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn fix(summary: impl Into<String>, sql: Option<String>, by: &str) -> Fix {
    Fix { summary: summary.into(), sql, by: by.to_owned() }
}

fn by(snapshot: &Snapshot, allowed: bool) -> &'static str {
    if allowed || snapshot.server.superuser { YOU } else { ADMINISTRATOR }
}

/// Return every connection to its pool.
pub fn return_connections() -> Fix {
    fix(
        "Return connections on every path, errors and timeouts included; until then `kill-idle` frees the slots.",
        None,
        APPLICATION,
    )
}

/// Fewer sessions for the same work.
pub fn fewer_sessions(snapshot: &Snapshot) -> Fix {
    let pooler = if snapshot.server.supabase { "Supavisor's transaction mode" } else { "a transaction pooler" };
    fix(format!("Plan with `kill-idle`, then lower the applications' pool sizes or use {pooler}."), None, APPLICATION)
}

/// More slots for more work.
pub fn more_capacity(snapshot: &Snapshot) -> Fix {
    let server = &snapshot.server;
    if server.supabase {
        return fix("Move the project to a larger compute size, which raises max_connections.", None, ADMINISTRATOR);
    }
    let wanted = server.max_connections.saturating_add(server.max_connections / 2);
    fix(
        format!("Raise max_connections to {wanted} (needs a restart), if the machine has memory and cores for it."),
        Some(format!("ALTER SYSTEM SET max_connections = {wanted}")),
        by(snapshot, false),
    )
}

/// A server-side end to forgotten transactions, for the role that forgets them.
pub fn transaction_timeout(snapshot: &Snapshot, options: &Options, backend: &Backend) -> Fix {
    let name = backend.role.as_deref().unwrap_or_default();
    let reserved = snapshot.server.supabase && protected::is_protected_role(name);
    let timeout = options.idle_in_transaction_timeout_ms.max(1_000);
    let summary = format!(
        "Let the server end such transactions of role {name} after {}; it takes effect for new sessions.",
        span(timeout)
    );
    if reserved {
        return fix("The role belongs to the platform: report it to Supabase.", None, ADMINISTRATOR);
    }
    let sql = format!("ALTER ROLE {} SET idle_in_transaction_session_timeout = '{timeout}ms'", ident(name));
    let alterable = snapshot.role(name).is_some_and(|role| role.alterable);
    fix(summary, Some(sql), by(snapshot, alterable))
}

/// Ends the transaction at the head of a blocking chain, by exact identity.
pub fn end_blocker(snapshot: &Snapshot, backend: &Backend) -> Option<Fix> {
    let (start, server) = (backend.backend_start?, &snapshot.server);
    if is_protected(backend) {
        return None;
    }
    let role = backend.role.as_deref().and_then(|name| snapshot.role(name));
    let allowed = role.is_some_and(|role| !role.superuser && (role.granted || server.signals_backends));
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {} AND backend_start = '{}'",
        backend.pid,
        crate::clock::iso(start)
    );
    Some(fix(
        format!("End session {}; its changes are rolled back.", leaks::id(backend)),
        Some(sql),
        by(snapshot, allowed),
    ))
}

fn is_protected(backend: &Backend) -> bool {
    protected::is_protected_role(backend.role.as_deref().unwrap_or_default())
        || protected::is_protected_application(&backend.application)
}

/// Notices clients that vanished. `client_connection_check_interval` came with PostgreSQL 14 and sees
/// closed sockets only; keepalives see a dead network as well.
pub fn keepalives(snapshot: &Snapshot) -> Option<Fix> {
    let ms = |name: &str| snapshot.setting(name).and_then(crate::snapshot::Setting::as_ms);
    let slow_keepalives = ms("tcp_keepalives_idle").is_none_or(|idle| idle == 0 || idle > 300_000);
    if !slow_keepalives {
        return None;
    }
    let summary = "Let the server notice vanished clients within minutes instead of hours.";
    if snapshot.server.supabase {
        return Some(fix(summary, None, ADMINISTRATOR));
    }
    Some(fix(summary, Some("ALTER SYSTEM SET tcp_keepalives_idle = '60s'".to_owned()), by(snapshot, false)))
}

/// Makes hidden sessions visible.
pub fn see_everything(snapshot: &Snapshot) -> Fix {
    let role = &snapshot.server.role;
    fix(
        format!("Let {role} see all sessions."),
        Some(format!("GRANT pg_monitor TO {}", ident(role))),
        by(snapshot, false),
    )
}

/// Turns activity tracking back on where it was turned off.
pub fn track_activities(snapshot: &Snapshot) -> Fix {
    let summary = "Turn track_activities on; it is a superuser's setting, off for the server, a database or a role.";
    if snapshot.server.supabase {
        return fix(summary, None, ADMINISTRATOR);
    }
    fix(summary, Some("ALTER SYSTEM SET track_activities = on".to_owned()), by(snapshot, false))
}

/// More connections for a role.
pub fn role_limit(snapshot: &Snapshot, role: &Role) -> Fix {
    let wanted = role.connection_limit.map_or(0, |limit| limit.saturating_add(limit / 2 + 1));
    // `alterable` holds for the role itself too, but nobody raises their own limit.
    let allowed = role.alterable && role.name != snapshot.server.role;
    fix(
        "Raise the role's limit, or lower its applications' pool sizes.",
        Some(format!("ALTER ROLE {} CONNECTION LIMIT {wanted}", ident(&role.name))),
        by(snapshot, allowed),
    )
}

/// More connections for the connected database.
pub fn database_limit(snapshot: &Snapshot) -> Fix {
    let server = &snapshot.server;
    let wanted = server.database_limit.map_or(0, |limit| limit.saturating_add(limit / 2 + 1));
    fix(
        "Raise the database's limit, or lower the applications' pool sizes.",
        Some(format!("ALTER DATABASE {} CONNECTION LIMIT {wanted}", ident(&server.database))),
        by(snapshot, server.owns_database),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_cannot_break_out() {
        assert_eq!(ident("a\"; DROP ROLE b; --"), "\"a\"\"; DROP ROLE b; --\"");
    }
}
