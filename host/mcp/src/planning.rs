//! Calls of the tools that plan, and of the one that applies a plan.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::params::{Action, Options};
use archon_pool_contract::report::Report;
use archon_pool_core::host::Host;
use rmcp::RoleServer;
use rmcp::model::{CallToolResponse, CallToolResult};
use rmcp::service::Peer;
use serde_json::{Map, Value, json};

use crate::answers::refused;
use crate::arguments::CREDENTIAL;
use crate::calls::Request;
use crate::connections::{Call, Called};
use crate::consent::{Consent, Reply};
use crate::facts::{self, Facts};
use crate::plan::{Change, Ending, FRESH, Plan, now_ms};
use crate::server::Shared;
use crate::tools::PLAN_ID;
use crate::untrusted::text;

/// Option that caps the sessions of a plan.
const CAP: &str = "maxKillPercentage";

impl Shared {
    /// Answers `plan_kill_idle` and `plan_auto_scale`.
    pub(crate) async fn plan(&self, request: &Request<'_>, action: Action) -> Result<CallToolResult, Fault> {
        let options = self.options(request.arguments.options(request.tool.options()))?;
        let mut dry = options.clone();
        dry.insert("dryRun".into(), true.into());
        let called = self.call(request, action, dry, &self.settings.manager).await?;
        let change = if action == Action::KillIdle { ends(&called, &options) } else { resize(&called) };
        let plan = match change {
            None => None,
            Some(change) => {
                let plan = Plan {
                    made_at_ms: now_ms(),
                    salt: rand::random(),
                    author: request.client.author.clone(),
                    credential: self.credential(request.arguments.text(CREDENTIAL)?)?,
                    options,
                    change,
                };
                self.settings.plans.keep(&plan)?;
                self.consents.made(&plan);
                Some(plan)
            }
        };
        let summary = match &plan {
            Some(plan) => format!("plan {}; nothing was changed", plan.id()),
            None => "nothing to do; nothing was changed".to_owned(),
        };
        let mut facts = planned(&called.report, plan.as_ref());
        if action == Action::KillIdle {
            let targets = called.report.actions.iter().flat_map(|action| &action.targets);
            facts.insert("targets".into(), facts::targets(targets));
            facts.insert("spared".into(), called.report.leak_detection.excluded_connections.len().into());
        } else {
            facts.extend(facts::scaling(&called.report));
        }
        Ok(self.kept(request.tool, &summary, facts, called))
    }

    /// Answers `apply_plan`: after consent the plan is carried out, otherwise the result has the command for a person.
    pub(crate) async fn apply(
        &self,
        request: &Request<'_>,
        reply: Reply,
        peer: &Peer<RoleServer>,
    ) -> Result<CallToolResponse, Fault> {
        let plan = self.settings.plans.read(request.arguments.required(PLAN_ID)?)?;
        // Options and credential of another server's plan are another operator's. A state shows that this one asked.
        if reply.state.is_none() && !self.consents.has_made(&plan) {
            return Ok(not_approved(&plan, "another server made this plan").into());
        }
        // The state of a question has a time of its own.
        if reply.state.is_none() && !plan.is_within(FRESH) {
            let seconds = FRESH.as_secs();
            let why = format!("the plan is older than {seconds} s: plan again, or let a person run the command");
            return Ok(not_approved(&plan, &why).into());
        }
        match self.consents.request(&plan, request.client, reply, peer).await {
            Consent::Granted => self.carry_out(request, &plan).await.map(Into::into),
            Consent::Ask(question) => Ok((*question).into()),
            Consent::Refused(why) => Ok(not_approved(&plan, why).into()),
        }
    }

    async fn carry_out(&self, request: &Request<'_>, plan: &Plan) -> Result<CallToolResult, Fault> {
        self.settings.plans.take(plan)?;
        let author = &request.client.author;
        let adjust = |host: Host| applying(&host, plan).author(author);
        let credential = plan.credential.as_deref();
        let call = Call { credential, plugin: &self.settings.manager, input: plan.input(), adjust: &adjust };
        let called = self.connections.call(call).await?;
        let changed: u32 =
            called.report.actions.iter().filter(|it| it.executed).map(|it| it.connections_affected).sum();
        let outcomes = called.report.actions.iter().flat_map(|action| &action.targets).filter(|target| {
            // Another component may not heed `only`: the host has refused its orders for others.
            let Change::End { sessions, .. } = &plan.change else { return false };
            sessions.iter().any(|session| session.pid == target.pid)
        });
        let mut facts = Facts::from_iter([
            ("planId".to_owned(), json!(plan.id())),
            ("status".to_owned(), json!("applied")),
            ("changed".to_owned(), json!(changed)),
            ("outcomes".to_owned(), facts::targets(outcomes)),
        ]);
        facts.extend(reasons(&called.report));
        Ok(self.kept(request.tool, &format!("plan {} was applied, {changed} changed", plan.id()), facts, called))
    }
}

/// Returns a host that makes the changes of a plan, and no others.
pub fn applying(host: &Host, plan: &Plan) -> Host {
    let policy = plan.policy(host.policy());
    let shown = plan.clone();
    host.with_policy(policy).consent(move |proposal| std::future::ready(shown.decide(&proposal)))
}

fn not_approved(plan: &Plan, why: &str) -> CallToolResult {
    let command = plan.command();
    let facts = Facts::from_iter([
        ("planId".to_owned(), json!(plan.id())),
        ("status".to_owned(), json!("not-approved")),
        ("reason".to_owned(), json!(why)),
        ("command".to_owned(), json!(command)),
        ("changed".to_owned(), json!(0)),
    ]);
    refused(&format!("not-approved: {why}; a person can run: {command}"), facts)
}

/// Returns the sessions that the guard and the caps admit, as they were shown.
fn ends(called: &Called, options: &Map<String, Value>) -> Option<Change> {
    let targets: Vec<_> = called.report.actions.iter().flat_map(|action| &action.targets).collect();
    let sessions: Vec<Ending> = called
        .planned
        .ends
        .iter()
        .map(|order| {
            let target = targets.iter().find(|target| target.pid == order.target.pid);
            Ending {
                pid: order.target.pid,
                backend_start: order.target.backend_start,
                state: order.state.clone(),
                state_change: order.state_change,
                application: target.map(|target| target.application.clone()).unwrap_or_default(),
                role: target.map(|target| target.role.clone()).unwrap_or_default(),
                idle_ms: target.map(|target| target.idle_time).unwrap_or_default(),
            }
        })
        .collect();
    let cap = options.get(CAP).and_then(Value::as_u64).and_then(|cap| u32::try_from(cap).ok());
    let max_kill_percentage = cap.unwrap_or(Options::default().max_kill_percentage);
    (!sessions.is_empty()).then_some(Change::End { sessions, max_kill_percentage })
}

fn resize(called: &Called) -> Option<Change> {
    let (from, order) = called.planned.resize.as_ref()?;
    Some(Change::Resize { pool: order.pool.clone(), from: *from, to: order.size, reason: text(&order.reason) })
}

fn planned(report: &Report, plan: Option<&Plan>) -> Facts {
    let mut facts = Facts::from_iter([("at".to_owned(), crate::untrusted::word(&report.timestamp).into())]);
    if let Some(plan) = plan {
        facts.extend([
            ("planId".to_owned(), json!(plan.id())),
            ("planDigest".to_owned(), json!(plan.digest())),
            ("validSeconds".to_owned(), json!(FRESH.as_secs())),
            ("number".to_owned(), json!(plan.number())),
            ("command".to_owned(), json!(plan.command())),
        ]);
    }
    facts.extend(reasons(report));
    facts
}

fn reasons(report: &Report) -> Facts {
    let reasons: Vec<String> = report.actions.iter().map(|action| text(&action.reason)).collect();
    Facts::from_iter([("untrustedReasons".to_owned(), json!(reasons))])
}
