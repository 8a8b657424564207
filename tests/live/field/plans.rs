//! Contents of a plan: spared sessions with the reason, the lock of a wait, and a pool size outside its bounds.

use anyhow::{Context as _, Result, ensure};
use archon_pool::limits::Limits;
use archon_pool_tests::PgBouncer;
use secrecy::SecretString;
use serde_json::json;

use super::{aged, pids, report};
use crate::actions::{OPERATOR, cluster};
use crate::support::{host_for, host_with, impatient};

/// pgpool/pgpool2#97: a plan with "0 idle" is misleading if all idle sessions are merely spared.
#[tokio::test]
async fn a_plan_counts_sessions_over_the_threshold_and_the_reasons_of_exclusions() -> Result<()> {
    let cluster = cluster().await?;
    let _pool = cluster.app("app", "shop").idle_many(4, "SELECT n FROM stock").await?;
    aged(&cluster, "application_name = 'shop'", 4, 11).await?;
    let mut input = impatient("kill-idle");
    input["options"]["minSize"] = json!(20);
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), input).await?;
    ensure!(pids(&report).is_empty(), "{:#?}", report.actions);
    let reason = &report.actions[0].reason;
    ensure!(reason.starts_with('4') && reason.contains("spared") && reason.contains("minimum pool"), "{reason}");
    Ok(())
}

/// goauthentik/authentik#23876: "waiting for a lock" does not name the lock.
#[tokio::test]
async fn a_wait_names_the_key_or_the_table_of_its_lock() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "migration");
    let leader = app.advisory_lock(1_000).await?;
    let keyed = app.waiting("SELECT pg_advisory_lock(1000)").await?;
    let writer = app.idle_in_transaction("LOCK TABLE stock IN EXCLUSIVE MODE").await?;
    let table = app.waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let plugin = crate::support::plugin(archon_pool::components::World::Observer);
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let snapshot = host.collect(plugin, impatient("monitor")).await?.to_value();
    let backends = snapshot["backends"].as_array().context("a list")?;
    for (session, word) in [(&keyed, "1000"), (&table, "stock")] {
        let found = backends.iter().find(|backend| backend["pid"] == session.pid()).context("listed")?;
        ensure!(found["waitsFor"].as_str().is_some_and(|lock| lock.contains(word)), "{word}: {}", found["waitsFor"]);
    }
    drop((leader, writer));
    Ok(())
}

/// heroku/heroku-buildpack-pgbouncer#119: the requested bounds apply at once, whatever the rate limits are.
#[tokio::test]
async fn a_size_outside_its_bounds_is_set_to_the_bound_at_once() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).current().users(&["app"]).setting("default_pool_size", 3).start().await?;
    let url = SecretString::from(cluster.url(OPERATOR, "postgres"));
    let console = SecretString::from(bouncer.console_url());
    let host = host_with(archon_pool::credentials().url(url).pooler(console), Limits::default());
    for (min, max, target) in [(12, 20, 12), (1, 6, 6)] {
        let options = json!({ "minSize": min, "maxSize": max, "sampleMs": 0 });
        let report = report(&host, json!({ "action": "auto-scale", "options": options })).await?;
        ensure!(report.scaling.target_size == target, "{:#?}", report.scaling);
        ensure!(bouncer.config_value("default_pool_size").await? == target.to_string(), "{:#?}", report.actions);
    }
    Ok(())
}
