//! Classification of a session's last statements: work of an application, or transaction control, pings, set-up
//! and clean-up that drivers and pools send of their own.
//!
//! Sources: the statements that psycopg, asyncpg, npgsql, pgJDBC, node-postgres, pgx, lib/pq, DBD::Pg, SQLAlchemy,
//! Django, ActiveRecord, Ecto, Sequelize, TypeORM, Prisma, HikariCP and c3p0 send.

use archon_pool_contract::statement_text;

/// Classification of one text, which may hold several statements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatementKind {
    /// All of it is a driver's or a pool's own.
    pub is_housekeeping: bool,
    /// It cleans a session up, as pools do when it comes back, and nothing but housekeeping follows.
    pub cleans_up: bool,
    /// Part of it shows where in an application it comes from.
    pub is_code_path: bool,
}

/// One statement's part in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// An application's work.
    Work,
    /// The bounds of an application's transaction.
    TransactionControl,
    /// Checks or sets a session up.
    SetUp,
    /// Returns a session to the state in which it was opened.
    CleanUp,
    /// An anonymous block: asyncpg cleans up with one among others.
    Block,
}

/// First words of transaction control. `ROLLBACK` is how pools clean up.
const CONTROL: &str = "begin start commit end abort savepoint release";
/// First words of what only concerns the session.
const SET_UP: &str = "set reset show discard deallocate listen unlisten close";
/// Words of queries that only ask for the server or the session: pings, versions, settings.
const ASKS: &str = "\
    select values from as pg_catalog true false null where limit version current_schema current_schemas current_database \
    current_catalog current_user session_user current_role user current_setting set_config current_timestamp \
    current_date now clock_timestamp statement_timestamp transaction_timestamp pg_backend_pid pg_is_in_recovery \
    pg_postmaster_start_time pg_advisory_unlock_all inet_server_addr inet_server_port txid_current";
/// Parts of queries by which drivers and object mappers read the system catalogues.
const CATALOGUES: [&str; 8] = [
    "pg_type",
    "typname",
    "typeinfo_tree",
    " from pg_catalog.",
    " from pg_namespace",
    " from pg_class",
    " from pg_attribute",
    " from information_schema.",
];

impl StatementKind {
    /// Reads a text as the server shows it.
    pub fn of(sql: &str) -> Self {
        let parts: Vec<_> = statement_text::statements(sql).iter().map(|statement| Part::of(statement)).collect();
        let last_clean_up = parts.iter().rposition(|part| *part == Part::CleanUp);
        let is_own = |part: &Part| match part {
            Part::SetUp | Part::CleanUp => true,
            Part::Block => last_clean_up.is_some(),
            Part::Work | Part::TransactionControl => false,
        };
        let works = |part: &Part| *part == Part::Work || (*part == Part::Block && last_clean_up.is_none());
        Self {
            is_housekeeping: parts.iter().all(is_own),
            cleans_up: last_clean_up.is_some_and(|at| !parts[at..].iter().any(works)),
            is_code_path: parts.iter().any(works),
        }
    }
}

impl Part {
    /// Of a statement without literals and comments.
    fn of(statement: &str) -> Self {
        let text = statement.to_ascii_lowercase();
        let (first, rest) = text.split_once(' ').unwrap_or((text.as_str(), ""));
        match first {
            "rollback" if rest.starts_with("to ") || rest.starts_with("prepared ") => Self::TransactionControl,
            "rollback" | "discard" | "reset" | "deallocate" => Self::CleanUp,
            "close" if rest == "all" => Self::CleanUp,
            "unlisten" if rest == "*" => Self::CleanUp,
            "prepare" if rest.starts_with("transaction ") => Self::TransactionControl,
            "do" => Self::Block,
            _ if text.contains("pg_advisory_unlock_all()") => Self::CleanUp,
            _ if lists(CONTROL, first) => Self::TransactionControl,
            _ if lists(SET_UP, first) || asks_only(&text) || reads_catalogues(first, &text) => Self::SetUp,
            _ => Self::Work,
        }
    }
}

fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|entry| entry == word)
}

/// Returns true if all words of a query are of the server and the session, the names that it gives and its types aside.
fn asks_only(text: &str) -> bool {
    if !text.starts_with("select") && !text.starts_with("values") {
        return false;
    }
    let mut named = false;
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '"' || c == ':'))
        .filter(|word| !word.is_empty())
        .all(|word| {
            let is_name = std::mem::replace(&mut named, word == "as");
            let word = word.split("::").next().unwrap_or_default();
            is_name || word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) || lists(ASKS, word)
        })
}

fn reads_catalogues(first: &str, text: &str) -> bool {
    (first == "select" || first == "with") && CATALOGUES.iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(texts: &[&str]) -> Vec<(bool, bool, bool)> {
        let kind = |text: &&str| StatementKind::of(text);
        texts.iter().map(kind).map(|kind| (kind.is_housekeeping, kind.cleans_up, kind.is_code_path)).collect()
    }

    #[test]
    fn pings_and_driver_set_up_are_not_code_paths() {
        for text in [
            "",
            ";",
            "-- ping",
            "/* ping */",
            "/* ping */ SELECT 1",
            "SELECT 1;",
            "SELECT 1 AS one",
            "SELECT 1+1 AS result",
            "SELECT 'DBD::Pg ping test'",
            "SELECT $1::int",
            "SELECT now()",
            "select version()",
            "select pg_catalog.version()",
            "SELECT version(), current_setting('server_version_num')::integer as numeric_version;",
            "SELECT * FROM current_schema()",
            "SELECT set_config('TimeZone', 'UTC', false)",
            "SET extra_float_digits = 3",
            "SET application_name = 'PostgreSQL JDBC Driver'",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SHOW server_version;",
            "SHOW TRANSACTION ISOLATION LEVEL",
            "LISTEN jobs",
            "SELECT t.oid, t.typname, t.typsend FROM pg_type AS t",
            "SELECT version();\n\nSELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid FROM (\n-- x",
            "\n    WITH RECURSIVE typeinfo_tree(\n        oid, ns, name, kind",
            "SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace",
            "SELECT * FROM information_schema.tables",
        ] {
            assert_eq!(kinds(&[text]), [(true, false, false)], "{text}");
        }
    }

    #[test]
    fn transaction_control_is_use_but_not_a_code_path() {
        for text in [
            "COMMIT",
            "BEGIN",
            "END",
            "ABORT",
            "START TRANSACTION",
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "SAVEPOINT a",
            "RELEASE SAVEPOINT a",
            "ROLLBACK TO SAVEPOINT a",
            "PREPARE TRANSACTION 'a'",
            "COMMIT PREPARED 'a'",
            "/* app */ COMMIT;",
            "BEGIN; SET LOCAL lock_timeout = '1s'",
        ] {
            assert_eq!(kinds(&[text]), [(false, false, false)], "{text}");
        }
    }

    #[test]
    fn clean_up_is_recognised_among_several_statements() {
        for text in [
            "ROLLBACK",
            "DISCARD ALL",
            "RESET ALL",
            "UNLISTEN *",
            "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
            "SELECT pg_advisory_unlock_all(); CLOSE ALL; DO $$ BEGIN UNLISTEN *; END; $$; RESET ALL;",
            "CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP",
            "ROLLBACK; SET SESSION AUTHORIZATION DEFAULT; SELECT 1",
        ] {
            assert_eq!(kinds(&[text]), [(true, true, false)], "{text}");
        }
        assert_eq!(kinds(&["DELETE FROM a; ROLLBACK"]), [(false, true, true)]);
        assert_eq!(kinds(&["RESET ALL; DELETE FROM a"]), [(false, false, true)]);
        assert_eq!(kinds(&["ROLLBACK TO a", "UNLISTEN a"]), [(false, false, false), (true, false, false)]);
    }

    /// Texts that drivers and pools send to clean up a returned session, each with its place in their sources. Whatever else
    /// is in the text, such a session was given back: `not-cleaned-up` must not hold for it.
    const RESETS: &[(&str, &str)] = &[
        ("PgBouncer, `server_reset_query`; Npgsql, `ResetOnClose`; ActiveRecord, `reset!`", "DISCARD ALL"),
        (
            "Npgsql with prepared statements, `GenerateResetMessage`",
            "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP",
        ),
        ("asyncpg, `get_reset_query`", "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;"),
        (
            "deadpool-postgres, `RecyclingMethod::Clean`",
            "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;",
        ),
        ("psycopg, SQLAlchemy, HikariCP, DBCP2, c3p0, database/sql, sqlx: on return", "ROLLBACK"),
        ("PHP, `pg_pconnect` at the end of a request", "BEGIN;ROLLBACK;"),
        ("an application whose work fails in one text with its end", "INSERT INTO a VALUES (1); ROLLBACK"),
        ("an application that ends its work so", "BEGIN; UPDATE a SET b = 1; COMMIT; DISCARD ALL"),
        ("pgpool-II, `reset_query_list`", "ABORT; DISCARD ALL"),
    ];

    #[test]
    fn every_reset_that_drivers_send_cleans_up() {
        for (driver, text) in RESETS {
            assert!(StatementKind::of(text).cleans_up, "{driver}: {text}");
        }
    }

    #[test]
    fn other_statements_are_code_paths() {
        for text in [
            "SELECT name FROM items WHERE id = 1",
            "SELECT 1 FROM items",
            "INSERT INTO a VALUES (1); COMMIT",
            "SELECT 'BEGIN; COMMIT' FROM a",
            "SELECT version FROM releases",
            "DO $$ BEGIN PERFORM work(); END $$",
            "SELECT pg_advisory_lock(1)",
            "PREPARE a AS SELECT 1",
            "settle()",
            "COPY items FROM STDIN",
        ] {
            assert_eq!(kinds(&[text]), [(false, false, true)], "{text}");
        }
    }
}
