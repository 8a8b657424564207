//! Hostile PgBouncer console.

use crate::behaviour::{Behaviour, Kind, Stage, Then};
use crate::messages::{TEXT, claiming, columns, complete, greeting, logged_in, message, notice, parameter, ready, row};
use crate::postgres::{MALFORMED, SILENT};

const KIND: Kind = Kind::Console;

/// Version that the console reports.
pub(crate) const VERSION: &str = "1.24.1/bouncer";

fn nothing() -> Vec<u8> {
    Vec::new()
}

fn welcome() -> Vec<u8> {
    greeting(VERSION)
}

fn one_column() -> Vec<u8> {
    columns(&[("database", TEXT)])
}

fn long_row(_: u64) -> Vec<u8> {
    row(&["0123456789012345678901234567890123456789"])
}

/// All behaviours of this server.
pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    KIND.beyond(
        Stage::Startup,
        "notices-before-ready",
        "sends notices for ever before the console is ready",
        logged_in,
        Then::Repeat(|_| notice()),
        "start_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "parameters-before-ready",
        "reports new parameters for ever before the console is ready",
        logged_in,
        Then::Repeat(|n| parameter(&format!("p{n}"), "v")),
        "start_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "version-endless",
        "reports a version of 30 MiB",
        || [logged_in(), claiming(b'S', 30 << 20, b"server_version\0")].concat(),
        Then::Repeat(|_| vec![b'1'; 1024]),
        "start_bytes",
    ),
    KIND.beyond(
        Stage::Startup,
        "notices-after-ready",
        "sends notices for ever once the console is ready",
        welcome,
        Then::Repeat(|_| notice()),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Statement,
        "endless-rows",
        "answers a view with rows for ever",
        one_column,
        Then::Repeat(long_row),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Statement,
        "endless-columns",
        "describes a view's columns again and again",
        nothing,
        Then::Repeat(|_| columns(&[("database", TEXT); 100])),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Statement,
        "endless-results",
        "completes a view for ever without being ready",
        nothing,
        Then::Repeat(|_| complete("SHOW")),
        "statement_bytes",
    ),
    KIND.beyond(
        Stage::Statement,
        "two-gib-row",
        "sends a row of 2 GiB",
        || [one_column(), claiming(b'D', i32::MAX, b"\0\x01\x7f\xff\xff\xf0")].concat(),
        Then::Repeat(|_| vec![b'x'; 1024]),
        "protocol_message_bytes",
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
        Stage::Statement,
        "length-negative",
        "sends a message whose length is negative",
        || claiming(b'T', -5, b"\0\0\0\0"),
        Then::Silence,
        MALFORMED,
    ),
    KIND.at(
        Stage::Startup,
        "error-unterminated",
        "refuses the login with an error whose last field has no end",
        || message(b'E', b"SFATAL\0C08P01\0Mno"),
        Then::Silence,
        &["unexpected-answer", "connection-lost", "server-unreachable", "authentication-failed", "credential-invalid"],
    ),
    KIND.at(
        Stage::Startup,
        "another-server",
        "is no PgBouncer but a PostgreSQL server",
        || greeting("15.4"),
        Then::Continue,
        &["credential-invalid"],
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
        "fewer-fields-than-columns",
        "sends a row of one field for three columns",
        || {
            let columns = columns(&[("a", TEXT), ("b", TEXT), ("c", TEXT)]);
            [columns, row(&["x"]), complete("SHOW"), ready()].concat()
        },
        Then::Continue,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "field-beyond-message",
        "sends a row whose field is longer than its message",
        || [one_column(), message(b'D', b"\0\x01\0\x10\0\0abc"), complete("SHOW"), ready()].concat(),
        Then::Continue,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "rows-before-columns",
        "sends rows before their description",
        || [row(&["x"]), complete("SHOW"), ready()].concat(),
        Then::Continue,
        MALFORMED,
    ),
    KIND.at(
        Stage::Statement,
        "copy-in",
        "answers a view with a request for data to copy",
        || message(b'G', b"\0\0\0"),
        Then::Silence,
        MALFORMED,
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
    KIND.at(Stage::Statement, "silent-at-view", "says nothing after a command", nothing, Then::Silence, SILENT),
    KIND.at(
        Stage::Statement,
        "never-ready",
        "answers a view and is never ready for the next",
        || [one_column(), row(&["x"]), complete("SHOW")].concat(),
        Then::Silence,
        SILENT,
    ),
];
