//! Hostile PostgreSQL server.

use crate::behaviour::{Behaviour, Kind, Stage, Then};
use crate::messages::{
    POSTGRES_VERSION, TEXT, authentication, claiming, columns, complete, error, greeting, logged_in, message, notice,
    notification, parameter, ready, row,
};
use crate::scram::Scram;

const KIND: Kind = Kind::Postgres;

/// Faults for an answer that violates the protocol.
pub(crate) const MALFORMED: &[&str] = &["unexpected-answer", "connection-lost", "server-unreachable", "query-failed"];
/// Faults for a missing answer.
pub(crate) const SILENT: &[&str] = &["server-unreachable", "connection-lost", "deadline-exceeded"];

const fn with_message(behaviour: Behaviour, says: &'static str) -> Behaviour {
    Behaviour { says: Some(says), ..behaviour }
}

const fn scram(name: &'static str, does: &'static str, step: Scram) -> Behaviour {
    let first = || authentication(10, b"SCRAM-SHA-256\0\0");
    KIND.at(Stage::Startup, name, does, first, Then::Scram(step), &["authentication-failed"])
}

fn nothing() -> Vec<u8> {
    Vec::new()
}

fn welcome() -> Vec<u8> {
    greeting(POSTGRES_VERSION)
}

fn one_column() -> Vec<u8> {
    columns(&[("a", TEXT)])
}

/// Encodes a row of a user-defined type; the lookup of the type returns another user-defined type.
fn unknown_type() -> Vec<u8> {
    [columns(&[("mood", 70_000)]), row(&["x"]), complete("SELECT 1"), ready()].concat()
}

/// All behaviours of this server.
pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    KIND.beyond(
        Stage::Startup,
        "notices-before-ready",
        "sends notices for ever before the session is ready",
        logged_in,
        Then::Repeat(|_| notice()),
        "start_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "notices-after-ready",
        "sends notices for ever once the session is ready",
        welcome,
        Then::Repeat(|_| notice()),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "parameters-before-ready",
        "reports new parameters for ever before the session is ready",
        logged_in,
        Then::Repeat(|n| parameter(&format!("p{n}"), "v")),
        "start_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "parameters-after-ready",
        "reports new parameters for ever once the session is ready",
        welcome,
        Then::Repeat(|n| parameter(&format!("p{n}"), "v")),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "notifications-after-ready",
        "sends notifications for ever that were never asked for",
        welcome,
        Then::Repeat(|_| notification()),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "endless-mechanisms",
        "lists SASL mechanisms for ever",
        || claiming(b'R', 30 << 20, &10_u32.to_be_bytes()),
        Then::Repeat(|_| b"SCRAM-SHA-1024\0".to_vec()),
        "start_bytes",
    ),
    with_message(
        KIND.at(
            Stage::Startup,
            "scram-rounds",
            "asks for a SCRAM proof of 100,000,000 rounds",
            || authentication(10, b"SCRAM-SHA-256\0\0"),
            Then::Scram(Scram::Rounds(100_000_000)),
            &["authentication-failed"],
        ),
        "100000000",
    ),
    scram("scram-nonce", "continues SCRAM with a nonce that is not the client's", Scram::Nonce),
    scram("scram-signature", "ends SCRAM with the proof of another password", Scram::Signature),
    scram("scram-without-final", "ends SCRAM without a proof", Scram::NoFinal),
    scram("scram-error", "ends SCRAM with an error and goes on", Scram::Error),
    KIND.at(
        Stage::Startup,
        "unknown-authentication",
        "asks for an authentication that does not exist",
        || authentication(99, b"what?"),
        Then::Silence,
        &["authentication-failed", "unexpected-answer", "connection-lost", "server-unreachable"],
    ),
    KIND.at(
        Stage::Startup,
        "length-zero",
        "sends a message whose length is 0",
        || claiming(b'R', 0, b"\0\0\0\0"),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Setup,
        "length-negative",
        "sends a message whose length is negative",
        || claiming(b'T', -5, b"\0\0\0\0"),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "length-three",
        "sends a message whose length is 3",
        || claiming(b'D', 3, b"\0\0\0\0"),
        Then::Silence,
        MALFORMED,
    ),
    KIND.beyond(
        Stage::Startup,
        "two-gib-login",
        "announces a login message of 2 GiB and sends a byte of it a second",
        || claiming(b'R', i32::MAX, b"\0\0\0\0"),
        Then::Trickle(|| vec![0; 3600]),
        "protocol_message_bytes",
    ),
    KIND.beyond(
        Stage::Statement,
        "two-gib-row",
        "sends a row of 2 GiB",
        || [one_column(), claiming(b'D', i32::MAX, b"\0\x01\x7f\xff\xff\xf0")].concat(),
        Then::Repeat(|_| vec![b'x'; 1024]),
        "protocol_message_bytes",
    ),
    KIND.beyond(
        Stage::Statement,
        "endless-rows",
        "answers a statement with rows for ever",
        one_column,
        Then::Repeat(|_| row(&["0123456789012345678901234567890123456789"])),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Setup,
        "endless-rows-at-setup",
        "answers the host's own first statement with rows for ever",
        one_column,
        Then::Repeat(|_| row(&["0123456789012345678901234567890123456789"])),
        "statement_bytes",
    ),
    KIND.at(
        Stage::Startup,
        "error-unterminated",
        "refuses the login with an error whose last field has no end",
        || message(b'E', b"SFATAL\0C28P01\0Mno"),
        Then::Silence,
        &["unexpected-answer", "connection-lost", "server-unreachable", "authentication-failed"],
    ),
    KIND.at(
        Stage::Statement,
        "error-empty",
        "answers a statement with an error that has no fields and no end",
        || message(b'E', b""),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "errors-without-end",
        "answers a statement with errors for ever",
        nothing,
        Then::Repeat(|_| error("XX000", "again")),
        &["limit-exceeded", "query-failed", "unexpected-answer", "connection-lost"],
    ),
    KIND.at(
        Stage::Statement,
        "columns-truncated",
        "describes three columns in a message that ends within the first",
        || message(b'T', b"\0\x03a\0\0\0"),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "columns-negative",
        "describes -1 columns",
        || [message(b'T', b"\xff\xff"), ready()].concat(),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "fewer-fields-than-columns",
        "sends a row of one field for three columns",
        || {
            let columns = columns(&[("a", TEXT), ("b", TEXT), ("c", TEXT)]);
            [columns, row(&["x"]), complete("SELECT 1"), ready()].concat()
        },
        Then::Continue,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "field-beyond-message",
        "sends a row whose field is longer than its message",
        || [one_column(), message(b'D', b"\0\x01\0\x10\0\0abc"), complete("SELECT 1"), ready()].concat(),
        Then::Continue,
        MALFORMED,
    ),
    with_message(
        KIND.at(
            Stage::Statement,
            "unknown-types",
            "answers every statement, one about types included, with a column of an unknown type",
            unknown_type,
            Then::Continue,
            &["unsupported-type"],
        ),
        "70000",
    ),
    KIND.at(
        Stage::Statement,
        "copy-in",
        "answers a statement with a request for data to copy",
        || message(b'G', b"\0\0\0"),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "copy-both",
        "answers a statement with replication's copy mode",
        || message(b'W', b"\0\0\0"),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "rows-before-columns",
        "sends rows before their description",
        || [row(&["x"]), one_column(), complete("SELECT 1"), ready()].concat(),
        Then::Continue,
        MALFORMED,
    ),
    KIND.at(
        Stage::Startup,
        "ready-flood",
        "says for ever that it is ready",
        welcome,
        Then::Repeat(|_| ready()),
        &["unexpected-answer", "connection-lost", "server-unreachable", "query-failed", "limit-exceeded"],
    ),
    KIND.at(
        Stage::Statement,
        "never-ready",
        "answers a statement and is never ready for the next",
        || [one_column(), row(&["x"]), complete("SELECT 1")].concat(),
        Then::Silence,
        SILENT,
    ),
    KIND.at(
        Stage::Statement,
        "closed-in-a-message",
        "closes the connection in the middle of a row",
        || [one_column(), claiming(b'D', 100, b"\0\x01\0\0\0\x50abc")].concat(),
        Then::Close,
        MALFORMED,
    ),
    KIND.at(
        Stage::Accept,
        "silent-after-accept",
        "accepts a connection and says nothing",
        nothing,
        Then::Silence,
        SILENT,
    ),
    KIND.at(
        Stage::Startup,
        "silent-after-startup",
        "says nothing after the startup packet",
        nothing,
        Then::Silence,
        SILENT,
    ),
    KIND.at(
        Stage::Setup,
        "silent-at-setup",
        "says nothing after the host's own first statement",
        nothing,
        Then::Silence,
        SILENT,
    ),
    KIND.at(
        Stage::Statement,
        "silent-at-statement",
        "says nothing after a component's statement",
        nothing,
        Then::Silence,
        SILENT,
    ),
    KIND.at(
        Stage::Startup,
        "byte-a-second",
        "logs the client in at a byte a second",
        nothing,
        Then::Trickle(welcome),
        SILENT,
    ),
    KIND.at(
        Stage::Tls,
        "tls-garbage",
        "agrees to TLS and sends what is none",
        || b"S".to_vec(),
        Then::Repeat(|_| b"this is no TLS record; ".to_vec()),
        &["tls-failed", "server-unreachable"],
    ),
    KIND.at(Stage::Tls, "tls-silent", "agrees to TLS and says nothing more", || b"S".to_vec(), Then::Silence, SILENT),
    KIND.at(
        Stage::Tls,
        "tls-error-unterminated",
        "answers the request for TLS with an error of 2 GiB",
        || claiming(b'E', i32::MAX, b"SFATAL\0Mno"),
        Then::Repeat(|_| vec![b'x'; 1024]),
        &["limit-exceeded", "tls-failed", "server-unreachable", "unexpected-answer", "connection-lost"],
    ),
];
