//! Rows of the catalogue's statements as records of the domain model.

use archon_pool_contract::rows::Row;
use archon_pool_contract::snapshot::{Backend, PreparedTransaction, Reading, Role, RoleSetting, Server, Setting};
use archon_pool_contract::statement_text;

pub(super) fn server(row: &mut Row<'_>) -> (i64, Server) {
    (
        row.required_timestamp("at"),
        Server {
            version_num: row.narrow("version_num"),
            identity: row.required_text("identity"),
            database: row.required_text("database"),
            role: row.required_text("role"),
            in_recovery: row.required_boolean("in_recovery"),
            max_connections: row.narrow("max_connections"),
            superuser_reserved: row.narrow("superuser_reserved"),
            reserved: row.narrow("reserved"),
            database_limit: row.int64("database_limit").and_then(|limit| u32::try_from(limit).ok()),
            superuser: row.required_boolean("superuser"),
            signals_backends: row.required_boolean("signals_backends"),
            owns_database: row.required_boolean("owns_database"),
            supabase: row.required_boolean("supabase"),
        },
    )
}

pub(super) fn backend(row: &mut Row<'_>) -> Backend {
    let mut backend = Backend {
        pid: row.narrow("pid"),
        backend_start: row.timestamp("backend_start"),
        backend_type: row.text("backend_type"),
        database: row.text("database"),
        role: row.text("role"),
        application: row.required_text("application"),
        client_address: row.text("client_address"),
        state: row.text("state"),
        state_change: row.timestamp("state_change"),
        query_start: row.timestamp("query_start"),
        wait_event_type: row.text("wait_event_type"),
        wait_event: row.text("wait_event"),
        xmin_age: row.int64("xmin_age"),
        has_xid: row.required_boolean("has_xid"),
        query: row.required_text("query"),
        hidden: row.required_boolean("hidden"),
        own: row.required_boolean("own"),
        ..Backend::default()
    };
    if row.required_boolean("query_escaped") {
        backend.query = statement_text::unescape(&backend.query);
    }
    backend.copied_bytes = row.int64("copied_bytes");
    backend
}

/// The locks that a session holds, or the one that a process waits for.
pub(super) enum Lock {
    Held { pid: i32, advisory: u32, relations: u32 },
    Awaited { pid: i32, waits_for: Option<String>, waiting_since: Option<i64>, blockers: String, prepared: String },
}

pub(super) fn lock(row: &mut Row<'_>) -> Lock {
    let pid = row.narrow("pid");
    match row.text("waits_for") {
        None => Lock::Held { pid, advisory: row.narrow("advisory"), relations: row.narrow("relations") },
        waits_for => Lock::Awaited {
            pid,
            waits_for,
            waiting_since: row.timestamp("waiting_since"),
            blockers: row.text("blocked_by").unwrap_or_default(),
            prepared: row.text("blocked_by_prepared").unwrap_or_default(),
        },
    }
}

pub(super) fn reading(row: &mut Row<'_>) -> Reading {
    Reading {
        at: row.required_timestamp("at"),
        stats_reset: row.timestamp("stats_reset"),
        transactions: row.int64("transactions"),
        sessions: row.int64("sessions"),
        abandoned: row.int64("abandoned"),
        active_ms: row.float64("active_ms"),
        backends: row.int64("backends"),
        statements: None,
    }
}

pub(super) fn role(row: &mut Row<'_>) -> Role {
    Role {
        name: row.required_text("name"),
        connection_limit: row.int64("connection_limit").and_then(|limit| u32::try_from(limit).ok()),
        superuser: row.required_boolean("superuser"),
        granted: row.required_boolean("granted"),
        alterable: row.required_boolean("alterable"),
    }
}

pub(super) fn role_setting(row: &mut Row<'_>) -> Option<RoleSetting> {
    let (role, database, setting) = (row.text("role"), row.text("database"), row.required_text("setting"));
    let (name, value) = setting.split_once('=')?;
    Some(RoleSetting { role, database, name: name.to_owned(), value: value.to_owned() })
}

pub(super) fn prepared_transaction(row: &mut Row<'_>) -> PreparedTransaction {
    PreparedTransaction {
        transaction: row.narrow("transaction"),
        gid: row.required_text("gid"),
        prepared_at: row.required_timestamp("prepared_at"),
        owner: row.text("owner").unwrap_or_default(),
        database: row.text("database").unwrap_or_default(),
    }
}

pub(super) fn setting(row: &mut Row<'_>) -> Setting {
    Setting { name: row.required_text("name"), value: row.required_text("value"), unit: row.text("unit") }
}
