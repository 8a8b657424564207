use super::*;

#[test]
fn ids_are_unique_and_digests_have_their_form() {
    let mut ids: Vec<_> = ALL.iter().map(|entry| entry.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), ALL.len());
    assert!(ALL.iter().all(|entry| entry.sha256().len() == 64));
}

#[test]
fn every_statement_only_reads() {
    for entry in ALL {
        let first = entry.sql.split_once(" /* archon-pool */ ").map(|(first, _)| first);
        assert!(matches!(first, Some("SELECT" | "WITH")), "{}", entry.id);
        let text = entry.sql.to_ascii_lowercase();
        for word in ["pg_terminate_backend", "pg_cancel_backend", "set_config", "insert ", "update ", "delete ", ";"] {
            assert!(!text.contains(word), "{} contains {word}", entry.id);
        }
    }
}

/// Functions that read bytes, numbers, times or names of this database: none of them fails for a text of another
/// encoding. `STATEMENTS` reads valid texts, which the view has converted, and `STATEMENT_COUNTS` none.
const READ_NO_CHARACTERS: &[&str] = &[
    "age",
    "array_agg",
    "array_to_string",
    "clock_timestamp",
    "count",
    "current_database",
    "current_setting",
    "encode",
    "host",
    "max",
    "min",
    "octet_length",
    "pg_backend_pid",
    "pg_blocking_pids",
    "pg_has_role",
    "pg_is_in_recovery",
    "pg_postmaster_start_time",
    "pg_sleep",
    "pg_stat_get_backend_idset",
    "pg_stat_get_backend_pid",
    "pg_stat_get_backend_userid",
    "pg_stat_get_progress_info",
    "pg_stat_get_subscription",
    "pg_stat_get_wal_senders",
    "quote_ident",
    "quote_literal",
    "regexp_replace",
    "split_part",
    "substring",
    "to_char",
    "to_jsonb",
    "unnest",
];
/// Other words before a parenthesis.
const WORDS: &[&str] = &[
    "and",
    "any",
    "as",
    "bit",
    "coalesce",
    "else",
    "exists",
    "filter",
    "from",
    "i",
    "in",
    "join",
    "lateral",
    "materialized",
    "not",
    "nullif",
    "o",
    "on",
    "or",
    "over",
    "then",
    "where",
];

#[test]
fn no_function_decodes_text_of_other_databases() {
    for entry in ALL.iter().filter(|entry| ![STATEMENTS, STATEMENT_COUNTS].contains(entry)) {
        let code: String = entry.sql.split('\'').step_by(2).collect();
        for (at, _) in code.match_indices('(') {
            let before = code[..at].trim_end().trim_end_matches('"');
            let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |end| end + 1);
            let name = before[start..].to_ascii_lowercase();
            let known = |names: &[&str]| names.contains(&name.as_str());
            assert!(name.is_empty() || known(READ_NO_CHARACTERS) || known(WORDS), "{} calls {name}", entry.id);
        }
        // Names of schemas and sources of functions are the connected database's.
        let code = code.replace("nspname ~ ", "").replace("prosrc ~* ", "");
        for word in [" LIKE ", "ILIKE", "SIMILAR TO", "~", "a.query,"] {
            assert!(!code.contains(word), "{} contains {word}", entry.id);
        }
        // Names of applications are ASCII.
        for (at, call) in code.match_indices("regexp_replace(") {
            let of = &code[at + call.len()..];
            assert!(of.starts_with("a.application_name COLLATE") || of.starts_with("pg_catalog.current_setting("));
        }
    }
}

#[test]
fn every_relation_is_schema_qualified() {
    for entry in ALL {
        let names = ["pg_stat_", "pg_locks", "\"left\"(", "\"substring\"("];
        for (at, _) in names.iter().flat_map(|name| entry.sql.match_indices(name)) {
            let before = &entry.sql[..at];
            let qualified = before.ends_with("pg_catalog.") || before.ends_with("%I.") || before.ends_with('\'');
            assert!(qualified, "{} at {at}", entry.id);
        }
    }
}
