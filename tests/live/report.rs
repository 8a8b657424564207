//! `archon-pool report` on a real server: the tree of locks, rounds, and their early end.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use anyhow::Result;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::until;

use crate::actions::{OPERATOR, cluster};
use crate::cli::{FINDINGS, HEALTHY, NOT_RUN, USAGE, code, command, run, run_with, text};
use crate::support::{nothing_left, signal};

/// Options that save a second for each call.
const QUICK: [&str; 2] = ["--sample-ms", "0"];

#[tokio::test]
async fn a_report_of_rounds_shows_the_tree_of_locks_and_numbers_over_time() -> Result<()> {
    let cluster = cluster().await?;
    let holder = cluster.app("app", "holder <b>").idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let first = cluster.app("app", "first").waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (page, ticket) = (path("report.html"), path("report.md"));
    let arguments = ["report", "--html", &page, "--markdown", &ticket, "--rounds", "3", "--interval", "1"];
    let output = run(&cluster, OPERATOR, &[&arguments[..], &QUICK].concat()).await?;
    assert!([HEALTHY, FINDINGS].contains(&code(&output)), "{}", text(&output.stderr));

    let ticket = std::fs::read_to_string(&ticket)?;
    let tree = format!("- pid {}, holder \\<b\\>, role app, from 127.0.0.1: idle in transaction", holder.pid());
    let below = format!("\n  - pid {}, first, role app, from 127.0.0.1: active", first.pid());
    let place = ticket.find(&tree).unwrap_or_else(|| panic!("no tree: {ticket}"));
    assert!(ticket[place..].contains(&below), "{ticket}");
    assert!(ticket[place..].contains("for ShareLock on transaction"), "{ticket}");
    assert_eq!(ticket.matches("| full-analysis |").count(), 3, "{ticket}");
    assert!(ticket.contains("- server: PostgreSQL ") && ticket.contains("database postgres, read as role operator"));

    let html = std::fs::read_to_string(&page)?;
    assert!(html.contains("holder &lt;b&gt;") && html.matches("<figure").count() > 2 && !html.contains(PASSWORD));
    assert_eq!(std::fs::metadata(&page)?.permissions().mode() & 0o777, 0o600);
    nothing_left(&cluster).await
}

#[tokio::test]
async fn an_interrupt_ends_the_rounds_and_writes_the_finished_ones() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let page = folder.path().join("report.html");
    let file = page.display().to_string();
    let carry = folder.path().join("carry.json");
    let kept = carry.display().to_string();
    let rounds = ["report", "--html", &file, "--rounds", "100", "--interval", "3600", "--carry", &kept];
    let arguments = [&rounds[..], &QUICK].concat();
    let mut command = command(&cluster.url(OPERATOR, "postgres"), folder.path(), &arguments)?;
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    until("the first round is over", async || Ok(carry.exists())).await?;
    until("the report is written", async || {
        signal("INT", child.id())?;
        Ok(child.try_wait()?.is_some())
    })
    .await?;
    assert!(std::fs::read_to_string(&page)?.contains("<main>"));
    nothing_left(&cluster).await
}

#[tokio::test]
async fn a_report_of_a_cassette_needs_no_server_and_has_each_call() -> Result<()> {
    let cluster = cluster().await?;
    let _holder = cluster.app("app", "holder").idle_in_transaction("LOCK TABLE stock").await?;
    let _waiter = cluster.app("app", "waiter").waiting("SELECT n FROM stock").await?;
    let folder = tempfile::tempdir()?;
    let cassette = folder.path().join("it.jsonl").display().to_string();
    let watch = ["watch", "monitor", "--count", "2", "--interval", "1", "--record", &cassette, "--sample-ms", "0"];
    run(&cluster, OPERATOR, &watch).await?;
    let answers = run(&cluster, OPERATOR, &["report", "--markdown", "-", "--from", &cassette]).await?;
    let both = ["report", "--markdown", "-", "--from", &cassette, "--replay", &cassette];
    assert_eq!(code(&run(&cluster, OPERATOR, &both).await?), USAGE);

    let url = cluster.url(OPERATOR, "postgres");
    cluster.stop().await?;
    let replay = ["report", "--markdown", "-", "--replay", &cassette];
    let replayed = run_with(&url, &replay).await?;
    for output in [&answers, &replayed] {
        assert!([HEALTHY, FINDINGS].contains(&code(output)), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).matches("| monitor |").count(), 2);
    }
    assert!(text(&replayed.stdout).contains("waits ") && text(&replayed.stdout).contains("for AccessShareLock on "));
    let unreachable = run_with(&url, &["report", "--markdown", "-"]).await?;
    assert_eq!((code(&unreachable), text(&unreachable.stdout).as_str()), (NOT_RUN, ""));
    Ok(())
}
