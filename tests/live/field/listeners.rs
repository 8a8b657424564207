//! Listeners of real client libraries, whatever they ran last, and leaders that are idle outside of a transaction.

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, Library, Session};
use serde_json::Value;

use super::{aged, pids, report, targets};
use crate::actions::{OPERATOR, cluster};
use crate::support::{host_for, impatient};

/// Listeners by name, each with its client library.
struct Listeners(Vec<(&'static str, Library)>);

impl Listeners {
    /// Opens a listener in each reported way. Each shares its name with a pool of its application.
    async fn open(cluster: &Cluster) -> Result<Self> {
        let (psycopg, asyncpg, pg) = (Library::psycopg()?, Library::asyncpg()?, Library::pg()?);
        let url = cluster.url("app", "postgres");
        for name in ["block", "transaction", "one-text", "other-left"] {
            psycopg.open(name, &url, name).await?;
        }
        psycopg.run("block", &["DO $$BEGIN LISTEN jobs; END$$"]).await?;
        psycopg.transaction("transaction", &["LISTEN jobs"]).await?;
        psycopg.run("one-text", &["BEGIN; LISTEN jobs; COMMIT"]).await?;
        psycopg.run("other-left", &["LISTEN jobs", "LISTEN other", "UNLISTEN other"]).await?;
        for (library, names) in [(&asyncpg, ["asyncpg", "heartbeat"]), (&pg, ["node", "ping"])] {
            for name in names {
                library.open(name, &url, name).await?;
                library.listen(name, "jobs").await?;
            }
        }
        let with = |library: &Library, names: &[&'static str]| -> Vec<_> {
            names.iter().map(|&name| (name, library.clone())).collect()
        };
        let mut all = with(&psycopg, &["block", "transaction", "one-text", "other-left"]);
        all.extend(with(&asyncpg, &["asyncpg", "heartbeat"]));
        all.extend(with(&pg, &["node", "ping"]));
        Ok(Self(all))
    }

    fn library(&self, name: &str) -> Result<&Library> {
        let found = self.0.iter().find(|(listener, _)| *listener == name);
        found.map(|(_, library)| library).with_context(|| format!("no {name}"))
    }

    /// Runs the keepalive statements of listeners.
    async fn send_keepalives(&self) -> Result<()> {
        self.library("heartbeat")?.run("heartbeat", &["SELECT 1"]).await?;
        self.library("ping")?.run("ping", &["-- ping"]).await
    }
}

/// brianc/node-postgres#967, MagicStack/asyncpg#519, rust-postgres/rust-postgres#365 (no `LISTEN` is visible in
/// `query`), PostgREST/postgrest#3778: the listener's session is ended, and notifications are lost without an error.
/// liquibase/liquibase#872: the same for a leader by an advisory lock.
#[tokio::test]
async fn listeners_and_leaders_are_excluded_while_idle_sessions_of_their_applications_are_ended() -> Result<()> {
    let cluster = cluster().await?;
    let listeners = Listeners::open(&cluster).await?;
    let mut pools: Vec<Session> = Vec::new();
    for (name, _) in &listeners.0 {
        pools.extend(cluster.app("app", name).idle_many(2, "SELECT n FROM stock WHERE id = 1").await?);
    }
    let leader = cluster.app("app", "block").advisory_lock(7).await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let first = report(&host, impatient("monitor")).await?;
    listeners.send_keepalives().await?;
    aged(&cluster, "usename = 'app'", 25, 11).await?;

    let mut input = impatient("kill-idle");
    input["carry"] = serde_json::from_str::<Value>(&first.carry)?;
    let report = report(&host, input).await?;
    let idle: Vec<i32> = pools.iter().map(Session::pid).collect();
    let ended = pids(&report);
    ensure!(ended.iter().any(|pid| idle.contains(pid)), "nobody is ended: {:#?}", report.actions);
    let wrong: Vec<_> = targets(&report).filter(|target| !idle.contains(&target.pid)).collect();
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(leader.answers().await, "the leader was ended");
    cluster.execute("NOTIFY jobs, 'still there'").await?;
    for (name, library) in &listeners.0 {
        ensure!(library.notified(name).await? == "still there", "{name}");
    }
    Ok(())
}
