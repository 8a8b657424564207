//! Application names with variable parts: protected names, grouping by application, and the host's own name.

use anyhow::{Context as _, Result, ensure};
use archon_pool_contract::host_api::{Order, Outcome};
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_tests::{Cluster, PgBouncer};

use super::{aged, pids, report};
use crate::actions::{OPERATOR, cluster};
use crate::support::{host_for, impatient};

/// Starts a pooler that appends its clients' addresses.
async fn appending(cluster: &Cluster) -> Result<PgBouncer> {
    let builder = PgBouncer::before(cluster).current().users(&["app", OPERATOR]);
    builder.setting("application_name_add_host", 1).start().await
}

/// Creates the order to end the only session in a transaction.
async fn order(cluster: &Cluster) -> Result<Order> {
    let sql = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8, state, \
               (extract(epoch FROM state_change) * 1000000)::int8 FROM pg_stat_activity \
               WHERE state = 'idle in transaction'";
    let row = cluster.observer().await?.query_one(sql, &[]).await?;
    let target = SessionKey { pid: row.get(0), backend_start: row.get(1) };
    Ok(Order { target, state: row.get(2), state_change: row.get(3), reason: "test".into() })
}

/// pgbouncer/pgbouncer#896: the name of a backup, followed by an address.
#[tokio::test]
async fn an_appended_address_does_not_bypass_the_protected_names() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = appending(&cluster).await?;
    for name in ["pg_restore", "pg_repack", "checkout"] {
        let backup = bouncer.connect("app", name).await?;
        backup.batch_execute("BEGIN; SELECT 1").await?;
        aged(&cluster, "state = 'idle in transaction'", 1, 2).await?;
        let is_protected = name != "checkout";
        let host = host_for(cluster.url(OPERATOR, "postgres"));
        if is_protected {
            let report = report(&host, impatient("kill-idle")).await?;
            ensure!(pids(&report).is_empty(), "{name}: {:#?}", report.actions);
        }
        let outcomes = host.deliver(None, &[order(&cluster).await?], 100, true).await?;
        let denied = matches!(&outcomes[..], [Outcome::Denied(why)] if why.contains("protected"));
        ensure!(denied == is_protected, "{name}: {outcomes:?}");
        backup.batch_execute("ROLLBACK").await?;
    }
    Ok(())
}

/// pgbouncer/pgbouncer#1059: the host's own name, followed by an address.
#[tokio::test]
async fn our_own_session_is_recognised_behind_a_pooler_that_appends_addresses() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = appending(&cluster).await?;
    let _other = cluster.app("app", "shop").idle("SELECT 1").await?;
    let report = report(&host_for(bouncer.url(OPERATOR, "postgres")), impatient("full-analysis")).await?;
    let tallies = &report.pool_stats.connections.by_application;
    ensure!(!tallies.iter().any(|tally| tally.name.starts_with("archon-pool - ")), "{tallies:?}");
    Ok(())
}

/// seuros/capistrano-puma#186 and sidekiq/sidekiq#261: process ids, slots and busy counts in names.
#[tokio::test]
async fn workers_with_numbers_in_their_names_are_one_application() -> Result<()> {
    let cluster = cluster().await?;
    let mut sessions = Vec::new();
    for worker in 0..3 {
        let puma = format!("puma: cluster worker {worker}: {} [shop]", 8_800 + worker);
        sessions.push(cluster.app("app", &puma).idle("SELECT 1").await?);
        let sidekiq = format!("sidekiq 7.1 shop [{worker} of 10 busy]");
        sessions.push(cluster.app("app", &sidekiq).idle("SELECT 1").await?);
    }
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), impatient("detect-leaks")).await?;
    for name in ["puma", "sidekiq"] {
        let of = |other: &str| other.starts_with(name);
        let groups: Vec<_> = report.leak_detection.groups.iter().filter(|group| of(&group.application)).collect();
        let [group] = &groups[..] else { anyhow::bail!("{name} is one: {groups:#?}") };
        ensure!(group.sessions == 3, "{group:#?}");
        let tallies = &report.pool_stats.connections.by_application;
        let tally = tallies.iter().find(|tally| of(&tally.name)).context("a tally")?;
        ensure!(tally.count == 3, "{tallies:?}");
    }
    Ok(())
}
