//! Answers the catalogue's statements, with the columns and types of their casts.

use std::ops::RangeInclusive;

use archon_pool_contract::catalogue;
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Value;

use super::server::Visibility;
use super::session::{Session, State, Wait};
use super::world::World;

/// `boolean`
pub const BOOLEAN: u32 = 16;
/// `bigint`
pub const INT64: u32 = 20;
/// `text`
pub const TEXT: u32 = 25;
/// `double precision`
pub const FLOAT64: u32 = 701;
/// `timestamptz`
pub const TIMESTAMP: u32 = 1184;

/// Statement of the catalogue with its answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Id of the statement.
    pub id: &'static str,
    /// Rows of the answer.
    pub rows: RowSet,
}

fn answered(id: &'static str, columns: &[(&str, u32)], rows: &[Vec<Value>]) -> Answered {
    // The driver reports columns with the first row, so the host has none for an empty answer.
    let columns = if rows.is_empty() { &[] } else { columns };
    let rows = RowSet::of_values(columns.iter().copied(), rows).expect("values of the columns' types");
    Answered { id, rows }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn or_null<T>(value: Option<T>, some: impl FnOnce(T) -> Value) -> Value {
    value.map_or(Value::Null, some)
}

const OURS: &str = "archon-pool";

/// Columns of `activity`.
pub const ACTIVITY: [(&str, u32); 19] = [
    ("pid", INT64),
    ("backend_start", TIMESTAMP),
    ("backend_type", TEXT),
    ("database", TEXT),
    ("role", TEXT),
    ("application", TEXT),
    ("client_address", TEXT),
    ("state", TEXT),
    ("state_change", TIMESTAMP),
    ("query_start", TIMESTAMP),
    ("wait_event_type", TEXT),
    ("wait_event", TEXT),
    ("xmin_age", INT64),
    ("has_xid", BOOLEAN),
    ("query", TEXT),
    ("hidden", BOOLEAN),
    ("own", BOOLEAN),
    ("query_escaped", BOOLEAN),
    ("copied_bytes", INT64),
];

/// Returns all answers that a snapshot consists of, in no particular order.
pub fn answers(world: &World) -> Vec<Answered> {
    vec![
        server(world),
        activity(world),
        answered(catalogue::CLOCK.id, &[("at", TIMESTAMP)], &[vec![Value::Timestamp(world.now + 900)]]),
        locks(world),
        prepared(),
        temp_objects(world),
        counters(world),
        statement_counts(world),
        statements(world),
        roles(world),
        settings(),
        role_settings(),
    ]
}

/// Returns true if the monitoring role does not see this session.
pub fn is_hidden(world: &World, session: &Session) -> bool {
    world.server.visibility == Visibility::Own && session.client.role != world.server.role
}

fn server(world: &World) -> Answered {
    let server = &world.server;
    let columns = [
        ("at", TIMESTAMP),
        ("version_num", INT64),
        ("identity", TEXT),
        ("database", TEXT),
        ("role", TEXT),
        ("in_recovery", BOOLEAN),
        ("max_connections", INT64),
        ("superuser_reserved", INT64),
        ("reserved", INT64),
        ("database_limit", INT64),
        ("superuser", BOOLEAN),
        ("signals_backends", BOOLEAN),
        ("owns_database", BOOLEAN),
        ("supabase", BOOLEAN),
    ];
    let superuser = server.visibility == Visibility::Superuser;
    let row = vec![
        Value::Timestamp(world.now - 1_500),
        Value::Int64(server.version_num),
        Value::Text(format!("{}/16401", server.started)),
        text(&server.database),
        text(&server.role),
        Value::Boolean(false),
        Value::Int64(server.max_connections),
        Value::Int64(3),
        Value::Int64(0),
        Value::Null,
        Value::Boolean(superuser),
        Value::Boolean(server.visibility != Visibility::Own),
        Value::Boolean(superuser),
        Value::Boolean(server.supabase),
    ];
    answered(catalogue::SERVER.id, &columns, &[row])
}

fn activity(world: &World) -> Answered {
    let mut rows: Vec<_> = world.sessions.values().map(|session| row(world, session)).collect();
    rows.extend(processes(world));
    rows.push(own_row(world));
    answered(catalogue::ACTIVITY.id, &ACTIVITY, &rows)
}

fn row(world: &World, session: &Session) -> Vec<Value> {
    let client = &session.client;
    if is_hidden(world, session) {
        return hidden(session);
    }
    let walsender = client.backend_type == "walsender";
    let (wait_type, wait_event) = match (&session.wait, session.state) {
        (Some(Wait::Lock { what, .. }), State::Active) => {
            let event = if what.contains("tuple") { "tuple" } else { "transactionid" };
            (Some("Lock"), Some(event))
        }
        (Some(Wait::ClientWrite), State::Active) => (Some("Client"), Some("ClientWrite")),
        (Some(Wait::DataFileRead), State::Active) => (Some("IO"), Some("DataFileRead")),
        (_, State::Active) if walsender => (Some("Activity"), Some("WalSenderMain")),
        (_, State::Active) => (None, None),
        _ => (Some("Client"), Some("ClientRead")),
    };
    let xmin_age = session.snapshot_at.map(|taken| (world.transactions - taken).max(1));
    let tracked = client.tracked;
    vec![
        Value::Int64(session.pid.into()),
        Value::Timestamp(session.started),
        text(client.backend_type),
        if walsender { Value::Null } else { text(&client.database) },
        text(&client.role),
        text(&client.application),
        or_null(client.address.as_deref(), text),
        text(if tracked { session.state.name() } else { "disabled" }),
        if tracked { Value::Timestamp(session.state_change) } else { Value::Null },
        if tracked { or_null(session.query_start, Value::Timestamp) } else { Value::Null },
        or_null(wait_type, text),
        or_null(wait_event, text),
        or_null(xmin_age, Value::Int64),
        Value::Boolean(session.hold.xid),
        text(if tracked { &session.query } else { "" }),
        Value::Boolean(false),
        Value::Boolean(false),
        Value::Boolean(false),
        Value::Null,
    ]
}

/// Returns the columns of a session that are visible without privileges.
fn hidden(session: &Session) -> Vec<Value> {
    let client = &session.client;
    let mut row = vec![Value::Null; ACTIVITY.len()];
    row[0] = Value::Int64(session.pid.into());
    row[3] = text(&client.database);
    row[4] = text(&client.role);
    row[5] = text(&client.application);
    row[13] = Value::Boolean(false);
    row[14] = text("<insufficient privilege>");
    row[15] = Value::Boolean(true);
    row[16] = Value::Boolean(false);
    row[17] = Value::Boolean(false);
    row
}

fn processes(world: &World) -> Vec<Vec<Value>> {
    let sees = world.server.visibility != Visibility::Own;
    let processes = [
        ("checkpointer", "CheckpointerMain"),
        ("background writer", "BgWriterHibernate"),
        ("walwriter", "WalWriterMain"),
        ("autovacuum launcher", "AutoVacuumMain"),
        ("logical replication launcher", "LogicalLauncherMain"),
    ];
    let row = |(n, (kind, event)): (usize, (&str, &str))| {
        let mut row = vec![Value::Null; ACTIVITY.len()];
        row[0] = Value::Int64(n as i64 + 60);
        row[5] = text("");
        if sees {
            row[1] = Value::Timestamp(world.server.started);
            row[2] = text(kind);
            row[10] = text("Activity");
            row[11] = text(event);
        }
        row[13] = Value::Boolean(false);
        row[14] = text("");
        row[15] = Value::Boolean(false);
        row[16] = Value::Boolean(false);
        row[17] = Value::Boolean(false);
        row
    };
    processes.into_iter().enumerate().map(row).collect()
}

fn own_row(world: &World) -> Vec<Value> {
    let now = Value::Timestamp(world.now - 1_000);
    vec![
        Value::Int64(45),
        Value::Timestamp(world.now - 9_000),
        text("client backend"),
        text(&world.server.database),
        text(&world.server.role),
        text(OURS),
        text("10.9.9.9"),
        text("active"),
        now.clone(),
        now,
        Value::Null,
        Value::Null,
        Value::Int64(1),
        Value::Boolean(false),
        text("SELECT /* archon-pool */ a.pid::bigint AS pid"),
        Value::Boolean(false),
        Value::Boolean(true),
        Value::Boolean(false),
        Value::Null,
    ]
}

fn locks(world: &World) -> Answered {
    let columns = [
        ("pid", INT64),
        ("advisory", INT64),
        ("relations", INT64),
        ("waits_for", TEXT),
        ("waiting_since", TIMESTAMP),
        ("blocked_by", TEXT),
        ("blocked_by_prepared", TEXT),
    ];
    let holds = |session: &&Session| session.advisory > 0 || session.hold.relations > 0;
    let held = world.sessions.values().filter(holds).map(|session| {
        let (advisory, relations) = (Value::Int64(session.advisory), Value::Int64(session.hold.relations));
        let pid = Value::Int64(session.pid.into());
        vec![pid, advisory, relations, Value::Null, Value::Null, Value::Null, Value::Null]
    });
    let awaited = |session: &Session| {
        let Some(Wait::Lock { what, since, behind, prepared }) = &session.wait else { return None };
        let mut pids: Vec<String> =
            behind.iter().filter_map(|sid| world.sessions.get(sid)).map(|before| before.pid.to_string()).collect();
        if *prepared {
            pids.push("0".to_owned());
        }
        let since = if world.server.major() >= 14 { Value::Timestamp(*since) } else { Value::Null };
        let (pid, blocked_by) = (Value::Int64(session.pid.into()), Value::Text(pids.join(",")));
        Some(vec![pid, Value::Null, Value::Null, text(what), since, blocked_by, Value::Null])
    };
    let waiting = world.sessions.values().filter(|session| session.state == State::Active);
    answered(catalogue::LOCKS.id, &columns, &held.chain(waiting.filter_map(awaited)).collect::<Vec<_>>())
}

/// Before version 16 the statement returns every session of the owner's role that could have the owner's id, by the ids of
/// sessions that hold locks.
fn temp_objects(world: &World) -> Answered {
    let mut by_slot: Vec<&Session> = world.sessions.values().collect();
    by_slot.sort_by_key(|session| session.slot);
    let is_asked = world.sessions.values().any(|session| session.temporary);
    let ids = if is_asked { possible_ids(&by_slot) } else { Vec::new() };
    let mut pids = Vec::new();
    for owner in world.sessions.values().filter(|session| session.temporary) {
        if world.server.major() >= 16 {
            pids.push(owner.pid);
            continue;
        }
        let may_own = |(session, ids): &(&&Session, &RangeInclusive<usize>)| {
            let same = session.client.role == owner.client.role || ids.start() == ids.end();
            same && session.client.database == owner.client.database && ids.contains(&owner.slot)
        };
        pids.extend(by_slot.iter().zip(&ids).filter(may_own).map(|(session, _)| session.pid));
    }
    pids.sort_unstable();
    pids.dedup();
    let rows: Vec<_> = pids.into_iter().map(|pid| vec![Value::Int64(pid.into())]).collect();
    answered(catalogue::TEMP_OBJECTS.id, &[("pid", INT64)], &rows)
}

/// Ids that each session may have, as far as the statement sees: in the order of their ids, which those that hold locks
/// show.
fn possible_ids(by_slot: &[&Session]) -> Vec<RangeInclusive<usize>> {
    let shown = |session: &Session| session.state != State::Idle || session.advisory > 0;
    let gaps: Vec<Option<usize>> =
        by_slot.iter().zip(1..).map(|(session, n)| shown(session).then(|| session.slot - n)).collect();
    let range = |at: usize| {
        let least = gaps[..=at].iter().flatten().max().map_or(0, |gap| *gap);
        let most = gaps[at..].iter().flatten().min();
        at + 1 + least..=most.map_or(usize::MAX, |gap| at + 1 + gap)
    };
    (0..by_slot.len()).map(range).collect()
}

fn counters(world: &World) -> Answered {
    let columns = [
        ("at", TIMESTAMP),
        ("stats_reset", TIMESTAMP),
        ("transactions", INT64),
        ("sessions", INT64),
        ("abandoned", INT64),
        ("active_ms", FLOAT64),
        ("idle_in_transaction_ms", FLOAT64),
        ("backends", INT64),
    ];
    let since_14 = world.server.major() >= 14;
    let known = |value: Value| if since_14 { value } else { Value::Null };
    let row = vec![
        Value::Timestamp(world.now + 1_100),
        Value::Null,
        Value::Int64(world.transactions),
        known(Value::Int64(world.established)),
        known(Value::Int64(world.abandoned)),
        known(Value::Float64(world.active as f64 / 1_000.0)),
        known(Value::Float64(0.0)),
        Value::Int64(world.sessions.len() as i64 + 1),
    ];
    answered(catalogue::COUNTERS.id, &columns, &[row])
}

/// Returns the applications' statements: the monitoring role has none of its own.
fn statement_counts(world: &World) -> Answered {
    let document = format!(
        r#"{{"entries" : 40, "calls" : {}, "execMs" : {:.1}, "ownCalls" : 0, "ownExecMs" : 0}}"#,
        world.transactions,
        world.active as f64 / 1_000.0
    );
    document_of(world, catalogue::STATEMENT_COUNTS.id, document)
}

fn statements(world: &World) -> Answered {
    document_of(world, catalogue::STATEMENTS.id, r#"{"slow" : []}"#.to_owned())
}

fn document_of(world: &World, id: &'static str, document: String) -> Answered {
    let rows = if world.server.statements { vec![vec![Value::Text(document)]] } else { Vec::new() };
    answered(id, &[("document", TEXT)], &rows)
}

fn roles(world: &World) -> Answered {
    let columns = [
        ("name", TEXT),
        ("connection_limit", INT64),
        ("superuser", BOOLEAN),
        ("granted", BOOLEAN),
        ("alterable", BOOLEAN),
    ];
    let mut names: Vec<&str> = world.sessions.values().map(|session| session.client.role.as_str()).collect();
    names.push(&world.server.role);
    names.sort_unstable();
    names.dedup();
    let row = |name: &str| {
        let superuser = ["postgres", "supabase_admin"].contains(&name);
        let own = name == world.server.role;
        vec![text(name), Value::Null, Value::Boolean(superuser), Value::Boolean(own), Value::Boolean(own)]
    };
    answered(catalogue::ROLES.id, &columns, &names.into_iter().map(row).collect::<Vec<_>>())
}

/// Returns no rows: the lab simulates prepared transactions only through the sessions that wait for them.
fn prepared() -> Answered {
    let columns =
        [("transaction", INT64), ("gid", TEXT), ("prepared_at", TIMESTAMP), ("owner", TEXT), ("database", TEXT)];
    answered(catalogue::PREPARED.id, &columns, &[])
}

fn role_settings() -> Answered {
    let columns = [("role", TEXT), ("database", TEXT), ("setting", TEXT)];
    answered(catalogue::ROLE_SETTINGS.id, &columns, &[])
}

fn settings() -> Answered {
    let columns = [("name", TEXT), ("value", TEXT), ("unit", TEXT)];
    let rows = vec![
        vec![text("idle_in_transaction_session_timeout"), text("0"), text("ms")],
        vec![text("tcp_user_timeout"), text("0"), text("ms")],
        vec![text("track_activities"), text("on"), Value::Null],
    ];
    answered(catalogue::SETTINGS.id, &columns, &rows)
}
