//! Access paths to a server without a free slot.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool_contract::fault::kind;
use archon_pool_contract::report::Report;
use archon_pool_tests::sessions::Session;
use archon_pool_tests::{Cluster, PgBouncer};
use tempfile::NamedTempFile;

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::support::{fault, host_with, impatient, nothing_left, plugin, run_in};

/// Fills all slots with an application that also left a transaction idle.
async fn taken(cluster: &Cluster) -> Result<(Session, Vec<Session>)> {
    let stuck = cluster.app("app", "greedy").idle_in_transaction("SELECT 1").await?;
    cluster_shows_age(cluster, stuck.pid(), 2).await?;
    let mut others = Vec::new();
    while let Ok(session) = cluster.app("app", "greedy").unused().await {
        others.push(session);
    }
    ensure!(!others.is_empty(), "no slot was free from the start");
    Ok((stuck, others))
}

/// Creates a host whose credentials file has this entry.
fn host_of(entry: &str) -> Result<(Host, NamedTempFile)> {
    let file = NamedTempFile::new()?;
    fs::write(file.path(), format!("[default]\n{entry}"))?;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600))?;
    Ok((host_with(archon_pool::credentials().file(file.path()), Limits::default()), file))
}

/// Ends the idle transaction, through any access path.
async fn frees_a_slot(host: &Host, stuck: &Session) -> Result<Report> {
    let output = run_in(plugin(World::Manager), host, impatient("kill-idle")).await;
    let report = output.data.with_context(|| format!("{:?}", output.error))?;
    let targets: Vec<_> =
        report.actions[0].targets.iter().map(|target| (target.pid, target.outcome.as_str())).collect();
    ensure!(targets == [(stuck.pid(), "ended")], "{:?}", report.actions);
    Ok(report)
}

fn says(report: &Report, words: &str) -> bool {
    report.notes.iter().any(|note| note.contains(words))
}

#[tokio::test]
async fn a_session_that_was_kept_needs_no_slot() -> Result<()> {
    let cluster = cluster().await?;
    let (host, _file) = host_of(&format!("url = '{}'", cluster.url(OPERATOR, "postgres")))?;
    let host = host.keep_session();
    let first = run_in(plugin(World::Manager), &host, impatient("monitor")).await.data.context("no report")?;
    ensure!(!says(&first, "open already"), "{:?}", first.notes);
    let (stuck, _others) = taken(&cluster).await?;
    let report = frees_a_slot(&host, &stuck).await?;
    ensure!(says(&report, "open already"), "{:?}", report.notes);
    ensure!(cluster.count("application_name = 'archon-pool'").await? == 1, "it takes one slot");
    drop(host);
    nothing_left(&cluster).await
}

#[tokio::test]
async fn the_reserve_takes_a_reserved_slot() -> Result<()> {
    let cluster = cluster().await?;
    let entry = format!("url = '{}'\nreserve = '{}'", cluster.url(OPERATOR, "postgres"), cluster.superuser_url());
    let (host, _file) = host_of(&entry)?;
    let (stuck, _others) = taken(&cluster).await?;
    let report = frees_a_slot(&host, &stuck).await?;
    ensure!(says(&report, "reserve"), "{:?}", report.notes);
    Ok(())
}

#[tokio::test]
async fn a_pooler_has_sessions_already() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).users(&[OPERATOR]).start().await?;
    // The pool of that role has one server connection from now on.
    bouncer.connect(OPERATOR, "warm").await?.batch_execute("SELECT 1").await?;
    let entry =
        format!("url = '{}'\nthrough = '{}'", cluster.url(OPERATOR, "postgres"), bouncer.url(OPERATOR, "postgres"));
    let (host, _file) = host_of(&entry)?;
    let (stuck, _others) = taken(&cluster).await?;
    let report = frees_a_slot(&host, &stuck).await?;
    ensure!(says(&report, "pooler"), "{:?}", report.notes);
    Ok(())
}

#[tokio::test]
async fn without_another_way_the_settings_that_would_be_one_are_named() -> Result<()> {
    let cluster = cluster().await?;
    let (host, _file) = host_of(&format!("url = '{}'", cluster.url(OPERATOR, "postgres")))?;
    let _taken = taken(&cluster).await?;
    let fault = fault(&host, impatient("kill-idle")).await;
    ensure!(fault.kind == kind::TOO_MANY_CONNECTIONS, "{fault}");
    ensure!(fault.message.contains("`reserve`") && fault.message.contains("`through`"), "{fault}");
    Ok(())
}
