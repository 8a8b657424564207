//! The whole analysis of one snapshot.

use std::collections::BTreeMap;

use archon_pool_contract::params::{Action, Options};
use archon_pool_contract::report::{PoolStats, Report};
use archon_pool_contract::snapshot::{Snapshot, elapsed_ms};

use crate::activity;
use crate::broken;
use crate::carry;
use crate::clock;
use crate::health;
use crate::leaks::judged::Judged;
use crate::leaks::{self, exclusions::Spared, groups::Groups};
use crate::memory::Memory;
use crate::pooler;
use crate::purpose::Purposes;
use crate::recommendations;
use crate::scaling::{self, stale_servers};
use crate::throughput::{self, Window};
use crate::unfinished::{self, Unfinished};

/// A report, and the data that only planning needs.
pub struct Judgement<'a> {
    /// The report, without actions.
    pub report: Report,
    /// Every visible client session with its confidence.
    pub judged: Vec<Judged<'a>>,
    /// Sessions whose client never sends the rest of its statement.
    pub unfinished: Unfinished,
    /// The pooler's server connections that the server has not known for two looks: pids by the database's
    /// name at the pooler.
    pub stale_servers: BTreeMap<String, Vec<i32>>,
}

/// Analyses a snapshot as a full analysis does. Pure: the same arguments give the same report.
pub fn analyse_snapshot(snapshot: &Snapshot, options: &Options, carry: Option<&str>) -> Report {
    judge(snapshot, Action::FullAnalysis, options, carry).report
}

/// Analyses a snapshot for an action.
pub fn judge<'a>(snapshot: &'a Snapshot, action: Action, options: &Options, carry: Option<&str>) -> Judgement<'a> {
    let mut notes = Vec::new();
    let memory = Memory::recall(carry, snapshot, &mut notes);
    let window = Window::find(snapshot, &memory);
    let coverage = activity::coverage(snapshot);
    let sending = broken::sending(snapshot, &memory);
    let broken = broken::find(snapshot, options, &sending);
    let copying = unfinished::copying(snapshot, &memory);
    let unfinished = Unfinished::find(snapshot, options, &copying);
    let connections = activity::connections(snapshot, &broken, &unfinished);
    let throughput = throughput::throughput(snapshot, &window, memory.own_sessions(), &mut notes);
    let timing = throughput::timing(snapshot, &memory, action, options, &mut notes);
    let pooler = snapshot.pooler.as_ref().and_then(|pooler| pooler::stats::stats(pooler, &memory, &mut notes));
    let mean_concurrency = window.as_ref().ok().and_then(|window| window.mean_concurrency(snapshot, &unfinished));
    let (scaling, history) =
        scaling::decide(snapshot, options, &memory, &connections.capacity, &coverage, (mean_concurrency, &unfinished));
    let groups = Groups::of(snapshot, options, &memory);
    let purposes = Purposes::of(snapshot, &memory);
    let judged = leaks::judge(snapshot, options, &purposes, &groups, &unfinished);
    let spared = Spared::of(&judged);
    let leak_detection = leaks::detect(snapshot, options, &coverage, &judged, &groups);
    let health_summary = health::summarise(snapshot, options, &broken, &unfinished, &spared);
    notes.extend(snapshot.gaps.iter().map(|gap| match &gap.sqlstate {
        Some(sqlstate) => format!("{} could not be read: {} (SQLSTATE {sqlstate})", gap.what, gap.reason),
        None => format!("{} could not be read: {}", gap.what, gap.reason),
    }));
    notes.extend(pooler::notes(snapshot));
    notes.extend(snapshot.notes.iter().cloned());
    notes.extend(activity::range_of_used(snapshot));
    let stale_servers = stale_servers::confirmed(history.stale_servers(), memory.history().stale_servers());
    let mean_query_ms = timing.avg_query_time;
    let mut report = Report {
        action: action.name().to_owned(),
        carry: carry::next(&memory, snapshot, &groups, &purposes, history, (sending, copying), mean_query_ms),
        pool_stats: PoolStats { connections, throughput, timing, pooler },
        scaling,
        leak_detection,
        health_summary,
        actions: Vec::new(),
        recommendations: Vec::new(),
        findings: Vec::new(),
        coverage,
        notes,
        timestamp: clock::iso(snapshot.taken_at),
        analysis_duration: elapsed_ms(snapshot.started_at, snapshot.reading.at.max(snapshot.taken_at)),
    };
    report.findings = recommendations::findings(snapshot, options, &broken, &unfinished, &spared, &report);
    report.recommendations = report.findings.iter().map(|finding| finding.text.clone()).collect();
    Judgement { report, judged, unfinished, stale_servers }
}

#[cfg(test)]
mod tests;
