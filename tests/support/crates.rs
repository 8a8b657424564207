//! Checks the dependencies between the crates of the workspace, and the crates that small ones must not include.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Workspace crates that each crate of the host may depend on.
const DIRECTIONS: [(&str, &[&str]); 17] = [
    ("archon-pool-contract", &[]),
    ("archon-pool-components", &[]),
    ("archon-pool-core", &["contract", "components"]),
    ("archon-pool-postgres", &["contract", "core"]),
    ("archon-pool-audit", &["contract", "core"]),
    ("archon-pool-cassette", &["contract", "core"]),
    ("archon-pool-plugins", &["contract", "core"]),
    ("archon-pool-report", &["contract"]),
    ("archon-pool-serve", &["contract", "core", "audit", "cassette", "report"]),
    ("archon-pool-fleet", &["contract", "core", "serve"]),
    ("archon-pool-top", &["contract", "report"]),
    ("archon-pool-mcp", &["contract", "core", "cassette", "report"]),
    ("archon-pool-query-endpoint", &["contract"]),
    ("archon-pool-supabase", &["contract", "core", "postgres", "query-endpoint"]),
    ("archon-pool-tenants", &["contract", "core", "plugins"]),
    ("archon-pool-registry", &["contract", "core", "plugins", "postgres"]),
    (
        "archon-pool",
        &["contract", "core", "postgres", "audit", "cassette", "plugins", "supabase", "tenants", "registry"],
    ),
];

/// Crates that an embedder of the core does not get: driver, HTTP, command line, SQL parser, file watcher.
const NOT_IN_CORE: [&str; 7] = ["tokio-postgres", "hyper", "reqwest", "clap", "sqlparser", "notify", "rustls"];

/// Returns the normal dependencies of each package of the workspace's lock file by name, without build scripts and
/// tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--locked", "--offline", "--manifest-path", manifest]);
    // Dependencies of other platforms may not have been downloaded.
    let output = command.args(["--filter-platform", "host-tuple"]).output().expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names: BTreeMap<String, String> = list(&metadata["packages"])
        .iter()
        .map(|package| (package["id"].as_str().unwrap().to_owned(), package["name"].as_str().unwrap().to_owned()))
        .collect();
    let name = |id: &Value| names[id.as_str().unwrap()].clone();
    let is_normal = |dependency: &Value| list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
    let of = |node: &Value| {
        list(&node["deps"]).iter().filter(|dependency| is_normal(dependency)).map(|one| name(&one["pkg"])).collect()
    };
    list(&metadata["resolve"]["nodes"]).iter().map(|node| (name(&node["id"]), of(node))).collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let dependencies = dependencies();
    for (name, allowed) in DIRECTIONS {
        let allowed: Vec<String> = allowed.iter().map(|short| format!("archon-pool-{short}")).collect();
        let ours = dependencies[name].iter().filter(|other| other.starts_with("archon-pool"));
        for other in ours {
            assert!(allowed.contains(other), "{name} depends on {other}");
        }
    }
    let program = &dependencies["archon-pool-cli"];
    assert!(!program.contains("tokio-postgres") && !program.contains("wasmtime"), "{program:?}");
}

#[test]
fn the_core_depends_on_no_driver_http_client_command_line_or_sql_parser() {
    let dependencies = dependencies();
    let mut reached = BTreeSet::from(["archon-pool-core".to_owned()]);
    let mut waiting: Vec<String> = reached.iter().cloned().collect();
    while let Some(name) = waiting.pop() {
        for other in dependencies.get(&name).into_iter().flatten() {
            if reached.insert(other.clone()) {
                waiting.push(other.clone());
            }
        }
    }
    for forbidden in NOT_IN_CORE {
        assert!(!reached.contains(forbidden), "archon-pool-core reaches {forbidden}");
    }
}
