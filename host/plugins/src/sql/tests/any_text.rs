//! Property tests: any text is refused, or admitted with its exact meaning.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::admit;
use super::questions;

/// Names that must never be called or read.
const FORBIDDEN: &[&str] =
    &["pg_sleep", "pg_terminate_backend", "set_config", "pg_read_file", "pg_authid", "query_to_xml", "evil"];

const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "WITH",
    "AS",
    "(",
    ")",
    "(",
    ")",
    ",",
    ".",
    "pg_catalog.",
    "pg_stat_activity",
    "a",
    "a.pid",
    "x",
    "count",
    "(*)",
    "now()",
    "1",
    "'x'",
    "$1",
    "::",
    "text",
    "||",
    "=",
    "~",
    "-",
    "*",
    "JOIN",
    "ON",
    "UNION",
    "LATERAL",
    "CASE",
    "END",
    "IN",
    "ANY",
    "EXISTS",
    "NOT",
    "NULL",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    ";",
    "\\",
    "E",
    "U&",
    "pg_sleep",
    "pg_terminate_backend",
    "set_config",
    "pg_read_file",
    "pg_authid",
    "query_to_xml",
    "rolconfig",
    "INTO",
    "FOR",
    "UPDATE",
    "DELETE",
    "evil",
    "\n",
    "AT TIME ZONE",
    "FILTER",
    "ORDER BY",
    "LIMIT",
    "pg_roles",
    "r",
];

fn check(text: &str) -> Result<(), TestCaseError> {
    if let Ok(admitted) = admit(text) {
        // The print has no blank between a function's name and its parenthesis; names of columns may be anything.
        let print = admitted.to_string().to_ascii_lowercase();
        let outside: String = print.split('\'').step_by(2).collect();
        for word in FORBIDDEN {
            let called = outside.contains(&format!("{word}(")) || outside.contains(&format!("pg_catalog.{word}"));
            prop_assert!(!called, "{text}");
            prop_assert!(!admitted.functions().contains(*word) && !admitted.relations().contains(*word), "{text}");
        }
        prop_assert_eq!(admit(&admitted.to_string()), Ok(admitted));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mix_of_fragments_is_checked_without_a_panic(pieces in prop::collection::vec(select(PIECES), 0..40)) {
        check(&pieces.join(" "))?;
        check(&pieces.concat())?;
    }

    #[test]
    fn an_admitted_statement_with_inserted_fragments_is_checked_without_a_panic(
        question in select(questions()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), select(PIECES)), 1..4),
    ) {
        let mut words: Vec<&str> = question.split(' ').collect();
        for (index, insert, piece) in changes {
            let at = index.index(words.len());
            if insert { words.insert(at, piece); } else { words[at] = piece; }
        }
        check(&words.join(" "))?;
    }

    #[test]
    fn any_text_is_checked_without_a_panic(text in "\\PC{0,100}") {
        check(&text)?;
    }
}
