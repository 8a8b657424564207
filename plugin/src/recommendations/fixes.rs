//! Fixes: changes in SQL that this server accepts, with the party that may run them.
//!
//! On hosted Supabase no one is a superuser: `ALTER SYSTEM` does not exist there, and the platform's own roles are
//! reserved (supautils).

use archon_pool_contract::params::Options;
use archon_pool_contract::report::Fix;
use archon_pool_contract::snapshot::{Backend, PreparedTransaction, Role, Setting, Snapshot, State};

use crate::clock::{self, span};
use crate::leaks::{self, exclusions::Spared};
use crate::protected;
use crate::role_settings::own_limit;
use crate::scaling::pools::{Source, View};

const YOU: &str = "you";
const ADMINISTRATOR: &str = "administrator";
const APPLICATION: &str = "application";
/// The setting that ends forgotten transactions.
const IDLE_LIMIT: &str = "idle_in_transaction_session_timeout";
/// The largest `max_connections`.
const MOST_CONNECTIONS: u32 = 262_143;

/// A quoted SQL identifier.
fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A fix; without its SQL where that names something that could not be read: it would name another thing, or none.
fn fix(summary: impl Into<String>, sql: Option<String>, by: &str) -> Fix {
    Fix { summary: summary.into(), sql: sql.filter(|sql| is_exact(sql)), by: by.to_owned() }
}

/// Returns true if a text can be copied from a report and sent as it is.
fn is_exact(sql: &str) -> bool {
    !sql.contains(|c: char| c == char::REPLACEMENT_CHARACTER || c.is_control())
}

/// A change to roles, databases or settings. A standby takes none: it is made on the primary.
fn change(snapshot: &Snapshot, summary: String, sql: String, allowed: bool) -> Fix {
    if snapshot.server.in_recovery {
        return fix(format!("On the primary: {summary}"), Some(sql), ADMINISTRATOR);
    }
    fix(summary, Some(sql), if allowed || snapshot.server.superuser { YOU } else { ADMINISTRATOR })
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
    let wanted = server.max_connections.saturating_add(server.max_connections / 2).min(MOST_CONNECTIONS);
    change(
        snapshot,
        format!("Raise max_connections to {wanted} (needs a restart), if the machine has memory and cores for it."),
        format!("ALTER SYSTEM SET max_connections = {wanted}"),
        false,
    )
}

/// A server-side end to forgotten transactions, for the role that forgets them.
pub fn transaction_timeout(snapshot: &Snapshot, options: &Options, spared: &Spared<'_>, backend: &Backend) -> Fix {
    let name = backend.role.as_deref().unwrap_or_default();
    if reserved(snapshot, name) {
        return fix("The role belongs to the platform: report it to Supabase.", None, ADMINISTRATOR);
    }
    let of_role = |other: &&Backend| other.role.as_deref() == Some(name);
    if snapshot.clients().filter(of_role).any(|other| spared.is_spared(other)) {
        let summary = format!(
            "Commit or roll back in the application: a timeout of role {name} would also end its sessions that lead, listen \
             or take a backup. Give these a role of their own first."
        );
        return fix(summary, None, APPLICATION);
    }
    let timeout = options.idle_in_transaction_timeout_ms;
    let database = backend.database.as_deref();
    let own = |setting: &str| own_limit(snapshot, setting, name, database);
    let general = snapshot.setting(IDLE_LIMIT).and_then(Setting::as_ms);
    let limits = [(IDLE_LIMIT, own(IDLE_LIMIT)), ("transaction_timeout", own("transaction_timeout"))];
    for (setting, limit) in &limits {
        if let Some((ms, whose)) = limit.as_ref().filter(|(ms, _)| *ms > 0) {
            return limited(setting, *ms, whose, timeout);
        }
    }
    let own_idle = limits[0].1.as_ref();
    if let Some(ms) = general.filter(|&ms| ms > 0 && own_idle.is_none()) {
        return limited(IDLE_LIMIT, ms, "the server", timeout);
    }
    let off = match (own_idle, general) {
        (Some((_, whose)), _) => format!(" It is off for {whose}."),
        (None, Some(_)) => " The server's own limit is off.".to_owned(),
        (None, None) => String::new(),
    };
    let within = database.filter(|_| own_idle.is_some_and(|(_, whose)| whose.contains(" in database ")));
    let place = within.map_or_else(String::new, |database| format!(" IN DATABASE {}", ident(database)));
    let summary = format!(
        "Let the server end such transactions of role {name} after {}; it takes effect for new sessions.{off}",
        span(timeout)
    );
    let sql = format!("ALTER ROLE {}{place} SET {IDLE_LIMIT} = '{timeout}ms'", ident(name));
    change(snapshot, summary, sql, snapshot.role(name).is_some_and(|role| role.alterable))
}

/// Fix where a limit exists already.
fn limited(setting: &str, ms: u64, whose: &str, threshold: u64) -> Fix {
    let why = if ms > threshold {
        format!("which is longer than the threshold of {}", span(threshold))
    } else {
        "so that these sessions are older than the limit, or have set their own".to_owned()
    };
    let summary = format!("{setting} is {} for {whose} already, {why}. Commit or roll back on every path.", span(ms));
    fix(summary, None, APPLICATION)
}

/// A quoted SQL string.
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') { format!("E'{}'", escaped.replace('\\', "\\\\")) } else { format!("'{escaped}'") }
}

/// Ends a prepared transaction by its name, which its owner or a superuser can do in its database.
pub fn end_prepared(snapshot: &Snapshot, prepared: &PreparedTransaction) -> Fix {
    let (server, gid) = (&snapshot.server, literal(&prepared.gid));
    // Letters of another database were read in this one's encoding, which may not be theirs.
    let named = prepared.gid.is_ascii() || server.database == prepared.database;
    let commit = if named && is_exact(&gid) { gid.as_str() } else { "its identifier" };
    let may = server.superuser || server.role == prepared.owner;
    let by = if may && server.database == prepared.database { YOU } else { ADMINISTRATOR };
    let summary = format!(
        "In database {}, as role {} or a superuser: ROLLBACK PREPARED; or COMMIT PREPARED {commit}, if the coordinator of \
         the transaction has decided so.",
        prepared.database, prepared.owner
    );
    let sql = named.then(|| format!("ROLLBACK PREPARED {gid}"));
    fix(summary, sql, by)
}

/// Frees the slot of a session whose client never sends the rest of its statement.
pub fn end_unfinished(snapshot: &Snapshot, backend: &Backend) -> Option<Fix> {
    let end = end_blocker(snapshot, backend)?;
    let sql = end.sql.map(|sql| format!("{sql} AND wait_event = 'ClientRead'"));
    Some(Fix { summary: format!("Plan with `kill-idle`. {}", end.summary), sql, ..end })
}

/// Ends the transaction at the head of a blocking chain, as long as it is still the one that was
/// seen. None for what is not a client's session, or not to be ended.
pub fn end_blocker(snapshot: &Snapshot, backend: &Backend) -> Option<Fix> {
    let name = backend.role.as_deref().unwrap_or_default();
    let protected = protected::is_protected_role(name) || protected::is_protected_application(&backend.application);
    let state = backend.state.as_deref()?;
    if protected || !backend.is_client() || state.contains('\'') {
        return None;
    }
    let role = snapshot.role(name);
    let server = &snapshot.server;
    let allowed = role.is_some_and(|role| !role.superuser && (role.granted || server.signals_backends));
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {} AND backend_start = '{}' \
         AND backend_type = 'client backend' AND state = '{state}' AND state_change = '{}'",
        backend.pid,
        clock::iso(backend.backend_start?),
        clock::iso(backend.state_change?)
    );
    let by = if allowed || server.superuser { YOU } else { ADMINISTRATOR };
    let changes = if backend.state() == State::Idle { "" } else { "; its changes are rolled back" };
    Some(fix(format!("End session {}{changes}.", leaks::id(backend)), Some(sql), by))
}

/// Ends connections whose client does not take what is sent. Keepalives do not notice that while data
/// is under way.
pub fn user_timeout(snapshot: &Snapshot) -> Option<Fix> {
    if snapshot.setting("tcp_user_timeout").and_then(Setting::as_ms) != Some(0) {
        return None;
    }
    let summary = "Let the server give up on clients that a network lost; then run SELECT pg_reload_conf(). A client \
                   that is there but has stopped must be ended by hand.";
    if snapshot.server.supabase {
        return Some(fix("End the session; the server's network settings are the platform's.", None, YOU));
    }
    Some(change(snapshot, summary.to_owned(), "ALTER SYSTEM SET tcp_user_timeout = '60s'".to_owned(), false))
}

/// Makes hidden sessions visible.
pub fn see_everything(snapshot: &Snapshot) -> Fix {
    let role = &snapshot.server.role;
    change(snapshot, format!("Let {role} see all sessions."), format!("GRANT pg_monitor TO {}", ident(role)), false)
}

/// Turns activity tracking back on where it was turned off: for the server, or for a role.
pub fn track_activities(snapshot: &Snapshot, backend: &Backend) -> Fix {
    if snapshot.server.supabase {
        return fix("Ask Supabase to turn track_activities on.", None, ADMINISTRATOR);
    }
    let off = snapshot.setting("track_activities").is_some_and(|setting| setting.value == "off");
    if off {
        let summary = "Turn it on, then run SELECT pg_reload_conf().".to_owned();
        return change(snapshot, summary, "ALTER SYSTEM SET track_activities = on".to_owned(), false);
    }
    let name = backend.role.as_deref().unwrap_or_default();
    let summary = format!("Turn it on for role {name}, or for its database if it is off there.");
    change(snapshot, summary, format!("ALTER ROLE {} RESET track_activities", ident(name)), false)
}

/// More connections for a role.
pub fn role_limit(snapshot: &Snapshot, role: &Role) -> Fix {
    let lower = "lower its applications' pool sizes";
    if reserved(snapshot, &role.name) {
        return fix(format!("The role belongs to the platform: {lower}."), None, APPLICATION);
    }
    let wanted = role.connection_limit.map_or(0, |limit| limit.saturating_add(limit / 2 + 1));
    let sql = format!("ALTER ROLE {} CONNECTION LIMIT {wanted}", ident(&role.name));
    // `alterable` holds for the role itself too, but a role cannot raise its own limit.
    let allowed = role.alterable && role.name != snapshot.server.role;
    change(snapshot, format!("Raise the role's limit, or {lower}."), sql, allowed)
}

/// More connections for the connected database.
pub fn database_limit(snapshot: &Snapshot) -> Fix {
    let server = &snapshot.server;
    let wanted = server.database_limit.map_or(0, |limit| limit.saturating_add(limit / 2 + 1));
    let sql = format!("ALTER DATABASE {} CONNECTION LIMIT {wanted}", ident(&server.database));
    let summary = "Raise the database's limit, or lower the applications' pool sizes.".to_owned();
    change(snapshot, summary, sql, server.owns_database)
}

/// Another size for a pooler's pools: that of all which follow the default, or that of the one.
pub fn pool_size(view: &View<'_>, size: u32) -> Fix {
    let pool = view.pool;
    let summary = match view.source {
        Source::Default => format!(
            "At the pooler's console: SET default_pool_size = {size}; and to keep it, in [pgbouncer] of its ini file: \
             default_pool_size = {size}. `auto-scale --apply` does the first as long as demand asks for it."
        ),
        Source::Database => format!(
            "In [databases] of the pooler's ini file, to the line of {}: pool_size={size}; then RELOAD at its console.",
            pool.database
        ),
        Source::Role => format!(
            "In [users] of the pooler's ini file: {} = pool_size={size}; then RELOAD at its console.",
            pool.role
        ),
    };
    fix(summary, None, ADMINISTRATOR)
}

/// A pooler's end to forgotten transactions.
pub fn pooled_transaction_timeout(options: &Options) -> Fix {
    let seconds = options.idle_in_transaction_timeout_ms.div_ceil(1_000);
    let summary = format!(
        "Plan with `kill-idle`; commit or roll back on every path; and in [pgbouncer] of the pooler's ini file: \
         idle_transaction_timeout = {seconds}, which ends them from then on."
    );
    fix(summary, None, APPLICATION)
}

/// Smaller pools for the same server.
pub fn smaller_pools(available: u32) -> Fix {
    let summary = format!(
        "In [pgbouncer] of the pooler's ini file: default_pool_size = {available}; or a max_db_connections that keeps the \
         sum of all pools within the server."
    );
    fix(summary, None, ADMINISTRATOR)
}

/// Returns true if Supabase reserves a role (supautils).
fn reserved(snapshot: &Snapshot, role: &str) -> bool {
    snapshot.server.supabase && protected::is_protected_role(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{in_state, snapshot};
    use archon_pool_contract::snapshot::RoleSetting;

    #[test]
    fn identifiers_are_quoted_in_fixes() {
        assert_eq!(ident("a\"; DROP ROLE b; --"), "\"a\"\"; DROP ROLE b; --\"");
    }

    #[test]
    fn an_undecodable_name_is_used_in_no_sql() {
        let unsafe_names = ["r\u{fffd}\u{fffd}", "r\u{1b}[31m", "r\n"];
        for name in unsafe_names {
            let role = Role {
                name: name.to_owned(),
                connection_limit: Some(5),
                superuser: false,
                granted: true,
                alterable: true,
            };
            let fix = role_limit(&snapshot(Vec::new()), &role);
            assert_eq!(fix.sql, None, "{name}");
            assert!(fix.summary.starts_with("Raise the role's limit"), "{}", fix.summary);
        }
    }

    fn limit(role: Option<&str>, database: Option<&str>, value: &str) -> RoleSetting {
        RoleSetting {
            role: role.map(str::to_owned),
            database: database.map(str::to_owned),
            name: IDLE_LIMIT.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn limits_of_roles_and_databases_are_named_and_not_proposed_again() {
        let forgotten = in_state(1, "idle in transaction", 900);
        let mut snapshot = snapshot(vec![forgotten.clone()]);
        let mut fix = |settings: Vec<RoleSetting>| {
            snapshot.role_settings = settings;
            transaction_timeout(&snapshot, &Options::default(), &Spared::of(&[]), &forgotten)
        };
        let none = fix(vec![limit(Some("other"), None, "30s"), limit(None, Some("elsewhere"), "30s")]);
        assert!(none.sql.expect("SQL").starts_with("ALTER ROLE \"app\" SET idle_in"));
        let all =
            vec![limit(None, None, "1h"), limit(None, Some("shop"), "2h"), limit(Some("app"), Some("shop"), "30s")];
        let short = fix(all.clone());
        assert!(short.summary.contains("is 30 s for role app in database shop already, so that"), "{}", short.summary);
        assert_eq!(short.sql, None);
        let long = fix(all[..2].to_vec());
        assert!(long.summary.contains("for database shop already, which is longer than"), "{}", long.summary);
        let off = fix(vec![limit(Some("app"), Some("shop"), "0"), limit(None, None, "30s")]);
        assert!(off.summary.contains("It is off for role app in database shop."), "{}", off.summary);
        assert!(off.sql.expect("SQL").starts_with("ALTER ROLE \"app\" IN DATABASE \"shop\" SET idle_in"));
    }

    #[test]
    fn no_timeout_is_proposed_that_would_end_excluded_sessions() {
        let leader = Backend { advisory_locks: 1, ..in_state(2, "idle in transaction", 900) };
        let snapshot = snapshot(vec![in_state(1, "idle in transaction", 900), leader]);
        let report = analyse_snapshot(&snapshot, &Options::default(), None);
        let finding = report.findings.iter().find(|finding| finding.id == "idle-in-transaction").expect("found");
        assert!(finding.text.starts_with("1 session idle in a transaction"), "{}", finding.text);
        let fix = finding.fix.as_ref().expect("a fix");
        assert_eq!(fix.sql, None);
        assert!(fix.summary.contains("would also end its sessions that lead"), "{}", fix.summary);
        let listed: Vec<_> = report.health_summary.checks.iter().map(|check| check.pid).collect();
        assert_eq!((listed, report.health_summary.healthy), (vec![1], 1));
    }
}
