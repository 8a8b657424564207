//! The heaviest statements that the strict mode admits, and what they take of a backend.

use anyhow::{Context as _, Result};
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::{Policy, Sql};
use archon_pool::sql;
use archon_pool_tests::Cluster;
use serde_json::json;

use crate::hostile::arena::{HOSTILE, heard};
use crate::support::host_under;

/// More than this no admitted statement may take, KiB.
const MOST_KIB: u64 = 100 << 10;

/// A derived table in another one, whose column is the sum of so many uses of the inner one.
fn nested(levels: usize, uses: usize) -> String {
    (0..levels).fold("SELECT l.pid AS a FROM pg_catalog.pg_locks l".to_owned(), |inner, level| {
        let sum = vec![format!("x{level}.a"); uses].join(" + ");
        format!("SELECT {sum} AS a FROM ({inner}) x{level}")
    })
}

fn repeated(levels: usize, form: impl Fn(&str) -> String) -> String {
    (0..levels).fold("l.pid".to_owned(), |inner, _| form(&inner))
}

/// Statements of every kind that grows, each as large as it is admitted.
fn heaviest() -> Vec<String> {
    let largest = |make: &dyn Fn(usize) -> String| {
        let admitted = (1..=120).map(make).take_while(|text| sql::admit(text).is_ok()).last();
        admitted.unwrap_or_else(|| panic!("none is admitted: {}", make(1)))
    };
    let from = "FROM pg_catalog.pg_locks l";
    let three = "pg_catalog.pg_stat_activity b, pg_catalog.pg_stat_activity c, pg_catalog.pg_stat_activity d";
    let joined = "WHERE b.pid = c.pid AND c.pid = d.pid";
    let all = (0..5).map(|n| format!("pg_catalog.pg_stat_activity a{n}")).collect::<Vec<_>>().join(", ");
    let equal =
        (1..5).map(|n| format!("a{n}.pid = a0.pid AND a{n}.datid = a0.datid")).collect::<Vec<_>>().join(" AND ");
    let patterns = |count: usize| {
        let pattern = |n: usize| format!("a.query ~* '(((((([a-m]|x{n}|[n-z])+)+)+)+)+)+'");
        let tests: Vec<_> = (0..count).map(pattern).collect();
        format!("SELECT {} FROM pg_catalog.pg_stat_activity a", tests.join(", "))
    };
    vec![
        largest(&|uses| nested(2, uses)),
        largest(&|uses| nested(3, uses)),
        largest(&|uses| nested(4, uses)),
        largest(&|levels| {
            format!(
                "SELECT {} {from}",
                repeated(levels, |inner| format!("CASE WHEN {inner} BETWEEN 0 AND 1 THEN 1 END"))
            )
        }),
        largest(&|count| {
            let list = vec!["l.pid"; count].join(", ");
            format!("SELECT {} {from}", repeated(3, |inner| format!("CASE WHEN {inner} IN ({list}) THEN 1 END")))
        }),
        largest(&|uses| {
            let sum = vec!["x.a"; uses].join(" + ");
            format!("SELECT {sum} FROM (SELECT (SELECT pg_catalog.max(b.pid) FROM {three} {joined}) AS a) x")
        }),
        largest(&|uses| {
            let arms = vec!["SELECT 1 AS a"; 40].join(" UNION ALL ");
            format!("SELECT {} FROM ({arms}) x", vec!["x.a"; uses].join(" + "))
        }),
        largest(&patterns),
        format!("SELECT pg_catalog.count(*) FROM {all} WHERE {equal}"),
        format!("SELECT pg_catalog.count(*) FROM {all}"),
    ]
}

/// A figure of a process's status, KiB.
fn status(pid: i32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| name.to_owned())?;
    Ok(line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn no_admitted_statement_takes_much_of_a_backends_memory() -> Result<()> {
    // As an operator's server may be: it compiles whatever looks expensive.
    let cluster = Cluster::builder().setting("jit", "on").setting("jit_above_cost", 0).start().await?;
    cluster.create_role("monitor", "IN ROLE pg_monitor").await?;
    let engine = Engine::new(&Limits::default())?;
    let plugin = Plugin::from_bytes(&engine, "hostile.wasm", HOSTILE)?;
    let policy = Policy { sql: Sql::Strict, apply: false, ..Policy::default() };
    let host = host_under(cluster.url("monitor", "postgres"), policy).keep_session();
    for text in heaviest() {
        let request = json!({ "action": "monitor", "attack": { "name": "query", "batches": [[text]] } });
        let answer = host.run(&plugin, request).await?;
        let told = heard(&answer).join("\n");
        assert!(!told.contains("not-approved"), "{text}: {told}");
        let row = cluster
            .observer()
            .await?
            .query_one("SELECT pid FROM pg_stat_activity WHERE application_name = 'archon-pool'", &[])
            .await
            .with_context(|| format!("the session is kept: {told}"))?;
        let pid: i32 = row.get(0);
        let own = status(pid, "VmHWM")?.saturating_sub(status(pid, "RssShmem")?);
        assert!(own < MOST_KIB, "{own} KiB after {text}");
    }
    Ok(())
}
