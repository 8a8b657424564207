//! Audit log and signal policy on a real server: logged events, refusals and consent.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use archon_pool::audit::{Audit, Summary, verify};
use archon_pool::components::World;
use archon_pool::consent::{Act, Proposal};
use archon_pool::host::CallOptions;
use archon_pool::limits::Limits;
use archon_pool::policy::Policy;
use archon_pool_contract::fault::kind;
use archon_pool_contract::host_api::Outcome;
use archon_pool_tests::Cluster;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::sessions::Session;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::cli::{FINDINGS, HEALTHY, USAGE, code, command, run, run_with, text};
use crate::support::{host_for, host_under, host_with, impatient, nothing_left, orders, plugin, run_in};

/// Arguments that end sessions idle in a transaction for a second.
pub(crate) const IMPATIENT: [&str; 8] =
    ["--idle-in-transaction-timeout-ms", "1000", "--max-kill-percentage", "100", "--min-size", "1", "--sample-ms", "0"];

/// Opens a session that may be ended.
pub(crate) async fn stuck(cluster: &Cluster) -> Result<Session> {
    let session = cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?;
    cluster_shows_age(cluster, session.pid(), 2).await?;
    Ok(session)
}

/// Returns the lines of a log, which must be valid.
pub(crate) fn events(path: &Path) -> Result<(Summary, Vec<Value>)> {
    let text = std::fs::read_to_string(path)?;
    assert!(!text.contains(PASSWORD), "the password is on record");
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ok((verify(text.as_bytes(), None)?, lines))
}

fn outcomes(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter(|line| line["event"] == "order").filter_map(|line| line["outcome"].as_str()).collect()
}

#[tokio::test]
async fn every_event_of_a_call_is_recorded() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let host = host_for(cluster.url(OPERATOR, "postgres")).audit(Audit::open(&path)?).tenant("acme");
    let output = run_in(plugin(World::Manager), &host, impatient("kill-idle")).await;
    assert_eq!(output.data.expect("a report").actions[0].targets[0].outcome, "ended");

    let (summary, lines) = events(&path)?;
    assert!(summary.unfinished.is_empty() && summary.torn == 0, "{summary:?}");
    let names: Vec<_> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!((names[0], names[1], names[names.len() - 1]), ("open", "call-started", "call-ended"));
    let functions: Vec<_> =
        lines.iter().filter(|line| line["event"] == "host-call").map(|line| &line["function"]).collect();
    assert_eq!(functions[..2], ["credentials.lookup", "database.open"]);
    assert!(functions.contains(&&json!("database.query")) && functions.contains(&&json!("backends.deliver")));
    let query = lines.iter().find(|line| line["function"] == "database.query").expect("a query");
    assert_eq!(query["statements"][0].as_str().map(str::len), Some(64));
    assert!(query["rows"].as_u64() > Some(0) && query["bytes"].as_u64() > Some(0), "{query}");
    for line in &lines[1..] {
        assert_eq!((&line["tenant"], &line["plugin"]), (&json!("acme"), &json!("pool-manager.wasm")));
        assert_eq!((&line["call"], line["digest"].as_str().map(str::len)), (&lines[1]["call"], Some(64)));
    }

    assert_eq!(outcomes(&lines), ["sending", "signalled"]);
    let order = |outcome: &str| lines.iter().find(|line| line["outcome"] == outcome).expect("an order");
    let (sending, signalled) = (order("sending"), order("signalled"));
    assert_eq!(signalled["sending"], sending["seq"]);
    assert_eq!((&sending["pid"], &sending["by"]), (&json!(session.pid()), &json!(OPERATOR)));
    assert_eq!(
        (&sending["server"], &sending["database"]),
        (&json!(format!("127.0.0.1:{}", cluster.port())), &json!("postgres"))
    );
    Ok(())
}

#[tokio::test]
async fn a_full_disk_stops_changes_and_not_reads() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster).await?;
    let host = host_for(cluster.url(OPERATOR, "postgres")).audit(Audit::open(Path::new("/dev/full"))?);
    let output = run_in(plugin(World::Manager), &host, json!({ "action": "monitor" })).await;
    assert_eq!(output.error, None);
    let output = run_in(plugin(World::Manager), &host, impatient("kill-idle")).await;
    let action = &output.data.expect("a report").actions[0];
    assert_eq!((action.targets[0].outcome.as_str(), action.connections_affected), ("failed", 0), "{action:#?}");
    let orders = orders(&cluster, &[&session]).await?;
    let outcomes = host.deliver(None, &orders, 100, false).await?;
    let [Outcome::Failed(fault)] = &outcomes[..] else { panic!("it must fail: {outcomes:?}") };
    assert_eq!((fault.kind.as_str(), fault.retryable), (kind::AUDIT_FAILED, false));
    assert!(session.answers().await);
    Ok(())
}

#[tokio::test]
async fn the_cap_of_a_call_limits_ended_sessions() -> Result<()> {
    let cluster = cluster().await?;
    let sessions = cluster.app("app", "idler").idle_many(5, "SELECT 1").await?;
    let orders = orders(&cluster, &sessions.iter().collect::<Vec<_>>()).await?;
    let host = host_under(cluster.superuser_url(), Policy { max_kills: 2, ..Policy::default() });
    for dry_run in [true, false] {
        let outcomes = host.deliver(None, &orders, 100, dry_run).await?;
        assert_eq!(outcomes[..2], [Outcome::Signalled, Outcome::Signalled]);
        for outcome in &outcomes[2..] {
            assert!(matches!(outcome, Outcome::Denied(why) if why.contains("max_kills")), "{outcome:?}");
        }
    }
    assert_eq!(cluster.app("app", "idler").count().await?, 3);
    Ok(())
}

#[tokio::test]
async fn the_hourly_cap_limits_ended_sessions_across_callers() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let policy = || Policy { max_kills_per_hour: 3, ..Policy::default() };
    // With a shared log, two independent hosts; without one, a host and its clone.
    let logged = || Ok::<_, anyhow::Error>(host_under(cluster.superuser_url(), policy()).audit(Audit::open(&path)?));
    let alone = host_under(cluster.superuser_url(), policy());
    for (one, two) in [(logged()?, logged()?), (alone.clone(), alone)] {
        let app = cluster.app("app", "idler");
        let mut sessions = app.idle_many(4, "SELECT 1").await?;
        let mut orders = orders(&cluster, &sessions.iter().collect::<Vec<_>>()).await?;
        // The first session has changed state: an order that was not executed does not count towards the limit.
        sessions[0].run("SELECT 2").await?;
        let late = orders.split_off(2);
        let first = one.deliver(None, &orders, 100, false).await?;
        assert_eq!(first, [Outcome::Changed, Outcome::Signalled]);
        let (a, b) = tokio::join!(one.deliver(None, &late, 100, false), two.deliver(None, &late, 100, false));
        // Both hosts had the same two orders, so each session was ended once, and no other one.
        let signalled = [a?, b?].concat().iter().filter(|outcome| **outcome == Outcome::Signalled).count();
        assert!((1..=2).contains(&signalled), "{signalled}");
        let more = app.idle_many(3, "SELECT 1").await?;
        let orders = crate::support::orders(&cluster, &more.iter().collect::<Vec<_>>()).await?;
        let rest = two.deliver(None, &orders, 100, false).await?;
        let ended = 1 + signalled + rest.iter().filter(|outcome| **outcome == Outcome::Signalled).count();
        assert_eq!(ended, 3, "{rest:?}");
        let refused =
            rest.iter().any(|outcome| matches!(outcome, Outcome::Denied(why) if why.contains("max_kills_per_hour")));
        assert!(refused, "{rest:?}");
        let planned = one.deliver(None, &orders[2..], 100, true).await?;
        assert!(matches!(&planned[0], Outcome::Denied(why) if why.contains("max_kills_per_hour")), "{planned:?}");
        sessions.clear();
    }
    events(&path).map(drop)
}

#[tokio::test]
async fn no_session_is_ended_without_consent() -> Result<()> {
    let cluster = cluster().await?;
    let mut session = stuck(&cluster).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let proposals: Arc<Mutex<Vec<Proposal>>> = Arc::default();
    let answers = Arc::new(AtomicUsize::new(0));
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let (received, count) = (Arc::clone(&proposals), Arc::clone(&answers));
    let host = host.audit(Audit::open(&path)?).consent(move |proposal| {
        received.lock().expect("not poisoned").push(proposal);
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { Err("not today".to_owned()) } else { Ok(()) } }
    });

    let mut plan = impatient("kill-idle");
    plan["options"]["dryRun"] = true.into();
    run_in(plugin(World::Manager), &host, plan).await;
    assert!(proposals.lock().expect("not poisoned").is_empty(), "a plan takes no consent");

    let refused = run_in(plugin(World::Manager), &host, impatient("kill-idle")).await.data.expect("a report");
    assert_eq!(refused.actions[0].targets[0].outcome, "denied", "{:#?}", refused.actions);
    assert!(session.answers().await);
    // The session has run a statement, so another old one is needed.
    session = stuck(&cluster).await?;
    let granted = run_in(plugin(World::Manager), &host, impatient("kill-idle")).await.data.expect("a report");
    assert!(granted.actions[0].targets.iter().any(|target| target.outcome == "ended"), "{:#?}", granted.actions);
    assert!(session.ended_by().await.is_some());

    // Consent cannot extend the policy.
    let never = host_under(cluster.url(OPERATOR, "postgres"), Policy { apply: false, ..Policy::default() });
    let never = never.consent(|_| async { Ok(()) });
    let survivor = stuck(&cluster).await?;
    let kept = run_in(plugin(World::Manager), &never, impatient("kill-idle")).await.data.expect("a report");
    assert!(kept.actions[0].targets.iter().all(|target| target.outcome == "denied"), "{:#?}", kept.actions);
    assert!(survivor.answers().await);

    let proposal = proposals.lock().expect("not poisoned").last().cloned().expect("a proposal");
    assert_eq!((proposal.database.as_str(), proposal.role.as_str()), ("postgres", OPERATOR));
    assert_eq!(proposal.plugin.as_deref(), Some("pool-manager.wasm"));
    let Act::End { orders, .. } = proposal.act else { panic!("it ends sessions") };
    assert!(orders.iter().any(|order| order.target.pid == session.pid()));
    let (_, lines) = events(&path)?;
    let consents: Vec<_> = lines.iter().filter(|line| line["event"] == "consent").collect();
    assert_eq!((&consents[0]["granted"], &consents[0]["why"]), (&json!(false), &json!("not today")));
    assert_eq!((&consents[1]["granted"], consents.len()), (&json!(true), 2));
    Ok(())
}

#[tokio::test]
async fn the_program_writes_a_log_and_detects_changes_to_it() -> Result<()> {
    let cluster = cluster().await?;
    let _session = stuck(&cluster).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("audit.log");
    let file = path.display().to_string();
    let done = run(&cluster, OPERATOR, &[&["kill-idle", "--apply", "--audit", &file], &IMPATIENT[..]].concat()).await?;
    assert!(text(&done.stdout).contains("ended"), "{}", text(&done.stdout));
    // A second process continues the chain.
    run(&cluster, OPERATOR, &["monitor", "--sample-ms", "0", "--audit", &file]).await?;
    let (summary, lines) = events(&path)?;
    assert_eq!(outcomes(&lines), ["sending", "signalled"]);
    assert_eq!(lines.iter().filter(|line| line["event"] == "open").count(), 2);

    let verify = async |more: &[&str]| run_with("", &[&["audit", "verify", &file], more].concat()).await;
    let sound = verify(&[]).await?;
    assert_eq!(code(&sound), HEALTHY, "{}", text(&sound.stderr));
    let head = summary.head.to_string();
    assert!(text(&sound.stdout).contains(&format!("head {head}")), "{}", text(&sound.stdout));
    assert_eq!(code(&verify(&["--head", &head]).await?), HEALTHY);

    let whole = std::fs::read_to_string(&path)?;
    std::fs::write(&path, whole.replacen("sending\",\"detail", "gone\",\"detail", 1))?;
    let changed = verify(&["--json"]).await?;
    assert_eq!(code(&changed), FINDINGS);
    let verdict: Value = serde_json::from_slice(&changed.stdout)?;
    let number = whole.lines().position(|line| line.contains("sending\",\"detail")).expect("an order") + 1;
    assert_eq!((&verdict["sound"], &verdict["line"]), (&json!(false), &json!(number)));
    let cut: String = whole.split_inclusive('\n').take(4).collect();
    std::fs::write(&path, cut)?;
    assert_eq!(code(&verify(&[]).await?), HEALTHY, "a cut chain is a chain");
    assert_eq!(code(&verify(&["--head", &head]).await?), FINDINGS);
    assert_eq!(code(&verify(&["--head", "x"]).await?), USAGE);
    Ok(())
}

#[tokio::test]
async fn an_unanswered_question_ends_with_the_call() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster).await?;
    let credentials = archon_pool::credentials().url(SecretString::from(cluster.url(OPERATOR, "postgres")));
    let limits = Limits { deadline: Duration::from_secs(3), ..Limits::default() };
    let host = host_with(credentials, limits).consent(|_| std::future::pending());
    let answer = host.call(plugin(World::Manager), impatient("kill-idle"), CallOptions::default()).await;
    assert_eq!(answer.output.expect_err("it is late").kind, kind::DEADLINE_EXCEEDED);
    assert!(!answer.signalled && session.answers().await);
    nothing_left(&cluster).await
}

/// Runs the program on a terminal, with an answer to its question.
async fn answered(cluster: &Cluster, answer: &'static [u8], arguments: &[&str]) -> Result<String> {
    let home = tempfile::tempdir()?;
    let program = command(&cluster.url(OPERATOR, "postgres"), home.path(), arguments)?;
    let words: Vec<_> = [program.get_program()].into_iter().chain(program.get_args()).collect();
    let line = words.iter().map(|word| format!("'{}'", word.display())).collect::<Vec<_>>().join(" ");
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env_clear();
    terminal.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").env("HOME", home.path());
    terminal.env("DATABASE_URL", cluster.url(OPERATOR, "postgres")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().context("could not start `script`: install bsdutils")?;
    let output = tokio::task::spawn_blocking(move || {
        // Kept open, because end of file would be an answer too.
        let mut stdin = terminal.stdin.take();
        if let Some(stdin) = &mut stdin {
            stdin.write_all(answer)?;
        }
        let mut shown = Vec::new();
        if let Some(stdout) = &mut terminal.stdout {
            stdout.read_to_end(&mut shown)?;
        }
        terminal.wait().map(|_| shown)
    });
    Ok(text(&output.await??))
}

#[tokio::test]
async fn the_answer_at_the_terminal_decides() -> Result<()> {
    let cluster = cluster().await?;
    let mut session = stuck(&cluster).await?;
    let arguments = [&["kill-idle", "--ask"], &IMPATIENT[..]].concat();
    let shown = answered(&cluster, b"n\n", &arguments).await?;
    assert!(shown.contains("[y/N]") && shown.contains(&session.pid().to_string()), "{shown}");
    assert!(session.answers().await);
    session = stuck(&cluster).await?;
    let shown = answered(&cluster, b"y\n", &arguments).await?;
    assert!(shown.contains("✔ 1 of 2 sessions ended"), "{shown}");
    // The page has the outcome: the log does not repeat it on the same terminal.
    assert!(!shown.contains("signalled") && !shown.contains("\"outcome\""), "{shown}");
    assert!(session.ended_by().await.is_some());
    Ok(())
}

#[tokio::test]
async fn ask_without_a_terminal_is_a_usage_error() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster).await?;
    let refused = run(&cluster, OPERATOR, &[&["kill-idle", "--ask"], &IMPATIENT[..]].concat()).await?;
    assert_eq!(code(&refused), USAGE);
    assert!(text(&refused.stderr).contains("--apply"), "{}", text(&refused.stderr));
    assert!(session.answers().await);
    Ok(())
}
