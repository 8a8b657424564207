//! Metrics of reports that the built-in analysis wrote.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::params::Options;
use archon_pool_contract::report::Report;
use archon_pool_contract::snapshot::Snapshot;
use archon_pool_core::components::World;
use archon_pool_core::digest::Digest;
use tokio::time::Instant;

use super::*;
use crate::progress::{Ended, after};
use crate::status::TargetStatus;

/// Largest size of a snapshot of the test.
const SESSIONS: usize = 20_000;

/// Applications among them.
const APPLICATIONS: usize = 5_000;

fn snapshot() -> Snapshot {
    serde_json::from_str(include_str!("../../../../tests/fixtures/snapshot.json")).expect("a snapshot")
}

fn report_of(snapshot: &Snapshot) -> Arc<Report> {
    Arc::new(archon_pool_plugin::analyse::analyse_snapshot(snapshot, &Options::default(), None))
}

fn crowded() -> Arc<Report> {
    let mut snapshot = snapshot();
    let client = snapshot.backends.iter().find(|backend| backend.is_client()).expect("a client").clone();
    snapshot.backends = (0..SESSIONS)
        .map(|number| {
            let mut backend = client.clone();
            backend.pid = 1_000 + i32::try_from(number).expect("a pid");
            // Letters: digits that stand alone are variable parts of a name.
            backend.application = letters(number % APPLICATIONS);
            backend
        })
        .collect();
    report_of(&snapshot)
}

fn letters(mut number: usize) -> String {
    let mut name = "service-".to_owned();
    for _ in 0..4 {
        name.push(char::from(b'a' + u8::try_from(number % 26).expect("a letter")));
        number /= 26;
    }
    name
}

fn new() -> TargetStatus {
    TargetStatus::new("shop", Instant::now())
}

fn ended(outcome: Result<Arc<Report>, Fault>) -> Ended {
    Ended { outcome, locks: None, took: Duration::from_millis(40), cpu: Duration::from_millis(2) }
}

fn text(statuses: &[TargetStatus], format: Format) -> String {
    let process =
        Process { digest: Digest::of(b""), world: World::Observer, reload_successful: true, orders: None, lag: None };
    let targets: Vec<_> = statuses.iter().cloned().map(Arc::new).collect();
    render(&process, &targets, format).expect("text")
}

fn series(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains("target=\"shop\"")).collect()
}

#[test]
fn twenty_thousand_sessions_of_five_thousand_applications_keep_the_budget() {
    let report = crowded();
    assert_eq!(report.pool_stats.connections.by_application.len(), APPLICATIONS);
    let usual = after(&new(), ended(Ok(Arc::clone(&report))), 20);
    assert_eq!(usual.totals.dropped, 0);
    assert!(series(&text(&[usual], Format::Text)).len() < 150);
    let greedy = after(&new(), ended(Ok(report)), 1_000);
    let text = text(std::slice::from_ref(&greedy), Format::Text);
    assert!(series(&text).len() <= SERIES_OF_A_TARGET);
    assert!(greedy.totals.dropped > 600 && text.contains("archon_pool_series_dropped_total"));
}

#[test]
fn counts_of_applications_add_up_to_all_sessions() {
    let status = after(&new(), ended(Ok(crowded())), 20);
    let text = text(&[status], Format::Text);
    let counts = text.lines().filter(|line| line.starts_with("archon_pool_application_connections{"));
    let counts: Vec<f64> = counts.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    assert_eq!((counts.len(), counts.iter().sum::<f64>()), (21, SESSIONS as f64));
}

#[test]
fn no_series_is_written_twice() {
    for format in [Format::Text, Format::OpenMetrics] {
        let mut status = new();
        for report in [report_of(&snapshot()), crowded(), report_of(&snapshot())] {
            status = after(&status, ended(Ok(report)), 20);
        }
        let text = text(&[status], format);
        let names: Vec<_> =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}

#[test]
fn values_of_a_report_are_given_up_after_three_failed_rounds() {
    let lost = || Err(Fault::new(kind::CONNECTION_LOST, "no"));
    let mut status = after(&new(), ended(Ok(report_of(&snapshot()))), 20);
    let last_success = status.last_success;
    for (round, has_report) in [true, true, false].into_iter().enumerate() {
        status = after(&status, ended(lost()), 20);
        let text = text(std::slice::from_ref(&status), Format::Text);
        assert!(text.contains("archon_pool_up{target=\"shop\"} 0"), "{text}");
        assert_eq!(text.contains("archon_pool_slots{"), has_report, "round {round}");
        assert!(text.contains("archon_pool_rounds_total{target=\"shop\",outcome=\"connection-lost\"}"), "{text}");
    }
    assert_eq!(status.last_success, last_success);
}

#[test]
fn a_kind_of_fault_that_a_component_invented_is_counted_as_other() {
    let status = after(&new(), ended(Err(Fault::new("pid-4711", "no"))), 20);
    assert!(text(&[status], Format::Text).contains("outcome=\"other\"} 1"));
}

#[test]
fn without_full_coverage_no_number_of_suspects_is_written() {
    let mut report = (*report_of(&snapshot())).clone();
    report.leak_detection.coverage.complete = false;
    let text = text(&[after(&new(), ended(Ok(Arc::new(report))), 20)], Format::Text);
    assert!(text.contains("archon_pool_verdicts_withheld{target=\"shop\"} 1"), "{text}");
    assert!(!text.contains("archon_pool_leak_"), "{text}");
}

#[test]
fn a_target_without_a_round_has_no_series() {
    assert!(series(&text(&[new()], Format::Text)).is_empty());
}

#[test]
fn every_metric_is_documented_and_has_a_name_of_its_own() {
    let names: Vec<_> = all().map(Metric::full_name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let readme = include_str!("../../README.md");
    for name in &names {
        assert!(readme.contains(&format!("`{}`", name.trim_start_matches("archon_pool_"))), "README.md lacks {name}");
    }
}

#[test]
fn no_label_can_have_a_pid_a_statement_a_client_or_an_identity() {
    let status = after(&new(), ended(Ok(report_of(&snapshot()))), 20);
    let text = text(&[status], Format::Text);
    let allowed = [
        "target",
        "state",
        "application",
        "outcome",
        "le",
        "sqlstate",
        "id",
        "severity",
        "database",
        "role",
        "version",
        "digest",
        "world",
        "server",
        "action",
    ];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, labels)) = line.split_once('{') else { continue };
        for label in labels.split("\",").filter_map(|label| label.split_once("=\"")) {
            assert!(allowed.contains(&label.0), "{line}");
        }
    }
}

#[test]
fn two_hundred_targets_are_written_in_time() {
    let report = report_of(&snapshot());
    let statuses: Vec<_> = (0..200)
        .map(|number| {
            after(&TargetStatus::new(&format!("t{number}"), Instant::now()), ended(Ok(Arc::clone(&report))), 20)
        })
        .collect();
    let text = text(&statuses, Format::OpenMetrics);
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.lines().filter(|line| line.starts_with("archon_pool_up{")).count(), 200);
}
