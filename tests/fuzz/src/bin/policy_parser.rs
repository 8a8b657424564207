//! Fuzzes the strict SQL mode: any text is checked, and an accepted statement is accepted again after it was printed.
#![no_main]

use archon_pool::sql::admit;
use libfuzzer_sys::fuzz_target;

/// Names that no accepted statement may call or read, in any spelling.
const FORBIDDEN: [&str; 6] = ["pg_sleep", "pg_terminate_backend", "set_config", "pg_read_file", "pg_authid", "dblink"];

fuzz_target!(|text: &str| {
    let Ok(admitted) = admit(text) else { return };
    let print = admitted.to_string();
    let outside: String = print.to_ascii_lowercase().split('\'').step_by(2).collect();
    for word in FORBIDDEN {
        assert!(!outside.contains(&format!("{word}(")), "{word} is called");
        assert!(!outside.contains(&format!("pg_catalog.{word}")), "{word} is read");
    }
    assert!(admit(&print).as_ref() == Ok(&admitted), "the print means something else");
});
