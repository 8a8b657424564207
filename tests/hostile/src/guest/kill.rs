//! Orders to end sessions that must survive.

use serde::Deserialize;

use super::bindings::archon::connection_pool::backends::{self, Backend, Signal};
use super::bindings::archon::connection_pool::database::{Session, Value};
use super::heard::{Heard, outcome, value};
use super::{flood, sql};

/// Order as the test specifies it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pid: i32,
    backend_start: i64,
    state: String,
    state_change: i64,
    #[serde(default)]
    cancel: bool,
}

/// Delivers each round by the next session. The sessions after the first run `before` first.
pub(super) fn deliver(
    rounds: &[Vec<Order>],
    sessions: Option<usize>,
    dry_run: bool,
    before: Option<&[String]>,
) -> Heard {
    let mut heard = Heard::default();
    let open: Vec<_> = (0..sessions.unwrap_or(1)).map_while(|_| flood::session(&mut heard)).collect();
    for session in open.iter().skip(1) {
        if let Some(before) = before {
            sql::send(session, before, 1, &mut heard);
        }
    }
    for (round, session) in rounds.iter().zip(open.iter().cycle()) {
        let orders: Vec<_> = round.iter().map(order).collect();
        send(session, &orders, dry_run, &mut heard);
    }
    heard
}

pub(super) fn deliver_to_myself(identity: &str) -> Heard {
    let mut heard = Heard::default();
    let Some(session) = flood::session(&mut heard) else { return heard };
    let Some(answers) = heard.take("batch", session.query(&[flood::statement_of(identity)])) else { return heard };
    let Some(Ok(set)) = answers.first() else { return heard };
    let row: Vec<_> = set.columns.iter().map(|column| value(column, 0)).collect();
    if let [Value::Int64(pid), Value::Int64(backend_start), Value::Int64(state_change)] = &row[..] {
        let order = |state: &str| backends::Order {
            target: Backend { pid: *pid as i32, backend_start: *backend_start },
            signal: Signal::Terminate,
            state: state.into(),
            state_change: *state_change,
            reason: "hostile".into(),
        };
        send(&session, &[order("idle"), order("active")], false, &mut heard);
    }
    heard
}

fn order(order: &Order) -> backends::Order {
    backends::Order {
        target: Backend { pid: order.pid, backend_start: order.backend_start },
        signal: if order.cancel { Signal::Cancel } else { Signal::Terminate },
        state: order.state.clone(),
        state_change: order.state_change,
        reason: "hostile".into(),
    }
}

fn send(session: &Session, orders: &[backends::Order], dry_run: bool, heard: &mut Heard) {
    for result in heard.take("delivery", backends::deliver(session, orders, dry_run)).iter().flatten() {
        heard.note(outcome(result));
    }
}
