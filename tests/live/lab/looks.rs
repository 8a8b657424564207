//! Takes looks: the component's classification through the host, beside the truth at that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool_contract::params::{Options, RawOptions};
use archon_pool_contract::report::{ConnectionMetric, Report};
use archon_pool_lab::case::Case;
use archon_pool_lab::classify::{self, Classification, ClassifiedLook};
use archon_pool_lab::look::{Harm, Look, Seen};
use archon_pool_lab::score::{Score, Scorer};
use archon_pool_lab::sim::State;
use archon_pool_lab::sim::server::Visibility;
use serde_json::{Value, json};

use super::environment::{Environment, Identity, Label};
use super::scenario::Scenario;
use crate::support::{plugin, run_in};

/// Threshold for idle sessions in milliseconds: the component's minimum.
pub(super) const IDLE_MS: u64 = 10_000;
/// Threshold for transactions: far above the pauses of the innocent ones.
pub(super) const TRANSACTION_MS: u64 = 5_000;

const SESSIONS: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8, pid, \
                        (extract(epoch FROM backend_start) * 1000000)::int8, usename::text, state, \
                        (extract(epoch FROM state_change) * 1000000)::int8, query LIKE 'LISTEN%' \
                        FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender') \
                        AND application_name NOT IN ('archon-pool', 'archon-pool-tests')";

/// Session as the server showed it.
struct Shown {
    identity: Identity,
    role: String,
    state: State,
    state_change: i64,
    listens: bool,
    label: Option<Label>,
}

/// Look with the sessions and their classification.
struct Taken {
    at: i64,
    complete: bool,
    sessions: Vec<Shown>,
    /// Suspects by pid, with the evidence.
    suspects: BTreeMap<i32, String>,
    targets: BTreeSet<i32>,
}

/// All looks so far.
pub(super) struct Looks {
    host: Host,
    carry: Value,
    taken: Vec<Taken>,
}

fn options() -> Value {
    json!({
        "idleTimeoutMs": IDLE_MS, "idleInTransactionTimeoutMs": TRANSACTION_MS, "minSize": 1,
        "maxKillPercentage": 100, "sampleMs": 0, "dryRun": true,
    })
}

fn state(name: &str) -> Option<State> {
    [State::Active, State::Idle, State::Open, State::Aborted].into_iter().find(|state| state.name() == name)
}

impl Looks {
    /// Creates an empty series of looks.
    pub(super) fn through(host: Host) -> Self {
        Self { host, carry: Value::Null, taken: Vec::new() }
    }

    /// Takes one look.
    pub(super) async fn take(&mut self, environment: &Environment) -> Result<()> {
        let rows = environment.cluster.observer().await?.query(SESSIONS, &[]).await?;
        let at = rows.first().context("nobody is there")?.get(0);
        let shown = |row: &tokio_postgres::Row| {
            let identity = (row.get(1), row.get(2));
            // A new session has no state yet, and is not a leak.
            let state = state(row.get::<_, Option<&str>>(4)?)?;
            let (role, label) = (row.get(3), environment.label(identity));
            Some(Shown { identity, role, state, state_change: row.get(5), listens: row.get(6), label })
        };
        let sessions = rows.iter().filter_map(shown).collect();
        let planned = self.call("kill-idle").await?;
        let report = self.call("detect-leaks").await?;
        let targets = planned.actions.iter().flat_map(|action| &action.targets).map(|target| target.pid);
        let suspects =
            report.leak_detection.suspected_connections.iter().map(|suspect| (suspect.pid, evidence(suspect)));
        self.taken.push(Taken {
            at,
            complete: report.coverage.complete && planned.coverage.complete,
            sessions,
            suspects: suspects.collect(),
            targets: targets.collect(),
        });
        self.carry = report.carry.into();
        Ok(())
    }

    async fn call(&self, action: &str) -> Result<Report> {
        let mut input = json!({ "action": action, "options": options() });
        if !self.carry.is_null() {
            input["carry"] = self.carry.clone();
        }
        let output = run_in(plugin(World::Manager), &self.host, input).await;
        ensure!(output.error.is_none(), "{action}: {:?}", output.error);
        output.data.context("a report")
    }

    /// Returns the number of looks.
    pub(super) fn count(&self) -> usize {
        self.taken.len()
    }

    /// Lists wrongly suspected sessions, look by look.
    pub(super) fn wrong(&self) -> String {
        let mut wrong = String::new();
        for (look, taken) in self.taken.iter().enumerate() {
            for shown in taken.sessions.iter().filter(|shown| shown.label != Some(Label::Lost)) {
                if let Some(evidence) = taken.suspects.get(&shown.identity.0) {
                    writeln!(wrong, "look {look}: {} {}: {evidence}", shown.role, shown.identity.0).expect("text");
                }
            }
        }
        wrong
    }

    /// Returns the score of each scenario, by the laboratory's rules.
    pub(super) fn scores<'a>(&self, scenarios: &'a [Scenario]) -> Result<Vec<(&'a Scenario, Score)>> {
        let known: BTreeSet<&str> = scenarios.iter().flat_map(|scenario| scenario.roles).copied().collect();
        for shown in self.taken.iter().flat_map(|taken| &taken.sessions) {
            ensure!(known.contains(shown.role.as_str()), "a session of {} is of no scenario", shown.role);
        }
        let raw: RawOptions = serde_json::from_value(options())?;
        let options = raw.validate()?;
        Ok(scenarios.iter().map(|scenario| (scenario, self.score(scenario, &options))).collect())
    }

    fn score(&self, scenario: &Scenario, options: &Options) -> Score {
        // The laboratory requires kinds with a static lifetime.
        let kind = archon_pool_lab::kinds::Kind { ..scenario.kind };
        let mut case = Case {
            number: 0,
            parts: vec![Box::leak(Box::new(kind))],
            visibility: Visibility::Full,
            looks: Vec::new(),
            forgotten: BTreeMap::new(),
        };
        let mut numbers = BTreeMap::<Identity, usize>::new();
        let mut classified = Vec::new();
        for taken in &self.taken {
            let ours = taken.sessions.iter().filter(|shown| scenario.roles.contains(&shown.role.as_str()));
            let mut look = Look { at: taken.at, answers: Vec::new(), views: None, seen: Vec::new(), used: 0.0 };
            for shown in ours {
                let next = numbers.len();
                let sid = *numbers.entry(shown.identity).or_insert(next);
                if shown.label == Some(Label::Lost) {
                    case.forgotten.insert(sid, shown.state_change);
                }
                look.seen.push(seen(sid, shown));
            }
            let classification = |seen: &Seen| Classification {
                seen: seen.clone(),
                truth: classify::truth(&case, &look, seen, options),
                confidence: None,
                excluded: false,
                in_minimum_pool: false,
                evidence: Vec::new(),
                suspect: taken.suspects.contains_key(&seen.pid),
                target: taken.targets.contains(&seen.pid),
            };
            let classifications = look.seen.iter().map(classification).collect();
            classified.push(ClassifiedLook { at: taken.at, withheld: !taken.complete, used: 0.0, classifications });
        }
        let mut scorer = Scorer::default();
        scorer.add(&case, &classified);
        scorer.score()
    }
}

fn evidence(suspect: &ConnectionMetric) -> String {
    let pieces = suspect.evidence.iter().map(|piece| format!("{} {} ({})", piece.id, piece.weight, piece.value));
    format!("{} %: {}", suspect.confidence, pieces.collect::<Vec<_>>().join("; "))
}

fn seen(sid: usize, shown: &Shown) -> Seen {
    let harm = match (shown.label, shown.state) {
        (Some(Label::Harm(harm)), _) => Some(harm),
        (_, State::Active) => Some(Harm::InUse),
        (_, State::Open | State::Aborted) => Some(Harm::Transaction),
        (_, State::Idle) => None,
    };
    Seen {
        sid,
        pid: shown.identity.0,
        part: 0,
        visible: true,
        client: true,
        harm,
        held: None,
        counts_checkouts: false,
        state: shown.state,
        state_change: shown.state_change,
        query_start: None,
        shows_listen: shown.listens,
    }
}
