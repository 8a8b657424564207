//! Generates the tables of `tests/ATTACKS.md` from the suite.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use archon_pool_security::Kind;

use super::{Attack, abi, cpu_memory, loading, pools, secrets, signals, sql};

const BEGIN: &str =
    "<!-- Generated: BLESS=1 cargo test --workspace --all-features --locked --test live attacks_md -->\n";
const END: &str = "<!-- End of the generated part. -->\n";

/// Families: subject, test and table.
const FAMILIES: [(&str, &str, &[Attack]); 8] = [
    ("Loading", "hostile::loading::invalid_and_oversized_components_are_not_loaded", loading::ATTACKS),
    ("CPU, memory and floods", "hostile::cpu_memory::cpu_memory_and_floods_are_bounded", cpu_memory::ATTACKS),
    ("The canonical ABI", "hostile::abi::invalid_abi_values_end_the_call", abi::ATTACKS),
    (
        "SQL that writes or gains privileges, when an operator allows any (`Sql::Any`)",
        "hostile::sql::any_statement_is_read_only_bounded_and_leaves_nothing",
        sql::rights::ATTACKS,
    ),
    (
        "SQL that uses resources or stays in the session, when an operator allows any (`Sql::Any`)",
        "hostile::sql::any_statement_is_read_only_bounded_and_leaves_nothing",
        sql::resources::ATTACKS,
    ),
    ("Signals", "hostile::signals::no_session_is_ended_against_the_policy", signals::ATTACKS),
    ("Poolers", "hostile::pools::no_pool_is_changed_against_the_policy", pools::ATTACKS),
    ("Secrets", "hostile::secrets::no_secret_is_accessible", secrets::ATTACKS),
];

#[test]
fn attacks_md_lists_every_attack() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ATTACKS.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).context("ATTACKS.md has no mark before its tables")?;
    let (_, after) = rest.split_once(END).context("ATTACKS.md has no mark after its tables")?;
    let current = format!("{before}{BEGIN}{}{END}{after}", tables()?);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, current)?;
        return Ok(());
    }
    ensure!(text == current, "ATTACKS.md is out of date: run this test with BLESS=1");
    Ok(())
}

fn tables() -> Result<String> {
    let mut text = String::new();
    let total: usize = FAMILIES.iter().map(|(_, _, attacks)| attacks.len()).sum();
    writeln!(text, "\n{total} attacks in {} families.", FAMILIES.len())?;
    for (family, test, attacks) in FAMILIES {
        writeln!(text, "\n### {family}\n\nTest: `{test}`\n\n| Attack | Stopped by | Error |\n|---|---|---|")?;
        for attack in attacks {
            writeln!(text, "| {} | {} | {} |", attack.tries, attack.stopped_by, attack.ends.error())?;
        }
    }
    write_servers(&mut text)?;
    text.push('\n');
    Ok(text)
}

/// Writes the table of hostile servers, against which all hosts are tested.
fn write_servers(text: &mut String) -> Result<()> {
    let total = archon_pool_security::behaviours().count();
    writeln!(
        text,
        "\n### Hostile servers\n\n{total} behaviours (`tests/security`) against the hosts in Rust, Node and Python: each call ends \
         within its deadline, in less than 200 MiB, and leaves no socket. Tests: `tests/security/live`, \
         `host/node/test/hostile-servers.test.ts`, `host/python/tests/test_hostile_servers.py`"
    )?;
    for (kind, title) in [
        (Kind::Postgres, "PostgreSQL server"),
        (Kind::Console, "PgBouncer console"),
        (Kind::Management, "Management API (the Rust host's)"),
    ] {
        writeln!(text, "\n| {title} | Fault |\n|---|---|")?;
        for behaviour in archon_pool_security::behaviours().filter(|each| each.kind == kind) {
            let faults = behaviour.faults.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(" or ");
            let limit = behaviour.limit.map(|limit| format!(", limit `{limit}`")).unwrap_or_default();
            writeln!(text, "| {} | {faults}{limit} |", behaviour.does)?;
        }
    }
    Ok(())
}
