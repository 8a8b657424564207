//! Attributes sessions behind a pooler to the application that uses them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool_contract::report::Report;
use archon_pool_tests::{Cluster, PgBouncer, until};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, NoTls};

use crate::actions::{OPERATOR, cluster};
use crate::support::{finding, host_with, impatient, run_in};

const APPLICATIONS: [&str; 3] = ["checkout", "search", "mailer"];
/// Number of rounds on each of four parallel servers.
const ROUNDS: usize = 25;

/// Application's connection to the pooler, with its client port.
struct Caller {
    client: Client,
    port: u32,
}

impl Caller {
    async fn connect(bouncer: &PgBouncer, application: &str) -> Result<Self> {
        let mut config: Config = bouncer.url("app", "postgres").parse()?;
        config.application_name(application);
        let stream = TcpStream::connect(("127.0.0.1", bouncer.port())).await?;
        let port = stream.local_addr()?.port().into();
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { client, port })
    }

    /// Opens a transaction, writes, and leaves it idle for longer than the threshold.
    async fn forget_a_transaction(&self, cluster: &Cluster) -> Result<()> {
        self.client.batch_execute("BEGIN; UPDATE stock SET n = n + 1 WHERE id = 1").await?;
        let aged = "state = 'idle in transaction' AND clock_timestamp() - state_change > interval '1.1 seconds'";
        until("the transaction is old", async || Ok(cluster.count(aged).await? == 1)).await
    }
}

/// Runs continuous work of other clients, so that the names at the server are those of the last client.
fn work(bouncer: &PgBouncer) -> Result<JoinSet<Result<()>>> {
    let mut work = JoinSet::new();
    for application in APPLICATIONS {
        let mut config: Config = bouncer.url("app", "postgres").parse()?;
        config.application_name(application);
        work.spawn(async move {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(async move { drop(connection.await) });
            loop {
                client.batch_execute("BEGIN; SELECT n FROM stock WHERE id = 2; COMMIT").await?;
                // Pauses, so that the load does not disturb other tests on the machine.
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
    }
    Ok(work)
}

fn host(cluster: &Cluster, console: String) -> Host {
    let url = SecretString::from(cluster.url(OPERATOR, "postgres"));
    host_with(archon_pool::credentials().url(url).pooler(SecretString::from(console)), Limits::default())
}

async fn report(host: &Host, input: Value) -> Result<Report> {
    let output = run_in(crate::support::plugin(archon_pool::components::World::Manager), host, input).await;
    ensure!(output.error.is_none(), "{:?}", output.error);
    output.data.context("a report")
}

/// Checks that one finding names exactly the leaking application, by name and port.
fn names_alone(report: &Report, application: &str, port: u32) -> Result<()> {
    let leaks = &report.leak_detection;
    let [suspect] = &leaks.suspected_connections[..] else {
        anyhow::bail!("not one suspect: {:#?}", leaks.suspected_connections)
    };
    let through = suspect.through.as_ref().context("not attributed")?;
    let client = through.client.as_ref().context("no client")?;
    ensure!((suspect.application.as_str(), client.port) == (application, port), "{application}:{port} is {suspect:#?}");
    ensure!(suspect.client.as_deref() == Some("127.0.0.1") && through.mode == "transaction", "{suspect:#?}");
    let leak = finding(report, "suspected-leak").context("no finding")?;
    ensure!(leak.text.contains(application) && leak.text.contains(&format!("127.0.0.1:{port}")), "{}", leak.text);
    for other in APPLICATIONS.iter().filter(|other| **other != application) {
        let named = report.findings.iter().any(|finding| finding.text.contains(other));
        ensure!(!named, "{other} is suspected: {:#?}", report.findings);
    }
    ensure!(finding(report, "idle-in-transaction").is_none(), "the same is found twice: {:#?}", report.findings);
    Ok(())
}

async fn lane(lane: usize) -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).setting("default_pool_size", 3).start().await?;
    let host = host(&cluster, bouncer.watcher_url());
    let mut work = work(&bouncer)?;
    for round in 0..ROUNDS {
        let application = APPLICATIONS[(lane + round) % APPLICATIONS.len()];
        let leaking = Caller::connect(&bouncer, application).await?;
        leaking.forget_a_transaction(&cluster).await?;
        let report = report(&host, impatient("detect-leaks")).await?;
        names_alone(&report, application, leaking.port).with_context(|| format!("lane {lane}, round {round}"))?;
        leaking.client.batch_execute("ROLLBACK").await?;
    }
    ensure!(work.try_join_next().is_none(), "somebody's work failed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leaking_one_of_three_pooled_applications_is_named_in_100_of_100_runs() -> Result<()> {
    tokio::try_join!(lane(0), lane(1), lane(2), lane(3))?;
    Ok(())
}

#[tokio::test]
async fn a_leaked_transaction_behind_a_pooler_is_ended_and_free_connections_are_not() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    let host = host(&cluster, bouncer.watcher_url());
    let (leaking, other) = (Caller::connect(&bouncer, "checkout").await?, Caller::connect(&bouncer, "search").await?);
    leaking.forget_a_transaction(&cluster).await?;
    other.client.batch_execute("SELECT 1").await?;
    until("the other's connection is free", async || Ok(cluster.count("state = 'idle'").await? == 1)).await?;

    let report = report(&host, impatient("kill-idle")).await?;
    let targets: Vec<_> =
        report.actions[0].targets.iter().map(|target| (&*target.application, &*target.outcome)).collect();
    assert_eq!(targets, [("checkout", "ended")], "{:#?}", report.actions);
    let stats = report.pool_stats.pooler.context("no pooler")?;
    assert_eq!((stats.clients, stats.servers, stats.pools.len()), (2, 2, 1), "{stats:#?}");
    assert_eq!((stats.pools[0].size, stats.pools[0].active, stats.pools[0].idle), (Some(20), 1, 1), "{stats:#?}");
    assert!(leaking.client.batch_execute("SELECT 1").await.is_err(), "its transaction is gone");
    other.client.batch_execute("SELECT 1").await?;
    Ok(())
}

#[tokio::test]
async fn in_session_mode_an_idle_session_belongs_to_its_client_until_it_disconnects() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).setting("pool_mode", "session").start().await?;
    let host = host(&cluster, bouncer.console_url());
    let groups = async || {
        let report = report(&host, impatient("detect-leaks")).await?;
        let ours = report.leak_detection.groups.into_iter().filter(|group| group.role == "app");
        Ok::<_, anyhow::Error>(ours.map(|group| (group.application, group.sessions)).collect::<Vec<_>>())
    };
    let caller = Caller::connect(&bouncer, "worker").await?;
    caller.client.batch_execute("SELECT 1").await?;
    until("it is idle", async || Ok(cluster.count("state = 'idle' AND query = 'SELECT 1'").await? == 1)).await?;
    assert_eq!(groups().await?, [("worker".to_owned(), 1)]);
    drop(caller);
    until("it is cleaned up", async || Ok(cluster.count("query = 'DISCARD ALL'").await? == 1)).await?;
    assert_eq!(groups().await?, []);
    Ok(())
}

#[tokio::test]
async fn a_refusing_console_leaves_a_coverage_gap_and_a_missing_one_does_not() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    let refused = bouncer.console_url().replace(archon_pool_tests::cluster::PASSWORD, "wrong");
    let blind = report(&host(&cluster, refused), impatient("monitor")).await?;
    assert_eq!(blind.pool_stats.pooler, None);
    assert!(blind.notes.iter().any(|note| note.starts_with("pooler could not be read")), "{:?}", blind.notes);
    let none = crate::support::report(&cluster, OPERATOR, impatient("monitor")).await;
    assert!(!none.notes.iter().any(|note| note.contains("pooler")), "{:?}", none.notes);
    Ok(())
}

/// Checks reports read through a transaction pooler with these settings.
async fn behind_a_transaction_pooler(settings: &[(&str, &str)]) -> Result<()> {
    let cluster = cluster().await?;
    let mut builder = PgBouncer::before(&cluster).users(&["app", OPERATOR]).setting("default_pool_size", 3);
    for (name, value) in settings {
        builder = builder.setting(name, value);
    }
    let bouncer = builder.start().await?;
    // Another client uses the same role: the host's settings must not leak into its session.
    let neighbour = bouncer.connect(OPERATOR, "neighbour").await?;
    let leaked = cluster.app("app", "checkout").idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let mut work = work(&bouncer)?;
    let free = "application_name IN ('checkout', 'search', 'mailer') AND usename = 'app' AND state = 'idle'";
    until("the pool works", async || Ok(cluster.count(free).await? > 0)).await?;
    crate::actions::cluster_shows_age(&cluster, leaked.pid(), 2).await?;

    let host = crate::support::host_for(bouncer.url(OPERATOR, "postgres"));
    for action in ["full-analysis", "kill-idle"] {
        let report = report(&host, impatient(action)).await?;
        let connections = &report.pool_stats.connections;
        let ours = connections.by_application.iter().find(|tally| tally.name == "archon-pool");
        assert_eq!(ours, None, "{action}: whichever connection we had, it was ours");
        assert!(report.coverage.complete, "{action}: {:?}", report.coverage);
        let reported = |what: &str| report.notes.iter().any(|note| note.contains(what));
        assert!(reported("the credential leads through a pooler"), "{action}: {:?}", report.notes);
        assert!(reported("its clients and their queue are not visible"), "{action}: {:?}", report.notes);
        if action == "kill-idle" {
            let targets: Vec<_> =
                report.actions[0].targets.iter().map(|target| (target.pid, &*target.outcome)).collect();
            assert_eq!(targets, [(leaked.pid(), "ended")], "{:#?}", report.actions);
        } else {
            let suspects: Vec<_> =
                report.leak_detection.suspected_connections.iter().map(|suspect| suspect.pid).collect();
            assert_eq!(suspects, [leaked.pid()]);
        }
    }
    // The pool has at most three connections, so the other client gets the host's.
    for _ in 0..6 {
        let sql = "SELECT current_setting('default_transaction_read_only') || current_setting('statement_timeout'), \
                   (SELECT count(*) FROM pg_prepared_statements)";
        let [.., tokio_postgres::SimpleQueryMessage::Row(row), _] = &neighbour.simple_query(sql).await?[..] else {
            anyhow::bail!("no row")
        };
        assert_eq!((row.get(0), row.get(1)), (Some("off0"), Some("0")), "what we left behind");
    }
    ensure!(work.try_join_next().is_none(), "somebody's work failed");
    Ok(())
}

#[tokio::test]
async fn a_transaction_pooler_that_refuses_startup_options_is_supported() -> Result<()> {
    behind_a_transaction_pooler(&[]).await
}

#[tokio::test]
async fn a_transaction_pooler_that_ignores_startup_options_is_detected() -> Result<()> {
    behind_a_transaction_pooler(&[("ignore_startup_parameters", "options,extra_float_digits")]).await
}
