//! What people have reported of connections in the field, each kind on the servers, poolers and client libraries that
//! it was reported of. Each test names a public report of its kind.

mod connecting;
mod leaders;
mod listeners;
mod names;
mod pgbouncer_today;
mod plans;
mod poolers;
mod refusals;
mod spared;
mod states;
mod text;
mod unexplained;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool_contract::report::{Report, Target};
use archon_pool_tests::{Cluster, PgBouncer, until};
use secrecy::SecretString;
use serde_json::Value;

use crate::actions::OPERATOR;
use crate::support::{host_with, plugin, run_in};

/// A host for the operator, with a pooler's console beside it.
fn with_console(cluster: &Cluster, bouncer: &PgBouncer) -> Host {
    let url = SecretString::from(cluster.url(OPERATOR, "postgres"));
    host_with(archon_pool::credentials().url(url).pooler(SecretString::from(bouncer.watcher_url())), Limits::default())
}

/// A report that must succeed.
async fn report(host: &Host, input: Value) -> Result<Report> {
    let output = run_in(plugin(World::Manager), host, input).await;
    ensure!(output.error.is_none(), "{:?}", output.error);
    output.data.context("no report")
}

/// Waits until so many sessions match a condition and have been in their state for so many seconds.
async fn aged(cluster: &Cluster, condition: &str, count: i64, seconds: u32) -> Result<()> {
    let old = format!("({condition}) AND clock_timestamp() - state_change > interval '{seconds} seconds'");
    until(&format!("{condition} for {seconds} s"), async || Ok(cluster.count(&old).await? == count)).await
}

/// The pids at which a plan or an act aims.
fn pids(report: &Report) -> Vec<i32> {
    targets(report).map(|target| target.pid).collect()
}

fn targets(report: &Report) -> impl Iterator<Item = &Target> {
    report.actions.iter().flat_map(|action| &action.targets)
}

/// Whether any note contains these words.
fn notes(report: &Report, words: &str) -> bool {
    report.notes.iter().any(|note| note.contains(words))
}
