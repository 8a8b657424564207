//! Publicly reported connection problems, each reproduced on the servers, poolers and client libraries of the report.
//! Each test names a public report of its kind.

mod connecting;
mod excluded;
mod leaders;
mod listeners;
mod names;
mod pgbouncer_current;
mod plans;
mod poolers;
mod refusals;
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

/// Creates a host for the operator, with a pooler's console.
fn with_console(cluster: &Cluster, bouncer: &PgBouncer) -> Host {
    let url = SecretString::from(cluster.url(OPERATOR, "postgres"));
    host_with(archon_pool::credentials().url(url).pooler(SecretString::from(bouncer.watcher_url())), Limits::default())
}

/// Returns a report, which must succeed.
async fn report(host: &Host, input: Value) -> Result<Report> {
    let output = run_in(plugin(World::Manager), host, input).await;
    ensure!(output.error.is_none(), "{:?}", output.error);
    output.data.context("no report")
}

/// Waits until this number of sessions match a condition and have been in their state for this number of seconds.
async fn aged(cluster: &Cluster, condition: &str, count: i64, seconds: u32) -> Result<()> {
    let old = format!("({condition}) AND clock_timestamp() - state_change > interval '{seconds} seconds'");
    until(&format!("{condition} for {seconds} s"), async || Ok(cluster.count(&old).await? == count)).await
}

/// Returns the pids that a plan or an action targets.
fn pids(report: &Report) -> Vec<i32> {
    targets(report).map(|target| target.pid).collect()
}

fn targets(report: &Report) -> impl Iterator<Item = &Target> {
    report.actions.iter().flat_map(|action| &action.targets)
}

/// Returns true if any note contains these words.
fn notes(report: &Report, words: &str) -> bool {
    report.notes.iter().any(|note| note.contains(words))
}
