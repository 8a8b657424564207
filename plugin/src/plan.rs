//! Plan of `kill-idle`, which the host checks and carries out.
//!
//! A candidate is a session of the connected database that has been idle, idle in a transaction, or waiting for the rest
//! of its statement for longer than the threshold for that state, that nothing excludes, and that the connected role
//! may signal. Of these the cap and `minSize` let some through, worst first. `only` restricts the choice to selected
//! sessions; the cap stays a share of all candidates.

mod spared;
mod threshold;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use archon_pool_contract::host_api::Order;
use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Coverage, Spared, Target};
use archon_pool_contract::snapshot::{Backend, Role, Snapshot, State};

use crate::clock::{counted, span};
use crate::leaks;
use crate::leaks::evidence::BLOCKS_OTHERS;
use crate::leaks::judged::Judged;
use crate::numbers::number;
use crate::unfinished::{Unfinished, is_copy};

use self::threshold::threshold_of;

/// One call ends no more than this; the host's limit `orders` is the same.
const MOST_ORDERS: usize = 1_000;

/// Planned endings.
#[derive(Debug, Default)]
pub struct Plan {
    /// Orders for the host.
    pub orders: Vec<Order>,
    /// Targets for the report; target i belongs to order i.
    pub targets: Vec<Target>,
    /// Reason for the choice, and for not ending more.
    pub reason: String,
    /// Selected sessions that are no targets.
    pub spared: Vec<Spared>,
}

/// Plans which sessions to end.
pub fn kill_idle(
    snapshot: &Snapshot,
    options: &Options,
    coverage: &Coverage,
    judged: &[Judged<'_>],
    unfinished: &Unfinished,
) -> Plan {
    if !coverage.complete {
        let reason = coverage.reason.clone().unwrap_or_default();
        let reason = format!("nothing is ended without full coverage: {reason}");
        return Plan { spared: spared::all(options, &reason), reason, ..Plan::default() };
    }
    let database = Some(snapshot.server.database.as_str());
    let clients = number(snapshot.clients().filter(|backend| backend.database.as_deref() == database).count());
    let beyond: Vec<_> = judged
        .iter()
        .filter(|judged| judged.backend.database.as_deref() == database)
        .filter_map(|judged| Some((judged, reason(judged.backend, snapshot.taken_at, options, unfinished)?)))
        .collect();
    let (candidates, mut spared): (Vec<_>, Vec<_>) =
        beyond.into_iter().partition(|(judged, _)| judged.exclusions.is_empty());
    let roles: HashMap<&str, &Role> = snapshot.roles.iter().map(|role| (role.name.as_str(), role)).collect();
    let (mut candidates, mut forbidden): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|(judged, _)| may_signal(judged.backend, snapshot, &roles));
    candidates.sort_by_key(|(judged, _)| rank(judged, snapshot));

    let share = u64::from(number(candidates.len()).min(clients)) * u64::from(options.max_kill_percentage) / 100;
    // A share of a u32 is one.
    let cap = u32::try_from(share).unwrap_or(u32::MAX);
    let spare = clients.saturating_sub(options.min_size);
    let allowed = (cap.min(spare) as usize).min(MOST_ORDERS);

    // Selected only now: a selection must not change the cap.
    for found in [&mut candidates, &mut spared, &mut forbidden] {
        found.retain(|(judged, _)| is_selected(judged.backend, options));
    }
    let found = candidates.len() + spared.len() + forbidden.len();
    let all = match &options.only {
        Some(only) => counted(only.len(), "selected session"),
        None => counted(clients as usize, "session"),
    };
    let mut reason = format!("{found} of {all} idle for longer than the threshold");
    if found > 0 {
        reason = format!("{reason}: {}", parts(allowed.min(candidates.len()), &candidates, &spared).join(", "));
    }
    let limit = if allowed == MOST_ORDERS {
        format!("one call ends {MOST_ORDERS} at the most")
    } else if cap <= spare {
        format!("maxKillPercentage {} allows {cap} per call", options.max_kill_percentage)
    } else {
        format!("minSize {} keeps all but {spare}", options.min_size)
    };
    if allowed < candidates.len() {
        reason = format!("{reason}; {limit}");
    }
    let privilege = if roles.is_empty() {
        "roles whose privileges could not be read".to_owned()
    } else {
        format!("roles that {} may not signal", snapshot.server.role)
    };
    if !forbidden.is_empty() {
        reason = format!("{reason}; {} more of {privilege}", forbidden.len());
    }
    let mut plan = Plan { reason, ..Plan::default() };
    let left = candidates.split_off(allowed.min(candidates.len()));
    for (judged, reason) in candidates {
        let waited_ms = unfinished.waited_ms(judged.backend).unwrap_or(0);
        plan.add(judged.backend, snapshot.taken_at, waited_ms, reason);
    }
    let later = left.iter().map(|(judged, _)| (judged, format!("left for later: {limit}")));
    let privilege = format!("its role is one of the {privilege}");
    let withheld = later.chain(forbidden.iter().map(|(judged, _)| (judged, privilege.clone())));
    let withheld = withheld.filter_map(|(judged, why)| Some((judged.backend.key()?, why)));
    let ordered = plan.orders.iter().map(|order| order.target).collect();
    plan.spared = spared::others(snapshot, options, judged, &ordered, withheld);
    plan
}

/// Returns true if a session is selected, or none is in particular.
fn is_selected(backend: &Backend, options: &Options) -> bool {
    let is_in = |only: &BTreeSet<_>| backend.key().is_some_and(|key| only.contains(&key));
    options.only.as_ref().is_none_or(is_in)
}

/// Counts the sessions beyond the threshold by outcome, each once: by the first reason to spare it.
fn parts<T>(to_end: usize, candidates: &[T], spared: &[(&Judged<'_>, String)]) -> Vec<String> {
    let mut parts = vec![format!("{to_end} to end")];
    if candidates.len() > to_end {
        parts.push(format!("{} left for later", candidates.len() - to_end));
    }
    let mut reasons = BTreeMap::<&str, usize>::new();
    for reason in spared.iter().filter_map(|(judged, _)| judged.exclusions.first()) {
        *reasons.entry(reason.id).or_default() += 1;
    }
    if !spared.is_empty() {
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|&(_, count)| Reverse(count));
        let reasons: Vec<_> =
            reasons.into_iter().map(|(reason, count)| format!("{count} {}", reason.replace('-', " "))).collect();
        parts.push(format!("{} spared ({})", spared.len(), reasons.join(", ")));
    }
    parts
}

impl Plan {
    fn add(&mut self, backend: &Backend, now: i64, waited_ms: u64, reason: String) {
        let (Some(target), Some(state), Some(state_change)) =
            (backend.key(), backend.state.clone(), backend.state_change)
        else {
            return;
        };
        self.targets.push(Target {
            id: leaks::id(backend),
            pid: backend.pid,
            role: backend.role.clone().unwrap_or_default(),
            application: backend.application.clone(),
            client: backend.client_address.clone(),
            state: state.clone(),
            idle_time: backend.idle_ms(now).max(waited_ms),
            reason: reason.clone(),
            outcome: "planned".to_owned(),
            detail: None,
        });
        self.orders.push(Order { target, state, state_change, reason });
    }
}

/// Reason for ending a session, if it may be ended.
fn reason(backend: &Backend, now: i64, options: &Options, unfinished: &Unfinished) -> Option<String> {
    if let Some(waited) = unfinished.waited_ms(backend).filter(|_| !is_copy(backend)) {
        let threshold = span(options.idle_timeout_ms);
        return Some(format!("waiting {} for the rest of its statement, threshold {threshold}", span(waited)));
    }
    let (what, threshold) = threshold_of(backend, options)?;
    let age = backend.state_age_ms(now)?;
    (age > threshold).then(|| format!("{what} for {}, threshold {}", span(age), span(threshold)))
}

/// Returns true if the connected role may signal it (PostgreSQL manual, "Server Signaling Functions": own roles,
/// `pg_signal_backend`, and superusers' sessions for superusers only).
fn may_signal(backend: &Backend, snapshot: &Snapshot, roles: &HashMap<&str, &Role>) -> bool {
    let server = &snapshot.server;
    let role = backend.role.as_deref().and_then(|name| roles.get(name));
    server.superuser || role.is_some_and(|role| !role.superuser && (role.granted || server.signals_backends))
}

/// Sort key, worst first: sessions that block others, then open transactions, then the highest confidence, then the
/// longest idle.
fn rank(judged: &Judged<'_>, snapshot: &Snapshot) -> impl Ord + use<> {
    let backend = judged.backend;
    let blocks = judged.pieces.iter().any(|piece| piece.rule.id == BLOCKS_OTHERS.id);
    let open = backend.state() != State::Idle;
    let idle = backend.idle_ms(snapshot.taken_at);
    (Reverse(blocks), Reverse(open), Reverse(judged.confidence), Reverse(idle), backend.pid)
}

#[cfg(test)]
mod tests;
