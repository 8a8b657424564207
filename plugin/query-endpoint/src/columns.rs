//! Column types of the catalogue's statements, which the endpoint's answers do not contain.

use archon_pool_contract::catalogue;

use crate::column_type::ColumnType;

/// Names and types, in the statement's order.
pub type Columns = &'static [(&'static str, ColumnType)];

const BOOL: ColumnType = ColumnType::Boolean;
const INT: ColumnType = ColumnType::Int64;
const FLOAT: ColumnType = ColumnType::Float64;
const TEXT: ColumnType = ColumnType::Text;
const TIME: ColumnType = ColumnType::Timestamp;

const TABLE: &[(&str, Columns)] = &[
    (
        catalogue::SERVER.sql,
        &[
            ("at", TIME),
            ("version_num", INT),
            ("identity", TEXT),
            ("database", TEXT),
            ("role", TEXT),
            ("in_recovery", BOOL),
            ("max_connections", INT),
            ("superuser_reserved", INT),
            ("reserved", INT),
            ("database_limit", INT),
            ("superuser", BOOL),
            ("signals_backends", BOOL),
            ("owns_database", BOOL),
            ("supabase", BOOL),
        ],
    ),
    (
        catalogue::ACTIVITY.sql,
        &[
            ("pid", INT),
            ("backend_start", TIME),
            ("backend_type", TEXT),
            ("database", TEXT),
            ("role", TEXT),
            ("application", TEXT),
            ("client_address", TEXT),
            ("state", TEXT),
            ("state_change", TIME),
            ("query_start", TIME),
            ("wait_event_type", TEXT),
            ("wait_event", TEXT),
            ("xmin_age", INT),
            ("has_xid", BOOL),
            ("query", TEXT),
            ("hidden", BOOL),
            ("own", BOOL),
            ("query_escaped", BOOL),
            ("copied_bytes", INT),
        ],
    ),
    (catalogue::CLOCK.sql, &[("at", TIME)]),
    (
        catalogue::LOCKS.sql,
        &[
            ("pid", INT),
            ("advisory", INT),
            ("relations", INT),
            ("waits_for", TEXT),
            ("waiting_since", TIME),
            ("blocked_by", TEXT),
            ("blocked_by_prepared", TEXT),
        ],
    ),
    (
        catalogue::PREPARED.sql,
        &[("transaction", INT), ("gid", TEXT), ("prepared_at", TIME), ("owner", TEXT), ("database", TEXT)],
    ),
    (catalogue::TEMP_OBJECTS.sql, &[("pid", INT)]),
    (
        catalogue::COUNTERS.sql,
        &[
            ("at", TIME),
            ("stats_reset", TIME),
            ("transactions", INT),
            ("sessions", INT),
            ("abandoned", INT),
            ("active_ms", FLOAT),
            ("idle_in_transaction_ms", FLOAT),
            ("backends", INT),
        ],
    ),
    (catalogue::STATEMENT_COUNTS.sql, &[("document", TEXT)]),
    (catalogue::STATEMENTS.sql, &[("document", TEXT)]),
    (
        catalogue::ROLES.sql,
        &[("name", TEXT), ("connection_limit", INT), ("superuser", BOOL), ("granted", BOOL), ("alterable", BOOL)],
    ),
    (catalogue::SETTINGS.sql, &[("name", TEXT), ("value", TEXT), ("unit", TEXT)]),
    (catalogue::ROLE_SETTINGS.sql, &[("role", TEXT), ("database", TEXT), ("setting", TEXT)]),
    (catalogue::SESSIONS.sql, &[("pid", INT), ("backend_start", TIME)]),
    (catalogue::PAUSE.sql, &[("passed", BOOL)]),
];

/// Returns the columns of a statement; none when it is not one of the catalogue.
pub fn of(sql: &str) -> Option<Columns> {
    TABLE.iter().find(|(known, _)| *known == sql).map(|(_, columns)| *columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_columns_of_the_whole_catalogue() {
        for entry in catalogue::ALL {
            let columns = of(entry.sql).unwrap_or_else(|| panic!("{} has no columns here", entry.id));
            assert!(columns.iter().all(|(name, _)| entry.sql.contains(name)), "{}", entry.id);
        }
        assert!(of("SELECT 1").is_none());
    }
}
