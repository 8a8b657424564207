//! Execution of auto-scale's decision: the resize, the draining that follows a smaller size, and the reconnect of broken
//! server connections.
//!
//! Only a change that the host read back counts as executed; in a world that cannot act everything is a plan.

use std::collections::BTreeMap;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{HostApi, SizeOrder, SizeOutcome};
use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Action, Report, Scaling};
use archon_pool_contract::snapshot::Snapshot;

use crate::clock::counted;
use crate::numbers::number;
use crate::scaling::pools::{Pools, Source, View};
use crate::scaling::{ADVICE, SUPABASE, pooled_sessions};

/// Carries the decision out, or plans it. `stale_servers` are broken server connections by the database's name at
/// the pooler.
pub fn auto_scale(
    host: &mut impl HostApi,
    snapshot: &Snapshot,
    report: &Report,
    stale_servers: &BTreeMap<String, Vec<i32>>,
    options: &Options,
) -> Vec<Action> {
    let mut act = Act { host, snapshot, report, options };
    let mut actions = Vec::new();
    let resize = act.resize();
    let size = match &resize {
        Some(resize) if resize.executed || resize.dry_run => report.scaling.target_size,
        _ => report.scaling.current_size,
    };
    actions.extend(resize);
    actions.extend(act.drain(size));
    for (database, pids) in stale_servers {
        actions.push(act.reconnect(database, pids));
    }
    actions
}

struct Act<'a, P> {
    host: &'a mut P,
    snapshot: &'a Snapshot,
    report: &'a Report,
    options: &'a Options,
}

/// Outcome of an order, for the report.
struct Done {
    executed: bool,
    connections: u32,
    note: String,
}

impl<P: HostApi> Act<'_, P> {
    fn resize(&mut self) -> Option<Action> {
        let Scaling { current_size, target_size, reason, .. } = &self.report.scaling;
        let kind = match target_size.cmp(current_size) {
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => "scale-up",
            std::cmp::Ordering::Less => "scale-down",
        };
        let mut why = format!("from {current_size} to {target_size}: {reason}");
        if self.report.scaling.controller == SUPABASE {
            why.push_str(&format!(
                "; this restarts the pooler and drops every client of it, those of {} at the server among them",
                counted(pooled_sessions(self.snapshot) as usize, "session")
            ));
        }
        let order = SizeOrder { pool: None, size: *target_size, reason: why.clone() };
        let outcome = self
            .may_not()
            .map_or_else(|| self.host.resize(&order, self.options.dry_run).map(resized), |why| Some(refused(why)));
        Some(self.action(kind, why, outcome))
    }

    /// Reports the server connections above the size. PgBouncer closes free server connections by itself, and those in
    /// use when they are released: there is nothing to order.
    fn drain(&self, size: u32) -> Option<Action> {
        let pooler = self.snapshot.pooler.as_ref()?;
        if size == 0 || (size > self.report.scaling.current_size) {
            return None;
        }
        let pools = Pools::of(pooler, self.snapshot);
        let surplus = |view: &View<'_>| view.open().saturating_sub(size.saturating_add(view.reserve));
        let above = pools.views.iter().filter(|view| view.source == Source::Default && surplus(view) > 0);
        let (mut free, mut busy) = (0, 0);
        for view in above {
            let idle = view.pool.servers_idle.saturating_add(view.pool.servers_used).min(surplus(view));
            free += idle;
            busy += surplus(view) - idle;
        }
        let surplus = free + busy;
        (surplus > 0).then(|| Action {
            kind: "drain".to_owned(),
            executed: false,
            connections_affected: 0,
            reason: format!(
                "{} above the size of {size}: the pooler closes the {free} free within about a second and the {busy} in use \
                 when they are released; no transaction is cut",
                counted(surplus as usize, "server connection")
            ),
            timestamp: self.report.timestamp.clone(),
            dry_run: self.options.dry_run,
            targets: Vec::new(),
            spared: Vec::new(),
        })
    }

    fn reconnect(&mut self, database: &str, pids: &[i32]) -> Action {
        let count = number(pids.len());
        let first: Vec<_> = pids.iter().take(5).map(i32::to_string).collect();
        let why = format!(
            "{} of the pooler's database {database} lead to no session of the server any more (pid {}), which the pooler \
             has not noticed",
            counted(pids.len(), "server connection"),
            first.join(", ")
        );
        let outcome = self.may_not().map_or_else(
            || {
                let reconnected = self.host.reconnect(database, &why, self.options.dry_run)?;
                Some(reconnected.map_or_else(failed, |reconnect| Done {
                    executed: reconnect.executed,
                    connections: count,
                    note: reconnect.note,
                }))
            },
            |why| Some(refused(why)),
        );
        self.action("restart-broken", why, outcome)
    }

    /// Reason why nothing may be done; none when it may.
    fn may_not(&self) -> Option<&'static str> {
        if !self.options.allow_auto_scaling {
            Some("allowAutoScaling is false")
        } else if self.report.scaling.controller == ADVICE {
            Some("no pooler is configured: set the application's pool size")
        } else {
            None
        }
    }

    fn action(&self, kind: &str, why: String, outcome: Option<Done>) -> Action {
        let planned = self.options.dry_run || outcome.is_none();
        let done =
            outcome.unwrap_or_else(|| refused("this component can only plan: its world has no power over pools"));
        let executed = done.executed && !planned;
        Action {
            kind: kind.to_owned(),
            executed,
            connections_affected: if executed { done.connections } else { 0 },
            reason: if done.note.is_empty() { why } else { format!("{why}; {}", done.note) },
            timestamp: self.report.timestamp.clone(),
            dry_run: planned,
            targets: Vec::new(),
            spared: Vec::new(),
        }
    }
}

fn resized(outcome: Result<SizeOutcome, Fault>) -> Done {
    outcome.map_or_else(failed, |SizeOutcome { before, after, executed, note }| {
        let size = |size: Option<u32>| size.map_or_else(|| "unknown".to_owned(), |size| size.to_string());
        let read = if executed { format!("it was {} and reads {}: {note}", size(before), size(after)) } else { note };
        let connections = before.zip(after).map_or(0, |(before, after)| before.abs_diff(after));
        Done { executed, connections, note: read }
    })
}

fn refused(why: &str) -> Done {
    Done { executed: false, connections: 0, note: format!("not executed, {why}") }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a fault is handed over")]
fn failed(fault: Fault) -> Done {
    Done { executed: false, connections: 0, note: format!("not executed: {fault}") }
}

#[cfg(test)]
mod tests;
