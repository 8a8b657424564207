//! The rounds of one target: one at a time, until the program ends or the target is removed.

use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use archon_pool_report as render;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::pause;
use crate::board::{Board, Writer};
use crate::lock_tree::RecordingHost;
use crate::progress;
use crate::remarks::Remarks;
use crate::round::recorded;
use crate::status::TargetStatus;
use crate::targets::Target;

/// Time that a round may still take once the program is to end.
const LAST_ROUND: Duration = Duration::from_secs(5);

/// Time beyond its deadline that a round may take to close its session, on a busy machine as well.
const SLACK: Duration = Duration::from_secs(30);

/// Values that all targets share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// Without a session of its own: each target keeps one.
    pub(crate) host: Host,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) board: Arc<Board>,
    pub(crate) remarks: Remarks,
    /// Applications with a series of their own.
    pub(crate) applications: usize,
}

/// Admits the target to the board at once, and returns its rounds: until `stop` is true, or its sender is dropped, which
/// ends a running round as well. The kept session is closed at the end.
pub(crate) fn rounds(
    shared: Shared,
    target: Target,
    first_after: Duration,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send {
    let due = Instant::now() + first_after;
    let expected_by = expected_by(&shared.host, due);
    // A target whose settings changed keeps its counters.
    let status = match shared.board.target(&target.name) {
        Some(before) => TargetStatus { expected_by, ..(*before).clone() },
        None => TargetStatus::new(&target.name, expected_by),
    };
    let writer = shared.board.admit(status.clone());
    admitted(shared, target, status, writer, due, stop)
}

async fn admitted(
    shared: Shared,
    target: Target,
    mut status: TargetStatus,
    writer: Writer,
    mut due: Instant,
    mut stop: watch::Receiver<bool>,
) {
    let Shared { host, plugin, board, remarks, applications } = shared;
    let host = host.keep_session();
    let hosts = RecordingHost::new(host.clone());
    let mut carry: Option<Value> = None;
    let mut last_probe: Option<Instant> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            _ = stopped(&mut stop) => return,
        }
        let started = Instant::now();
        let probe_is_due = |every: Duration| last_probe.is_none_or(|last| last + every <= started);
        // A target in trouble is not asked for more connections.
        let probes = status.failures == 0 && target.rounds.probe_interval.is_some_and(probe_is_due);
        if probes {
            last_probe = Some(started);
        }
        let ended = {
            let mut round = std::pin::pin!(recorded(&hosts, &plugin, &target, probes, &mut carry, status.report()));
            tokio::select! {
                ended = &mut round => ended,
                stop = stopped(&mut stop) => {
                    if stop == Stop::Finishing {
                        // Its result is of no interest. It is dropped with its session if it takes longer.
                        let _ = tokio::time::timeout(LAST_ROUND, round).await;
                    }
                    return;
                }
            }
        };
        remark(&remarks, &status, ended.outcome.as_ref().err());
        status = progress::after(&status, ended, applications);
        // After a slow round the next one is delayed: catching up would only add load.
        due = (started + pause(target.rounds.interval, status.failures)).max(Instant::now());
        status.expected_by = expected_by(&host, due);
        board.set(writer, status.clone());
    }
}

/// Returns the time by which a round that is due then has ended.
fn expected_by(host: &Host, due: Instant) -> Instant {
    due + host.limits().deadline + SLACK
}

/// Manner in which rounds end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The program ends: a running round may finish.
    Finishing,
    /// The target was removed or replaced: a running round is dropped with its session.
    Now,
}

/// Waits until the rounds are to end.
async fn stopped(stop: &mut watch::Receiver<bool>) -> Stop {
    match stop.wait_for(|stop| *stop).await {
        Ok(_) => Stop::Finishing,
        Err(_) => Stop::Now,
    }
}

/// Reports a target that becomes unreachable or reachable, and no repetition of it.
fn remark(remarks: &Remarks, before: &TargetStatus, fault: Option<&Fault>) {
    let name = &before.name;
    match fault {
        Some(fault) if before.fault.as_ref().map(|fault| &fault.kind) != Some(&fault.kind) => {
            let (message, kind) = (render::sanitize::line(&fault.message), render::sanitize::line(&fault.kind));
            remarks.say(&format!("target {name}: {message} ({kind})"));
        }
        None if before.up == Some(false) => remarks.say(&format!("target {name}: answers again")),
        _ => {}
    }
}
