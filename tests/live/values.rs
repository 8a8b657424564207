//! Boundary values, from a server to a component.

use anyhow::Result;
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::{Policy, Sql};
use archon_pool_tests::Cluster;
use serde_json::json;

use crate::hostile::attacked_server::{HOSTILE, responses};
use crate::support::host_under;

/// Expressions, each with the value that a component receives.
const ENDS: &[(&str, &str)] = &[
    ("9223372036854775807::int8", "Int64(9223372036854775807)"),
    ("'-9223372036854775808'::int8", "Int64(-9223372036854775808)"),
    ("'-32768'::int2", "Int64(-32768)"),
    ("2147483647::int4", "Int64(2147483647)"),
    ("'4294967295'::oid", "Int64(4294967295)"),
    ("'NaN'::float8", "Float64(NaN)"),
    ("'-Infinity'::float8", "Float64(-inf)"),
    ("'1.7976931348623157e308'::float8", "Float64(1.7976931348623157e308)"),
    ("'5e-324'::float8", "Float64(5e-324)"),
    ("'infinity'::timestamptz", "Timestamp(9223372036854775807)"),
    ("'-infinity'::timestamp", "Timestamp(-9223372036854775808)"),
    ("'294276-12-31 23:59:59.999999+00'::timestamptz", "Timestamp(9223372036854775807)"),
    ("'4713-01-01 00:00:00+00 BC'::timestamptz", "Timestamp(-210863520000000000)"),
    ("'infinity'::date::timestamp", "Timestamp(9223372036854775807)"),
    ("'infinity'::date", "unsupported-type"),
    ("'178000000 years'::interval", "unsupported-type"),
    ("'178000000 years'::interval::text", "178000000 years"),
    ("'999999999 years'::interval", "SQLSTATE 22008"),
    ("'NaN'::numeric", "unsupported-type"),
    ("('1e131071'::numeric)::text", "Text(\"1000"),
    ("('1e-16383'::numeric)::text", "Text(\"0.000"),
    ("'1e131072'::numeric::text", "SQLSTATE 22003"),
    ("'1e400'::float8", "SQLSTATE 22003"),
    ("extract(epoch FROM 'infinity'::timestamptz)::float8", "Float64("),
    ("NULL::int8", "Null"),
];

#[tokio::test]
async fn extreme_values_arrive_unchanged_or_are_refused() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("monitor", "IN ROLE pg_monitor").await?;
    let plugin = Plugin::from_bytes(&Engine::new(&Limits::default())?, "hostile.wasm", HOSTILE)?;
    let policy = Policy { sql: Sql::Any, apply: true, ..Policy::default() };
    let host = host_under(cluster.url("monitor", "postgres"), policy);
    let mut broken = Vec::new();
    for (expression, expected) in ENDS {
        let batches = [[format!("SELECT {expression}")]];
        // Statements beyond the strict mode are orders.
        let request = json!({
            "action": "kill-idle",
            "options": { "maxKillPercentage": 100 },
            "attack": { "name": "query", "batches": batches },
        });
        let reported = responses(&host.run(&plugin, request).await?).join("\n");
        if !reported.contains(expected) {
            broken.push(format!("{expression}: {reported:.500}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}
