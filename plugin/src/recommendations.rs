//! Findings for the operator, worst first. Each one has the measured values and a fix that is valid on this server.

mod advisor;
pub mod fixes;
mod pooled;
mod pools;
mod unfinished;
mod waits;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{ConnectionMetric, Finding, Report};
use archon_pool_contract::snapshot::{Backend, Snapshot, State};
use archon_pool_contract::statement_text;

use crate::application::family;
use crate::broken::Broken;
use crate::clock::{counted, span};
use crate::leaks::exclusions::Spared;
use crate::numbers::number;
use crate::numbers::percent;
use crate::protected;
use crate::statement_kind::StatementKind;
use crate::throughput::is_slow;
use crate::unfinished::Unfinished;

use self::advisor::{Advisor, EXAMPLES, Found, Severity, describe, finding, name};

/// Active sessions beyond this share of the usable slots call for more room, percent.
const SATURATED_PERCENT: f64 = 90.0;
/// Slower connections point to the network, TLS or a missing pooler, milliseconds.
const SLOW_CONNECT_MS: f64 = 100.0;
/// A larger share of failures means that the pool is degraded, percent.
const DEGRADED_PERCENT: f64 = 5.0;
/// All findings, worst first.
pub fn findings(
    snapshot: &Snapshot,
    options: &Options,
    broken: &Broken,
    unfinished: &Unfinished,
    spared: &Spared<'_>,
    report: &Report,
) -> Vec<Finding> {
    let by_pid = snapshot.backends.iter().map(|backend| (backend.pid, backend)).collect();
    let advisor = Advisor { snapshot, options, broken, unfinished, spared, report, by_pid };
    let mut findings: Vec<(Severity, Finding)> = [
        advisor.full(),
        advisor.saturated(),
        advisor.long_waits(),
        advisor.replay_conflict(),
        advisor.prepared(),
        advisor.unfinished(),
        advisor.failed_probes(),
        advisor.aborted(),
        advisor.idle_in_transaction(),
        advisor.broken(),
        advisor.degraded(),
        advisor.slow_queries(),
        advisor.slow_connects(),
        advisor.hidden(),
        advisor.unknown_states(),
        advisor.standbys(),
        advisor.over_age(),
    ]
    .into_iter()
    .flatten()
    .chain(advisor.leaks())
    .chain(advisor.role_limits())
    .chain(pools::findings(snapshot, options, unfinished, report))
    .collect();
    findings.sort_by_key(|(severity, _)| *severity);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

impl Advisor<'_> {
    fn full(&self) -> Found {
        let connections = &self.report.pool_stats.connections;
        let capacity = &connections.capacity;
        let share = percent(capacity.used, capacity.usable);
        let hidden = self.report.coverage.hidden;
        let most = if hidden > 0 { "at most " } else { "" };
        (share > SATURATED_PERCENT).then(|| {
            let evidence = vec![
                format!("{most}{} of {} usable slots are taken ({share} %)", capacity.used, capacity.usable),
                format!("{} sessions are idle, {} active", connections.idle, connections.active),
            ];
            let sure = capacity.used.saturating_sub(hidden) >= capacity.usable;
            let severity = if sure { Severity::Critical } else { Severity::Warning };
            let text = format!(
                "{}{} of {} usable connection slots are taken: new connections will soon be refused. End idle sessions, \
                 lower the applications' pool sizes, or put a pooler in front.",
                if hidden > 0 { "At most " } else { "" },
                capacity.used,
                capacity.usable
            );
            finding(severity, "slots-nearly-exhausted", text, evidence, Some(fixes::fewer_sessions(self.snapshot)))
        })
    }

    fn saturated(&self) -> Found {
        let connections = &self.report.pool_stats.connections;
        let usable = connections.capacity.usable;
        let share = percent(connections.active, usable);
        (share > SATURATED_PERCENT).then(|| {
            let evidence = vec![format!("{} of {usable} usable slots are executing ({share} %)", connections.active)];
            let text = format!(
                "{share} % of the usable connections are active: the server has more work than slots. Raise its size or \
                 max_connections, or queue the work in a pooler."
            );
            finding(Severity::Critical, "saturation", text, evidence, Some(fixes::more_capacity(self.snapshot)))
        })
    }

    fn failed_probes(&self) -> Found {
        let failed: Vec<_> = self.snapshot.probes.iter().filter_map(|probe| probe.error.as_ref()).collect();
        let first = failed.first()?;
        let text = format!("{} of {} fresh connections failed: {first}.", failed.len(), self.snapshot.probes.len());
        let evidence = failed.iter().map(|&error| error.clone()).collect();
        Some(finding(Severity::Critical, "failed-probes", text, evidence, None))
    }

    /// Returns true if the finding about the leak already names the client: one cause gives one finding.
    fn is_named_as_leak(&self, backend: &Backend) -> bool {
        let mut suspects = self.report.leak_detection.suspected_connections.iter();
        backend.through.is_some() && suspects.any(|suspect| suspect.pid == backend.pid)
    }

    fn stale(&self, state: State<'static>) -> Vec<&Backend> {
        let limit = self.options.idle_in_transaction_timeout_ms;
        let mut stale: Vec<_> = self
            .snapshot
            .clients()
            .filter(|backend| backend.state() == state && backend.idle_ms(self.now()) > limit)
            .filter(|backend| !self.is_named_as_leak(backend) && !self.spared.is_spared(backend))
            .collect();
        stale.sort_by_key(|backend| (backend.state_change, backend.pid));
        stale
    }

    fn idle_in_transaction(&self) -> Found {
        let stale = self.stale(State::IdleInTransaction);
        let oldest = stale.first()?;
        let text = format!(
            "{} idle in a transaction for longer than {}, the oldest ({}) for {}: locks stay held and vacuum is held \
             back. Commit or roll back before waiting for anything else.",
            counted(stale.len(), "session"),
            span(self.options.idle_in_transaction_timeout_ms),
            name(oldest),
            span(oldest.idle_ms(self.now())),
        );
        let fix = fixes::transaction_timeout(self.snapshot, self.options, self.spared, oldest);
        Some(finding(Severity::Warning, "idle-in-transaction", text, self.examples(&stale), Some(fix)))
    }

    fn aborted(&self) -> Found {
        let stale = self.stale(State::Aborted);
        let oldest = stale.first()?;
        let text = format!(
            "{} in a failed transaction that nobody rolled back, the oldest ({}) for {}: an error path does not release \
             its connection.",
            counted(stale.len(), "session"),
            name(oldest),
            span(oldest.idle_ms(self.now())),
        );
        let fix = fixes::transaction_timeout(self.snapshot, self.options, self.spared, oldest);
        Some(finding(Severity::Warning, "aborted-transactions", text, self.examples(&stale), Some(fix)))
    }

    fn examples(&self, backends: &[&Backend]) -> Vec<String> {
        let line = |backend: &&Backend| {
            let who = format!("pid {} ({})", backend.pid, describe(backend, self.now()));
            match statement_text::normalise(&backend.query) {
                none if none.is_empty() => who,
                statement => format!("{who}: last statement {statement}"),
            }
        };
        backends.iter().take(EXAMPLES).map(line).collect()
    }

    fn broken(&self) -> Found {
        let line = |(pid, reason): (&i32, &String)| {
            let name = self.by_pid.get(pid).map_or("gone", |backend| name(backend));
            format!("pid {pid} ({name}): {reason}")
        };
        let evidence: Vec<_> = self.broken.iter().take(EXAMPLES).map(line).collect();
        let first = evidence.first()?;
        let text = format!("{} broken. First: {first}.", counted(self.broken.len(), "session"));
        let sending = |pid| self.by_pid.get(pid).is_some_and(|backend| backend.state() == State::Active);
        let fix = if self.broken.keys().any(sending) { fixes::user_timeout(self.snapshot) } else { None };
        Some(finding(Severity::Warning, "broken-connections", text, evidence, fix))
    }

    fn degraded(&self) -> Found {
        let health = &self.report.health_summary;
        (health.failure_rate > DEGRADED_PERCENT).then(|| {
            let text = format!(
                "The pool is degraded: {} of {} checks failed ({} %).",
                health.unhealthy, health.total_checked, health.failure_rate
            );
            let ill = health.checks.iter().take_while(|check| check.verdict != "unknown");
            let evidence = ill.take(EXAMPLES).map(|check| format!("pid {}: {}", check.pid, check.reason)).collect();
            finding(Severity::Warning, "degraded-health", text, evidence, None)
        })
    }

    fn slow_queries(&self) -> Found {
        let mean = self.report.pool_stats.timing.avg_query_time.filter(|&mean| is_slow(Some(mean)))?;
        let heavy = self.snapshot.slow_statements.iter().take(EXAMPLES);
        let evidence = heavy
            .map(|load| {
                let mean = span(load.mean_ms as u64);
                format!("{} calls, mean {mean}: {}", load.calls, load.query)
            })
            .collect();
        let text = format!(
            "Statements take {} on average: sessions are held that long. Start with the heaviest ones.",
            span(mean as u64)
        );
        Some(finding(Severity::Warning, "slow-queries", text, evidence, None))
    }

    fn slow_connects(&self) -> Found {
        let mean = self.report.pool_stats.timing.avg_connection_time.filter(|&mean| mean > SLOW_CONNECT_MS)?;
        let probes = self.snapshot.probes.iter().filter_map(|probe| Some((probe.connect_ms?, probe.round_trip_ms?)));
        let evidence =
            probes.map(|(connect, trip)| format!("connected in {connect} ms, round trip {trip} ms")).collect();
        let text = format!(
            "Opening a connection takes {mean} ms on average: look at the network, TLS and name resolution, and keep \
             connections open in a pool."
        );
        Some(finding(Severity::Warning, "slow-connects", text, evidence, None))
    }

    fn hidden(&self) -> Found {
        let coverage = &self.report.coverage;
        let reason = coverage.reason.as_ref()?;
        let missing = if coverage.hidden > 0 {
            format!("Only {} % of the sessions are visible", coverage.percent)
        } else {
            "What is known of the sessions is incomplete".to_owned()
        };
        let text = format!("{missing}, so there is no verdict on leaks and nothing is ended: {reason}.");
        let evidence = vec![format!("{} sessions seen, {} hidden", coverage.seen, coverage.hidden)];
        let fix = (coverage.hidden > 0).then(|| fixes::see_everything(self.snapshot));
        Some(finding(Severity::Warning, "incomplete-coverage", text, evidence, fix))
    }

    fn unknown_states(&self) -> Found {
        let unknown = self.report.pool_stats.connections.unknown;
        (unknown > 0).then(|| {
            let disabled: Vec<_> =
                self.snapshot.clients().filter(|backend| backend.state() == State::Disabled).collect();
            let text = format!(
                "{} not judged, {} of them because track_activities is off.",
                counted(unknown as usize, "session"),
                disabled.len()
            );
            let fix = disabled.first().map(|backend| fixes::track_activities(self.snapshot, backend));
            finding(Severity::Info, "unknown-states", text, self.examples(&disabled), fix)
        })
    }

    fn over_age(&self) -> Found {
        let limit = self.options.max_connection_age_ms;
        let mut old: Vec<_> = self
            .snapshot
            .clients()
            .filter(|backend| {
                backend.age_ms(self.now()) > Some(limit) && !is_service(backend) && !self.spared.is_spared(backend)
            })
            .collect();
        old.sort_by_key(|backend| (backend.backend_start, backend.pid));
        let oldest = old.first()?;
        let age = span(oldest.age_ms(self.now()).unwrap_or(0));
        let text = format!(
            "{} older than {}, the oldest ({}) {age}: give the pool a maximum lifetime.",
            counted(old.len(), "session"),
            span(limit),
            name(oldest),
        );
        Some(finding(Severity::Info, "over-age", text, self.examples(&old), None))
    }

    /// One finding for each (application, role) with suspects.
    fn leaks(&self) -> Vec<(Severity, Finding)> {
        let mut groups = BTreeMap::<(Cow<'_, str>, &str), Vec<_>>::new();
        for suspect in &self.report.leak_detection.suspected_connections {
            groups.entry((family(&suspect.application), &suspect.role)).or_default().push(suspect);
        }
        let judge = |((family, role), suspects): ((Cow<'_, str>, &str), Vec<&ConnectionMetric>)| {
            let same = suspects.iter().all(|suspect| suspect.application == suspects[0].application);
            let application = if same { suspects[0].application.as_str() } else { &family };
            let application = if application.is_empty() { "an unnamed application" } else { application };
            let sure = suspects.iter().map(|suspect| suspect.confidence).max().unwrap_or(0);
            let advice = code_path(&suspects);
            let clients: Vec<_> =
                suspects.iter().filter_map(|suspect| pooled::client(suspect)).take(EXAMPLES).collect();
            let clients = if clients.is_empty() { String::new() } else { format!(": {}", clients.join(", ")) };
            let text = format!(
                "{application} (role {role}) probably leaks connections: {} suspected, up to {sure} % sure{clients}. {advice}",
                suspects.len()
            );
            let evidence = suspects.iter().take(EXAMPLES).map(|suspect| {
                let reasons: Vec<_> = suspect.evidence.iter().map(|evidence| evidence.value.as_str()).collect();
                let client = pooled::client(suspect).map(|client| format!(" ({client})")).unwrap_or_default();
                format!("pid {}{client}, {} % sure: {}", suspect.pid, suspect.confidence, reasons.join("; "))
            });
            let pooled = suspects.iter().find_map(|suspect| pooled::release(self.snapshot, suspect));
            let fix = pooled.unwrap_or_else(fixes::return_connections);
            finding(Severity::Warning, "suspected-leak", text, evidence.collect(), Some(fix))
        };
        groups.into_iter().map(judge).collect()
    }

    fn role_limits(&self) -> Vec<(Severity, Finding)> {
        let by_role: HashMap<&str, u32> =
            self.report.pool_stats.connections.by_role.iter().map(|tally| (tally.name.as_str(), tally.count)).collect();
        let near = |role: &archon_pool_contract::snapshot::Role| {
            let limit = role.connection_limit?;
            let used = *by_role.get(role.name.as_str())?;
            (!role.superuser && percent(used, limit) > SATURATED_PERCENT).then(|| {
                let text = format!("Role {} uses {used} of the {limit} connections that it may have.", role.name);
                let fix = fixes::role_limit(self.snapshot, role);
                finding(Severity::Warning, "role-limit", text, Vec::new(), Some(fix))
            })
        };
        let mut found: Vec<_> = self.snapshot.roles.iter().filter_map(near).collect();
        if let Some(limit) = self.snapshot.server.database_limit {
            let database = &self.snapshot.server.database;
            let used = self.snapshot.clients().filter(|backend| backend.database.as_ref() == Some(database)).count();
            if percent(number(used), limit) > SATURATED_PERCENT {
                let text = format!("Database {database} has {used} of the {limit} connections that it may have.");
                let fix = fixes::database_limit(self.snapshot);
                found.push(finding(Severity::Warning, "database-limit", text, Vec::new(), Some(fix)));
            }
        }
        found
    }
}

/// The code path that loses sessions, from their last statements; transaction control, pings and clean-up show none.
fn code_path(suspects: &[&ConnectionMetric]) -> String {
    let mut statements = suspects.iter().map(|suspect| suspect.last_query.as_str());
    match statements.clone().find(|statement| StatementKind::of(statement).is_code_path) {
        Some(statement) => format!("Look at the code path that last ran: {statement}."),
        None if statements.all(str::is_empty) => "They never ran a statement: look at what opens them.".to_owned(),
        None => {
            "They last ran transaction control or a driver's own statement, which does not tell the code path: look \
                 at all that uses this role."
                .to_owned()
        }
    }
}

fn is_service(backend: &Backend) -> bool {
    protected::is_protected_role(backend.role.as_deref().unwrap_or_default())
        || protected::is_protected_application(&backend.application)
        || protected::is_pooler(&backend.application)
        || backend.through.is_some()
}
