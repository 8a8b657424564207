//! Faults at critical moments: a failed action is never reported as done, and no session is left behind.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use archon_pool::audit::Audit;
use archon_pool::components::World;
use archon_pool::digest::Digest;
use archon_pool::host::{CallOptions, Host};
use archon_pool::limits::Limits;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::Outcome;
use archon_pool_tests::proxy::{Direction, Flow};
use archon_pool_tests::{Cluster, Proxy, Session, until};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;

use crate::actions::{OPERATOR, cluster};
use crate::audit::{IMPATIENT, events, stuck};
use crate::cli::{HEALTHY, code, command, run_with, text};
use crate::support::{fault, host_for, host_with, impatient, nothing_left, orders, plugin, run_in};

/// Text that only the signalling statement contains.
const SIGNAL: &str = "SELECT pg_catalog.pg_terminate_backend(a.pid)";

/// Starts a call that samples for longer than any test takes, and waits until it samples.
async fn sampling(cluster: &Cluster, host: Host) -> Result<JoinHandle<Fault>> {
    let input = json!({ "action": "monitor", "options": { "sampleMs": 10_000 } });
    let call = tokio::spawn(async move { fault(&host, input).await });
    let sampling = "application_name = 'archon-pool' AND query LIKE '%pg_sleep%' AND state = 'active'";
    until("the call samples", async || Ok(cluster.count(sampling).await? == 1)).await?;
    Ok(call)
}

/// Creates a host behind a proxy, with an audit log.
fn behind(proxy: &Proxy, log: &Path, limits: Limits) -> Result<Host> {
    let credentials = archon_pool::credentials().url(SecretString::from(proxy.url(OPERATOR, "postgres")));
    Ok(host_with(credentials, limits).audit(Audit::open(log)?))
}

/// The delivery of an order against a session, through a proxy and with an audit log.
struct Delivery {
    session: Session,
    proxy: Proxy,
    log: PathBuf,
    delivery: JoinHandle<Result<Vec<Outcome>, Fault>>,
    /// Holds the log until the end of the test.
    _folder: TempDir,
}

impl Delivery {
    /// Starts a delivery whose proxy changes the flow of a direction as the signal is sent.
    async fn start(cluster: &Cluster, direction: Direction, flow: Flow) -> Result<Self> {
        let session = stuck(cluster).await?;
        let orders = orders(cluster, &[&session]).await?;
        let (proxy, folder) = (Proxy::start(cluster).await?, tempfile::tempdir()?);
        let log = folder.path().join("audit.log");
        let host = behind(&proxy, &log, Limits::default())?;
        proxy.when_sent(SIGNAL, direction, flow);
        let delivery = tokio::spawn(async move { host.deliver(None, &orders, 100, false).await });
        Ok(Self { session, proxy, log, delivery, _folder: folder })
    }
}

/// Checks that the only outcome is unknown, and not retryable.
fn unknown(outcomes: &[Outcome]) {
    let [Outcome::Failed(fault)] = outcomes else { panic!("nothing is known: {outcomes:?}") };
    assert_eq!((fault.kind.as_str(), fault.retryable), (kind::CONNECTION_LOST, false), "{fault}");
    assert!(fault.message.contains("may have been sent"), "{fault}");
}

/// Checks that the log is valid and records the same.
fn on_record_as_failed(log: &Path) -> Result<()> {
    let (summary, lines) = events(log)?;
    assert!(summary.unfinished.is_empty(), "{summary:?}");
    let orders: Vec<_> = lines.iter().filter(|line| line["event"] == "order").collect();
    assert_eq!((&orders[0]["outcome"], &orders[1]["outcome"]), (&json!("sending"), &json!("failed")));
    assert_eq!(orders[1]["sending"], orders[0]["seq"]);
    Ok(())
}

#[tokio::test]
async fn a_server_that_stops_during_a_batch_is_a_lost_connection() -> Result<()> {
    for immediately in [false, true] {
        let cluster = cluster().await?;
        let call = sampling(&cluster, host_for(cluster.url(OPERATOR, "postgres"))).await?;
        // The second is equivalent to `pg_ctl stop -m immediate`.
        if immediately {
            cluster.crash().await?;
        } else {
            cluster.kill().await?;
        }
        let fault = call.await?;
        assert_eq!((fault.kind.as_str(), fault.retryable), (kind::CONNECTION_LOST, true), "{fault}");
    }
    Ok(())
}

#[tokio::test]
async fn a_network_failure_during_a_batch_leaves_no_session() -> Result<()> {
    let cluster = cluster().await?;
    let proxy = Proxy::start(&cluster).await?;
    let call = sampling(&cluster, host_for(proxy.url(OPERATOR, "postgres"))).await?;
    proxy.cut();
    let fault = call.await?;
    assert_eq!((fault.kind.as_str(), fault.retryable), (kind::CONNECTION_LOST, true), "{fault}");
    nothing_left(&cluster).await
}

#[tokio::test]
async fn late_responses_time_out() -> Result<()> {
    let cluster = cluster().await?;
    let proxy = Proxy::start(&cluster).await?;
    let limits = Limits { statement_timeout: Duration::from_millis(300), ..Limits::default() };
    let credentials = archon_pool::credentials().url(SecretString::from(proxy.url(OPERATOR, "postgres")));
    proxy.when_sent("pg_stat_activity", Direction::ToClient, Flow::Delay(Duration::from_secs(60)));
    let fault = fault(&host_with(credentials, limits), json!({ "action": "monitor" })).await;
    assert_eq!((fault.kind.as_str(), fault.retryable), (kind::CONNECTION_LOST, true), "{fault}");
    assert!(fault.message.contains("stopped answering"), "{fault}");
    proxy.cut();
    nothing_left(&cluster).await
}

#[tokio::test]
async fn a_slow_network_causes_no_fault() -> Result<()> {
    let cluster = cluster().await?;
    let mut session = stuck(&cluster).await?;
    let proxy = Proxy::start(&cluster).await?;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.set(direction, Flow::Delay(Duration::from_millis(30)));
    }
    let host = host_for(proxy.url(OPERATOR, "postgres"));
    let report = run_in(plugin(World::Manager), &host, impatient("kill-idle")).await.data.expect("a report");
    assert_eq!(report.actions[0].targets[0].outcome, "ended", "{:#?}", report.actions);
    assert_eq!(session.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    nothing_left(&cluster).await
}

#[tokio::test]
async fn an_order_that_never_arrived_is_not_reported_as_executed() -> Result<()> {
    let cluster = cluster().await?;
    let order = Delivery::start(&cluster, Direction::ToServer, Flow::Hold).await?;
    order.proxy.sent().await?;
    order.proxy.cut();
    unknown(&order.delivery.await??);
    assert!(order.session.answers().await);
    on_record_as_failed(&order.log)?;
    nothing_left(&cluster).await
}

#[tokio::test]
async fn an_order_whose_response_is_lost_is_not_reported_as_executed() -> Result<()> {
    let cluster = cluster().await?;
    let mut order = Delivery::start(&cluster, Direction::ToClient, Flow::Drop).await?;
    assert_eq!(order.session.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN), "the server has heard it");
    order.proxy.cut();
    unknown(&order.delivery.await??);
    on_record_as_failed(&order.log)?;
    nothing_left(&cluster).await
}

#[tokio::test]
async fn an_order_whose_response_times_out_is_not_reported_as_executed() -> Result<()> {
    let cluster = cluster().await?;
    let mut session = stuck(&cluster).await?;
    let (proxy, folder) = (Proxy::start(&cluster).await?, tempfile::tempdir()?);
    let log = folder.path().join("audit.log");
    let limits = Limits { statement_timeout: Duration::from_millis(300), ..Limits::default() };
    let host = behind(&proxy, &log, limits)?;
    proxy.when_sent(SIGNAL, Direction::ToClient, Flow::Hold);
    // Through the component, so that its report is checked too.
    let answer = host.call(plugin(World::Manager), impatient("kill-idle"), CallOptions::default()).await;
    assert!(answer.signalled, "so that nobody tries again");
    let output = answer.output?.to_value();
    assert_ne!(output.pointer("/error/retryable"), Some(&json!(true)), "{output:#}");
    for target in output.pointer("/data/actions/0/targets").and_then(Value::as_array).into_iter().flatten() {
        assert_eq!(target["outcome"], "failed", "{output:#}");
    }
    assert_eq!(session.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    on_record_as_failed(&log)?;
    proxy.cut();
    nothing_left(&cluster).await
}

#[tokio::test]
async fn a_call_cancelled_during_delivery_is_not_retryable() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster).await?;
    let (proxy, folder) = (Proxy::start(&cluster).await?, tempfile::tempdir()?);
    let log = folder.path().join("audit.log");
    let limits = Limits { deadline: Duration::from_secs(3), ..Limits::default() };
    let host = behind(&proxy, &log, limits)?;
    proxy.when_sent(SIGNAL, Direction::ToServer, Flow::Hold);
    let answer = host.call(plugin(World::Manager), impatient("kill-idle"), CallOptions::default()).await;
    let fault = answer.output.expect_err("it is given up");
    assert_eq!((fault.kind.as_str(), fault.retryable, answer.signalled), (kind::DEADLINE_EXCEEDED, false, true));
    proxy.cut();
    assert!(session.answers().await);
    let (summary, lines) = events(&log)?;
    assert_eq!(summary.unfinished.len(), 1, "{summary:?}");
    assert_eq!(summary.unfinished[0].pid, i64::from(session.pid()));
    let given_up = lines.iter().find(|line| line["function"] == "backends.deliver").context("the call's line")?;
    assert_eq!(given_up["outcome"], "given-up");
    nothing_left(&cluster).await
}

#[tokio::test]
async fn an_order_is_not_reported_as_executed_when_the_server_crashes() -> Result<()> {
    let cluster = cluster().await?;
    let order = Delivery::start(&cluster, Direction::ToServer, Flow::Hold).await?;
    order.proxy.sent().await?;
    cluster.kill().await?;
    unknown(&order.delivery.await??);
    on_record_as_failed(&order.log)
}

#[tokio::test]
async fn a_program_killed_before_the_signal_leaves_the_order_recorded() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster).await?;
    let (proxy, folder) = (Proxy::start(&cluster).await?, tempfile::tempdir()?);
    let log = folder.path().join("audit.log");
    let file = log.display().to_string();
    proxy.when_sent(SIGNAL, Direction::ToServer, Flow::Hold);
    let arguments = [&["kill-idle", "--apply", "--audit", &file], &IMPATIENT[..]].concat();
    let mut program = command(&proxy.url(OPERATOR, "postgres"), folder.path(), &arguments)?;
    let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let sent = proxy.sent().await;
    // Sends SIGKILL.
    program.kill()?;
    program.wait()?;
    sent?;
    proxy.cut();

    nothing_left(&cluster).await?;
    assert!(session.answers().await);
    let verified = run_with("", &["audit", "verify", &file, "--json"]).await?;
    assert_eq!(code(&verified), HEALTHY, "{}", text(&verified.stdout));
    let verdict: Value = serde_json::from_slice(&verified.stdout)?;
    let unfinished = verdict["unfinished"].as_array().context("a list")?;
    assert_eq!((unfinished.len(), &unfinished[0]["pid"]), (1, &json!(session.pid())), "{verdict:#}");
    let page = text(&run_with("", &["audit", "verify", &file]).await?.stdout);
    assert!(page.contains("without an outcome") && page.contains(&session.pid().to_string()), "{page}");
    Ok(())
}

/// Creates a log of this many bytes, from the description of its format alone.
fn chain(length: usize) -> String {
    const LINE: usize = 100_000;
    let (mut text, mut prev) = (String::new(), "0".repeat(64));
    for seq in 1.. {
        let line = |filler: usize| {
            let filler = "x".repeat(filler);
            format!(
                r#"{{"seq":{seq},"time":"2026-01-01T00:00:00.000Z","event":"test","filler":"{filler}","prev":"{prev}"}}"#
            )
        };
        let left = length - text.len();
        // The hash and the line feed are added.
        let short = line(0).len() + 75;
        let body = line(if left < 2 * LINE { left } else { LINE } - short);
        let hash = Digest::of(body.as_bytes()).to_string();
        text.push_str(&format!("{},\"hash\":\"{hash}\"}}\n", body.trim_end_matches('}')));
        prev = hash;
        if text.len() >= length {
            break;
        }
    }
    text
}

/// A file size limit simulates a disk that fills up in the middle of a line.
#[tokio::test]
async fn an_outcome_that_cannot_be_written_stops_further_orders_and_is_marked_later() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster).await?;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("audit.log");
    let file = log.display().to_string();
    let url = cluster.url(OPERATOR, "postgres");
    // Large enough for the files that the program maps, to which the limit also applies.
    let blocks = 16_384;
    std::fs::write(&log, chain(blocks * 512 - 150))?;
    let program =
        command(&url, folder.path(), &[&["kill-idle", "--apply", "--audit", &file], &IMPATIENT[..]].concat())?;
    let mut shell = std::process::Command::new("sh");
    // With the signal ignored, the write fails with an error, as on a full disk.
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    shell.arg(program.get_program()).args(program.get_args()).env_clear();
    shell.env("HOME", folder.path()).env("DATABASE_URL", &url).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let done = tokio::task::spawn_blocking(move || shell.output()).await??;
    assert!(text(&done.stdout).contains("failed"), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(session.answers().await);
    assert_eq!(std::fs::metadata(&log)?.len(), blocks as u64 * 512, "it was filled to the last byte");

    drop(Audit::open(&log)?);
    let (summary, lines) = events(&log)?;
    assert_eq!(summary.torn, 1, "{summary:?}");
    assert!(lines.iter().any(|line| line["event"] == "recovered"));
    assert!(lines.iter().all(|line| line["outcome"] != "signalled"));
    nothing_left(&cluster).await
}
