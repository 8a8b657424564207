//! Misleading states: sessions that wait for their client in the middle of a statement, a standby whose replay waits,
//! hidden rows, and limits of other roles.

use anyhow::{Context as _, Result, ensure};
use archon_pool_contract::report::Report;
use archon_pool_tests::{Cluster, Library, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{aged, report};
use crate::actions::{BARE, OPERATOR, cluster, create_roles_and_table};
use crate::support::{finding, host_for, impatient};

/// Returns all texts of the findings of one kind.
fn words(report: &Report) -> String {
    report
        .findings
        .iter()
        .map(|finding| format!("{} {:?} {:?}\n", finding.text, finding.evidence, finding.fix))
        .collect()
}

/// Encodes a message of protocol version 3: type, length, content.
fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 4).unwrap_or_default().to_be_bytes();
    [&[kind], &length[..], content].concat()
}

/// Opens a client that executes a statement and does not end its request with Sync. Its role needs no password.
async fn without_sync(cluster: &Cluster) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", cluster.port())).await?;
    let start = [&196_608_u32.to_be_bytes()[..], b"user\0trusted\0database\0postgres\0application_name\0pipeline\0\0"];
    stream.write_all(&message(0, &start.concat())[1..]).await?;
    let mut answer = vec![0; 4_096];
    let mut received = Vec::new();
    while !received.windows(6).any(|end| end == [b'Z', 0, 0, 0, 5, b'I']) {
        let count = stream.read(&mut answer).await?;
        ensure!(count > 0, "the server hung up");
        received.extend_from_slice(&answer[..count]);
    }
    let requests = [
        message(b'P', b"\0SELECT n FROM stock\0\0\0"),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'H', b""),
    ];
    stream.write_all(&requests.concat()).await?;
    Ok(stream)
}

/// postgresql-interfaces/psqlodbc#200, rust-postgres/rust-postgres#1109, pgbouncer/pgbouncer#1470: the server waits
/// in `ClientRead` for data that never arrive, and the slot is lost.
#[tokio::test]
async fn an_abandoned_copy_and_a_request_without_sync_are_lost_slots_and_not_demand() -> Result<()> {
    let cluster = Cluster::builder().hba("host all trusted 127.0.0.1/32 trust").start().await?;
    create_roles_and_table(&cluster).await?;
    cluster.create_role("trusted", "").await?;
    cluster.execute("GRANT SELECT ON stock TO trusted").await?;
    let psycopg = Library::psycopg()?;
    psycopg.open("import", &cluster.url("app", "postgres"), "import").await?;
    psycopg.send(json!(["copy", "import", "COPY stock FROM STDIN"])).await?;
    let _stream = without_sync(&cluster).await?;
    let waiting = "state = 'active' AND wait_event = 'ClientRead'";
    aged(&cluster, waiting, 2, 0).await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    // A copy counts as lost if it has made no progress since the previous look.
    let first = report(&host, impatient("monitor")).await?;
    aged(&cluster, waiting, 2, 11).await?;
    let mut input = impatient("full-analysis");
    input["carry"] = serde_json::from_str::<Value>(&first.carry)?;
    let report = report(&host, input).await?;
    let words = words(&report);
    // The progress of a copy, and so a stalled one, is visible from PostgreSQL 14 on.
    let (reported, in_demand): (&[&str], _) =
        if cluster.version_num() >= 140_000 { (&["import", "pipeline"], 0) } else { (&["pipeline"], 1) };
    for name in reported {
        ensure!(words.contains("ClientRead") && words.contains(name), "{name}: {words}");
    }
    ensure!(report.scaling.demand.active == in_demand, "{:#?}", report.scaling.demand);
    Ok(())
}

/// Starts a primary, and a standby whose replay waits for queries without a timeout.
async fn pair() -> Result<(Cluster, Cluster)> {
    let primary = Cluster::builder().hba("host replication postgres 127.0.0.1/32 scram-sha-256").start().await?;
    create_roles_and_table(&primary).await?;
    let standby = primary.standby(&[("max_standby_streaming_delay", "-1")]).await?;
    primary.is_replayed_by(&standby).await?;
    Ok((primary, standby))
}

/// reactive-tech/kubegres#86: on a standby replay waits, and not a client, until it cancels the query.
#[tokio::test]
async fn replay_of_a_standby_that_waits_for_a_query_is_reported_with_its_blocker() -> Result<()> {
    let (primary, standby) = pair().await?;
    let reader = standby.app("app", "reporting").idle_in_transaction("SELECT n FROM stock").await?;
    primary
        .execute("BEGIN; LOCK TABLE stock IN ACCESS EXCLUSIVE MODE; ALTER TABLE stock ADD note text; COMMIT")
        .await?;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event_type = 'Lock'";
    until("replay waits", async || Ok(standby.observer().await?.query_one(waits, &[]).await?.get::<_, i64>(0) == 1))
        .await?;
    let host = host_for(standby.url(OPERATOR, "postgres"));
    let report = report(&host, impatient("full-analysis")).await?;
    let words = words(&report);
    ensure!(words.contains("Replay") && words.contains(&reader.pid().to_string()), "{words}");
    // PostgreSQL 13 does not report the start of the wait.
    let is_timed = standby.version_num() >= 140_000;
    let longest = report.pool_stats.timing.max_wait_time;
    ensure!(longest.is_some_and(|wait| wait > 0.0 || !is_timed), "{:?}", report.pool_stats.timing);
    Ok(())
}

/// OPMDG/check_pgactivity#232 and brianc/node-pg-pool#98: walsenders and background processes are no connections.
#[tokio::test]
async fn hidden_workers_and_walsenders_take_no_slot() -> Result<()> {
    let (primary, _standby) = pair().await?;
    let _app = primary.app("app", "shop").idle("SELECT 1").await?;
    let report = report(&host_for(primary.url(BARE, "postgres")), impatient("monitor")).await?;
    let capacity = &report.pool_stats.connections.capacity;
    // Sessions of the application, the harness and the host.
    ensure!(capacity.used == 3, "{capacity:#?} {:#?}", report.coverage);
    Ok(())
}

/// supabase/supabase#22666 and cyrilgdn/terraform-provider-postgresql#39: another role's limit is not the host's
/// limit.
#[tokio::test]
async fn the_limit_of_another_role_is_read_from_its_settings() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("ALTER ROLE app SET idle_in_transaction_session_timeout = '17min'").await?;
    let _forgotten = cluster.app("app", "checkout").idle_in_transaction("SELECT n FROM stock").await?;
    aged(&cluster, "state = 'idle in transaction'", 1, 2).await?;
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), impatient("full-analysis")).await?;
    let open = finding(&report, "idle-in-transaction");
    let open = open.with_context(|| format!("{:#?}", report.findings))?;
    let words = format!("{} {:?} {:?}", open.text, open.evidence, open.fix);
    ensure!(words.contains("17 min"), "{words}");
    Ok(())
}

/// cybertec-postgresql/pgwatch2#392 and jobinau/pg_gather#45: a forgotten prepared transaction holds its locks
/// without a session that could be ended.
#[tokio::test]
async fn a_prepared_transaction_is_reported_with_its_id_and_its_rollback() -> Result<()> {
    let cluster = Cluster::builder().setting("max_prepared_transactions", 4).start().await?;
    create_roles_and_table(&cluster).await?;
    let application = cluster.app("app", "orders").unused().await?;
    application.run("BEGIN; UPDATE stock SET n = 1 WHERE id = 1; PREPARE TRANSACTION 'order-17'").await?;
    let _waiter = cluster.app("app", "orders").waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let old = "SELECT count(*) FROM pg_prepared_xacts WHERE clock_timestamp() - prepared > interval '2 seconds'";
    until("it is old", async || Ok(cluster.observer().await?.query_one(old, &[]).await?.get::<_, i64>(0) == 1)).await?;
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), impatient("full-analysis")).await?;
    let rollback = "ROLLBACK PREPARED 'order-17'";
    let reported = report.findings.iter().find(|finding| {
        finding.fix.as_ref().is_some_and(|fix| fix.sql.as_deref().is_some_and(|sql| sql.contains(rollback)))
    });
    let reported = reported.with_context(|| format!("nobody says {rollback}: {:#?}", report.findings))?;
    let words = format!("{} {:?}", reported.text, reported.evidence);
    ensure!(words.contains("order-17") && words.contains("app"), "{words}");
    Ok(())
}
