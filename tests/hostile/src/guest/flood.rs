//! Exceeds the size and number of everything that a call can carry or request.

use super::bindings::archon::connection_pool::backends::{self, Backend, Order, Signal};
use super::bindings::archon::connection_pool::credentials::{self, Credential};
use super::bindings::archon::connection_pool::database::{self, Session, Statement, Value};
use super::bindings::archon::connection_pool::pooler::Console;
use super::heard::{Heard, outcome, rows, said};

/// Returns the default credential; records the fault in `heard` if there is none.
pub(super) fn credential(heard: &mut Heard) -> Option<Credential> {
    heard.take("credential", credentials::lookup(None))
}

/// Opens a session; records the fault in `heard` if there is none.
pub(super) fn session(heard: &mut Heard) -> Option<Session> {
    let credential = credential(heard)?;
    heard.take("session", Session::open(&credential))
}

pub(super) fn calls() -> Heard {
    let mut heard = Heard::default();
    let Some(credential) = credential(&mut heard) else { return heard };
    loop {
        std::hint::black_box(credential.name());
    }
}

pub(super) fn credentials() -> Heard {
    let mut hoard = Vec::new();
    loop {
        match credentials::lookup(None) {
            Ok(credential) => hoard.push(credential),
            Err(fault) => return Heard::of(said(&fault)),
        }
    }
}

pub(super) fn sessions() -> Heard {
    let mut heard = Heard::default();
    let Some(credential) = credential(&mut heard) else { return heard };
    let mut hoard = Vec::new();
    while let Some(session) = heard.take("session", Session::open(&credential)) {
        hoard.push(session);
    }
    // A refused session must not affect the others.
    for session in &hoard {
        for answer in heard.take("batch", session.query(&[statement_of("SELECT 1")])).iter().flatten() {
            heard.note(rows(answer));
        }
    }
    heard.take("session", Session::open(&credential));
    heard
}

pub(super) fn leaked_session() -> Heard {
    let mut heard = Heard::default();
    std::mem::forget(session(&mut heard));
    heard
}

pub(super) fn probes(count: u32) -> Heard {
    let mut heard = Heard::default();
    let Some(credential) = credential(&mut heard) else { return heard };
    while heard.take("probes", database::probe(&credential, count, u32::MAX)).is_some() {}
    heard
}

pub(super) fn consoles() -> Heard {
    let mut heard = Heard::default();
    let Some(credential) = credential(&mut heard) else { return heard };
    loop {
        heard.take("console", Console::open(&credential));
        heard.forget_all_but(1);
    }
}

pub(super) fn statement(bytes: usize) -> Heard {
    ask(&[Statement { sql: "x".repeat(bytes), ..statement_of("") }])
}

pub(super) fn parameters(count: usize, bytes: usize) -> Heard {
    let mut statement = statement_of("SELECT $1");
    statement.params = vec![Value::Text("x".repeat(bytes)); count];
    ask(&[statement])
}

pub(super) fn statements(count: usize) -> Heard {
    ask(&vec![statement_of("SELECT 1"); count])
}

pub(super) fn name(bytes: usize) -> Heard {
    let mut heard = Heard::default();
    heard.take("credential", credentials::lookup(Some(&"x".repeat(bytes))));
    heard
}

pub(super) fn orders(count: usize, bytes: usize) -> Heard {
    let mut heard = Heard::default();
    let Some(session) = session(&mut heard) else { return heard };
    let order = Order {
        target: Backend { pid: 1, backend_start: 0 },
        signal: Signal::Terminate,
        state: "idle".into(),
        state_change: 0,
        reason: "x".repeat(bytes),
    };
    for result in heard.take("delivery", backends::deliver(&session, &vec![order; count], false)).iter().flatten() {
        heard.note(outcome(result));
    }
    heard
}

/// Creates a JSON text in one allocation.
pub(super) fn answer(bytes: usize) -> String {
    let mut text = "x".repeat(bytes);
    text.replace_range(..1, "\"");
    text.replace_range(bytes - 1.., "\"");
    text
}

pub(super) fn statement_of(sql: &str) -> Statement {
    Statement { sql: sql.to_owned(), params: Vec::new(), max_rows: u32::MAX }
}

fn ask(batch: &[Statement]) -> Heard {
    let mut heard = Heard::default();
    let Some(session) = session(&mut heard) else { return heard };
    for answer in heard.take("batch", session.query(batch)).iter().flatten() {
        heard.note(rows(answer));
    }
    heard
}
