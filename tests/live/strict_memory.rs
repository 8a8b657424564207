//! Memory of a backend for the heaviest statements that the strict mode accepts.

use anyhow::{Context as _, Result};
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::{Policy, Sql};
use archon_pool::sql;
use archon_pool_tests::Cluster;
use serde_json::json;

use crate::hostile::attacked_server::{HOSTILE, responses};
use crate::support::host_under;

/// Maximum memory of an accepted statement, KiB.
const MOST_KIB: u64 = 100 << 10;

/// Creates nested derived tables, each with a column that sums this many uses of the inner one.
fn nested(levels: usize, uses: usize) -> String {
    (0..levels).fold("SELECT l.pid AS a FROM pg_catalog.pg_locks l".to_owned(), |inner, level| {
        let sum = vec![format!("x{level}.a"); uses].join(" + ");
        format!("SELECT {sum} AS a FROM ({inner}) x{level}")
    })
}

fn repeated(levels: usize, form: impl Fn(&str) -> String) -> String {
    (0..levels).fold("l.pid".to_owned(), |inner, _| form(&inner))
}

fn pad(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Returns statements that took hundreds of megabytes to gigabytes before the limits existed.
fn too_heavy() -> Vec<String> {
    let product = "FROM pg_catalog.pg_class a, pg_catalog.pg_class b, pg_catalog.pg_class c \
                   WHERE a.relpages + 0 = a.relpages AND b.relpages + 0 = b.relpages";
    let sessions = "FROM pg_catalog.pg_stat_activity s";
    let keys = format!("SELECT a.oid || b.relname || c.oid || '{}' {product}", pad(500));
    vec![
        format!("SELECT pg_catalog.count(*) {sessions} WHERE s.pid || 'x' NOT IN ({keys})"),
        format!("SELECT pg_catalog.count(*) {sessions} WHERE (s.pid || 'x' = ANY ({keys})) IS NOT TRUE"),
        format!("{keys} EXCEPT SELECT s.query {sessions}"),
        "WITH a AS MATERIALIZED (SELECT $1 || $1 AS x), b AS MATERIALIZED (SELECT a.x || a.x AS x FROM a), \
         c AS MATERIALIZED (SELECT b.x || b.x AS x FROM b), d AS MATERIALIZED (SELECT c.x || c.x AS x FROM c) \
         SELECT pg_catalog.length(pg_catalog.lower(d.x)) + pg_catalog.length(pg_catalog.upper(d.x)) FROM d"
            .to_owned(),
    ]
}

/// Returns statements of every kind that grows, each at the largest accepted size.
fn heaviest() -> Vec<String> {
    let largest = |make: &dyn Fn(usize) -> String| {
        let admitted = (1..=500).map(make).take_while(|text| sql::admit(text).is_ok()).last();
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
    let sessions = "FROM pg_catalog.pg_stat_activity s";
    let underrated = "FROM pg_catalog.pg_class c WHERE c.relpages + 0 = c.relpages AND c.relpages + 1 = c.relpages + 1";
    let product = "FROM pg_catalog.pg_class c, pg_catalog.pg_class d WHERE c.oid > 0";
    let grown = format!(
        "WITH a AS MATERIALIZED (SELECT '{}' AS x), b AS MATERIALIZED (SELECT a.x || a.x AS x FROM a), \
         c AS MATERIALIZED (SELECT b.x || b.x AS x FROM b)",
        pad(1000)
    );
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
        // Tables of rows that never spill, and that the planner estimates as small.
        largest(&|bytes| {
            format!(
                "SELECT s.pid {sessions} WHERE s.query NOT IN (SELECT c.relname || '{}' {underrated})",
                pad(bytes * 8)
            )
        }),
        largest(&|bytes| {
            format!("SELECT s.query {sessions} EXCEPT SELECT c.relname || '{}' {underrated}", pad(bytes * 8))
        }),
        // Equal rows, which a hash join stores in one bucket.
        format!(
            "WITH x AS MATERIALIZED (SELECT c.relpages - c.relpages AS k, c.relname || d.relname || '{}' AS t {product} \
             AND c.relpages + 0 = c.relpages AND d.relpages + 0 = d.relpages) \
             SELECT pg_catalog.count(*) {sessions} JOIN x ON x.k = s.pid - s.pid AND x.t <> s.query",
            pad(600)
        ),
        // A sort for each, and states and rows that become longer than the measured ones.
        largest(&|count| {
            let distinct = |n| format!("pg_catalog.count(DISTINCT c.oid::bigint + {n})");
            format!("SELECT {} {product}", (0..count).map(distinct).collect::<Vec<_>>().join(" + "))
        }),
        largest(&|count| {
            let longer = format!("pg_catalog.max(CASE WHEN d.oid > 3000 THEN d.relname || '{}' END)", pad(400));
            format!("SELECT c.oid, {} {product} GROUP BY c.oid", vec![longer; count].join(", "))
        }),
        largest(&|bytes| {
            let longer = format!("CASE WHEN c.oid > 3000 THEN d.relname || '{}' END", pad(bytes * 32));
            format!("SELECT {longer} AS t {product} ORDER BY c.oid::bigint * 1 DESC LIMIT 2000 + 0")
        }),
        // Texts and numbers that grow.
        largest(&|count| format!("{grown} SELECT {} FROM c", vec!["pg_catalog.lower(c.x)"; count].join(", "))),
        largest(&|count| {
            let product = vec!["9999999999999999999999999999"; count].join(" * ");
            format!(
                "WITH a AS MATERIALIZED (SELECT {product} AS n) SELECT (a.n * a.n * a.n * a.n)::text || a.n::text FROM a"
            )
        }),
        format!("SELECT pg_catalog.count(*) FROM {all} WHERE {equal}"),
        format!("SELECT pg_catalog.count(*) FROM {all}"),
    ]
}

/// Reads a value of a process's status, KiB.
fn status(pid: i32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| name.to_owned())?;
    Ok(line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn no_admitted_statement_exceeds_the_memory_bound_of_a_backend() -> Result<()> {
    // Settings of a possible operator's server: compilation of expensive statements, and much memory for each step.
    let builder = Cluster::builder().setting("jit", "on").setting("jit_above_cost", 0);
    let cluster = builder.setting("work_mem", "64MB").setting("hash_mem_multiplier", 8).start().await?;
    cluster.create_role("monitor", "IN ROLE pg_monitor").await?;
    let engine = Engine::new(&Limits::default())?;
    let plugin = Plugin::from_bytes(&engine, "hostile.wasm", HOSTILE)?;
    let policy = Policy { sql: Sql::Strict, apply: false, ..Policy::default() };
    let host = host_under(cluster.url("monitor", "postgres"), policy).keep_session();
    let response_to = async |text: &str| -> Result<String> {
        let request = json!({ "action": "monitor", "attack": { "name": "query", "batches": [[text]] } });
        Ok(responses(&host.run(&plugin, request).await?).join("\n"))
    };
    for text in too_heavy() {
        let response = response_to(&text).await?;
        assert!(response.contains("not-approved"), "{text}: {response}");
    }
    for text in heaviest() {
        let response = response_to(&text).await?;
        assert!(!response.contains("not-approved"), "{text}: {response}");
        let row = cluster
            .observer()
            .await?
            .query_one("SELECT pid FROM pg_stat_activity WHERE application_name = 'archon-pool'", &[])
            .await
            .with_context(|| format!("the session is kept: {response}"))?;
        let pid: i32 = row.get(0);
        let own = status(pid, "VmHWM")?.saturating_sub(status(pid, "RssShmem")?);
        assert!(own < MOST_KIB, "{own} KiB after {text}");
    }
    Ok(())
}
