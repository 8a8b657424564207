//! Column types of every statement that the host sends through the query endpoint.

use archon_pool_core::guard_sql::{CLASSIFY, COUNT, STILL_THERE, TERMINATE, WOULD_TERMINATE};
use archon_pool_query_endpoint::column_type::ColumnType;
use archon_pool_query_endpoint::columns::{self, Columns};

const BOOL: ColumnType = ColumnType::Boolean;
const INT: ColumnType = ColumnType::Int64;
const TEXT: ColumnType = ColumnType::Text;
const TIME: ColumnType = ColumnType::Timestamp;

/// The guard's statements.
const GUARD: &[(&str, Columns)] = &[
    (TERMINATE, &[("signalled", BOOL)]),
    (WOULD_TERMINATE, &[("would_signal", BOOL)]),
    (COUNT, &[("started", INT), ("database", INT), ("killable", INT), ("clients", INT)]),
    (
        CLASSIFY,
        &[
            ("hidden", BOOL),
            ("same", BOOL),
            ("backend_type", TEXT),
            ("here", BOOL),
            ("role", TEXT),
            ("role_protected", BOOL),
            ("application", TEXT),
            ("application_protected", BOOL),
            ("own", BOOL),
            ("unchanged", BOOL),
            ("endable", BOOL),
            ("old_enough", BOOL),
            ("spared", TEXT),
        ],
    ),
    (STILL_THERE, &[("pid", INT), ("backend_start", TIME)]),
];

/// Returns the columns of a statement; none when it is not one of the host or the catalogue.
pub(super) fn of(sql: &str) -> Option<Columns> {
    GUARD.iter().find(|(known, _)| *known == sql).map(|(_, columns)| *columns).or_else(|| columns::of(sql))
}
