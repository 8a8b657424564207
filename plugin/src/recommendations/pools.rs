//! Findings about a pooler's pools: too small a size, transactions that occupy them, or a sum that the server cannot
//! serve.

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Finding, Report};
use archon_pool_contract::snapshot::Snapshot;

use crate::clock::{counted, span};
use crate::health::LONG_WAIT_MS;
use crate::scaling::load::Load;
use crate::scaling::pools::{Pools, Source, View};
use crate::scaling::sizing;
use crate::unfinished::Unfinished;

use super::advisor::{EXAMPLES, Severity, finding};
use super::fixes;

/// Shorter waits are ordinary queueing, milliseconds.
const QUEUED_MS: u64 = 1_000;

/// All of them; none without a pooler that shows its pools.
pub(super) fn findings(
    snapshot: &Snapshot,
    options: &Options,
    unfinished: &Unfinished,
    report: &Report,
) -> Vec<(Severity, Finding)> {
    let Some(pooler) = &snapshot.pooler else { return Vec::new() };
    let pools = Pools::of(pooler, snapshot);
    let queued = pools.views.iter().flat_map(|view| {
        let load = view.load(snapshot, options, unfinished);
        held_up(&load, options).or_else(|| too_small(view, &load, options))
    });
    queued.chain(overcommitted(&pools, report)).chain(fixed(&pools, snapshot)).collect()
}

fn severity(load: &Load) -> Severity {
    if load.max_wait_ms > LONG_WAIT_MS { Severity::Critical } else { Severity::Warning }
}

fn waiting(load: &Load) -> String {
    format!("{} wait for up to {}", counted(load.queued as usize, "client"), span(load.max_wait_ms))
}

fn evidence(load: &Load) -> Vec<String> {
    vec![
        format!("{} of {} server connections are executing", load.active, load.open),
        format!("{} are idle in a transaction", load.idle_in_transaction),
        waiting(load),
    ]
}

fn held_up(load: &Load, options: &Options) -> Option<(Severity, Finding)> {
    load.is_held_up().then(|| {
        let text = format!(
            "Pool {} is stuck: {} of its {} sit idle in a transaction, and {}. That is a leak, and a larger pool \
             would only feed it.",
            load.name,
            load.lingering,
            counted(load.open as usize, "server connection"),
            waiting(load)
        );
        let fix = fixes::pooled_transaction_timeout(options);
        finding(Severity::Critical, "pool-stuck", text, evidence(load), Some(fix))
    })
}

fn too_small(view: &View<'_>, load: &Load, options: &Options) -> Option<(Severity, Finding)> {
    let size = view.size.filter(|&size| load.open >= size && load.max_wait_ms >= QUEUED_MS)?;
    if load.queued == 0 || load.obstruction().is_some() {
        return None;
    }
    let wanted = sizing::staffed(load.demand(), sizing::AIM).max(options.min_size).min(options.max_size);
    if wanted <= size {
        return None;
    }
    let step = wanted.min(size.saturating_mul(2).max(options.min_size));
    let text = format!(
        "Pool {} is too small: all of its {size} server connections are in use, and {}.",
        load.name,
        waiting(load)
    );
    Some(finding(severity(load), "pool-too-small", text, evidence(load), Some(fixes::pool_size(view, step))))
}

fn overcommitted(pools: &Pools<'_>, report: &Report) -> Option<(Severity, Finding)> {
    let size = pools.default_size?;
    let headroom = &report.scaling.headroom;
    (!pools.views.is_empty() && headroom.available < size).then(|| {
        let following = pools.views.iter().filter(|view| view.source == Source::Default && view.is_used());
        let names: Vec<_> = following.map(View::name).collect();
        let text = format!(
            "The pooler's pools can take more connections than the server has: with all of them full, only {} each fit, \
             and default_pool_size is {size}.",
            headroom.available
        );
        let mut evidence = vec![
            format!("{} follow the default", counted(names.len(), "pool")),
            format!("{} usable slots, {} of them for others", headroom.usable, headroom.others),
        ];
        evidence.extend(names.into_iter().take(EXAMPLES));
        let fix = fixes::smaller_pools(headroom.available.max(1));
        finding(Severity::Warning, "pools-overcommitted", text, evidence, Some(fix))
    })
}

/// Pools of the connected database that no auto-scale reaches.
fn fixed(pools: &Pools<'_>, snapshot: &Snapshot) -> Option<(Severity, Finding)> {
    let own: Vec<_> = pools
        .views
        .iter()
        .filter(|view| view.source != Source::Default && view.database == snapshot.server.database)
        .collect();
    let first = own.first()?;
    let text = format!(
        "{} of database {} with a pool_size of their own, such as {}: auto-scale cannot change them while the pooler runs.",
        counted(own.len(), "pool"),
        snapshot.server.database,
        first.name()
    );
    let evidence = own.iter().take(EXAMPLES).map(|view| {
        let size = view.size.map_or_else(|| "no limit".to_owned(), |size| size.to_string());
        let from = if view.source == Source::Role { "its role" } else { "its database" };
        format!("{}: {size}, by {from}", view.name())
    });
    Some(finding(Severity::Info, "own-pool-size", text, evidence.collect(), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::ago;
    use crate::scaling::fixture::{DATABASE, ROLE, database, pool, pooled, pooler};

    fn of(snapshot: &Snapshot) -> Vec<Finding> {
        analyse_snapshot(snapshot, &Options::default(), None).findings
    }

    fn queueing(size: u32, wait_ms: u64) -> Snapshot {
        let mut queueing = pool(DATABASE, ROLE, [size, 0, 9]);
        queueing.max_wait_us = wait_ms * 1_000;
        pooled(pooler(size), &[queueing])
    }

    #[test]
    fn a_lasting_queue_is_reported_as_a_small_pool() {
        assert_eq!(of(&queueing(10, 40)), []);
        let findings = of(&queueing(10, 2_500));
        let [finding] = &findings[..] else { panic!("one finding: {findings:?}") };
        assert_eq!((finding.id.as_str(), finding.severity.as_str()), ("pool-too-small", "warning"));
        assert_eq!(
            finding.text,
            "Pool shop/app is too small: all of its 10 server connections are in use, and 9 clients wait for up to 2.5 s."
        );
        let fix = finding.fix.as_ref().expect("a fix");
        assert!(fix.summary.starts_with("At the pooler's console: SET default_pool_size = 20;"), "{}", fix.summary);
        assert_eq!(of(&queueing(10, 25_000))[0].severity, "critical");
    }

    #[test]
    fn a_pool_size_of_a_database_is_fixed_where_it_is_set() {
        let mut snapshot = queueing(10, 2_500);
        snapshot.pooler.as_mut().expect("a pooler").databases = vec![database(DATABASE, Some(10))];
        let findings = of(&snapshot);
        let ids: Vec<_> = findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(ids, ["pool-too-small", "own-pool-size"]);
        let fix = findings[0].fix.as_ref().expect("a fix");
        assert!(fix.summary.contains("to the line of shop: pool_size=20; then RELOAD"), "{}", fix.summary);
    }

    #[test]
    fn a_pool_full_of_idle_transactions_is_stuck_and_not_small() {
        let mut snapshot = queueing(10, 2_500);
        for backend in snapshot.backends.iter_mut().take(8) {
            (backend.state, backend.state_change) = (Some("idle in transaction".into()), Some(ago(20)));
        }
        let findings = of(&snapshot);
        let stuck = findings.iter().find(|finding| finding.id == "pool-stuck").expect("found");
        assert_eq!(stuck.severity, "critical");
        assert!(stuck.text.contains("8 of its 10 server connections sit idle in a transaction"), "{}", stuck.text);
        let fix = stuck.fix.as_ref().expect("a fix");
        assert!(fix.summary.contains("idle_transaction_timeout = 60"), "{}", fix.summary);
        assert!(findings.iter().all(|finding| finding.id != "pool-too-small"));
    }

    #[test]
    fn pools_larger_than_the_server_are_reported() {
        let pools = ["a", "b", "c"].map(|role| pool(DATABASE, role, [2, 0, 0]));
        let findings = of(&pooled(pooler(40), &pools));
        let [finding] = &findings[..] else { panic!("one finding: {findings:?}") };
        assert_eq!(finding.id, "pools-overcommitted");
        assert!(finding.text.contains("only 32 each fit, and default_pool_size is 40"), "{}", finding.text);
    }
}
