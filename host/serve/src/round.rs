//! One round: one call of the component, which only reads.

use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::params::Action;
use archon_pool_contract::report::Report;
use archon_pool_core::cpu_scheduler::CpuMeter;
use archon_pool_core::host::{CallOptions, Deadline, Host};
use archon_pool_core::plugin::Plugin;
use archon_pool_core::skill_output::SkillOutput;
use archon_pool_report::sanitize;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::lock_tree::RecordingHost;
use crate::progress::Ended;
use crate::targets::Target;

/// Shortest deadline of a round, also for shorter intervals.
const SHORTEST_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Data {
    data: Option<Report>,
}

/// Makes one round. One that takes longer than the interval is given up together with its session. The carry is
/// replaced by that of the report.
pub async fn round(host: &Host, plugin: &Plugin, target: &Target, probes: bool, carry: &mut Option<Value>) -> Ended {
    recorded(&RecordingHost::new(host.clone()), plugin, target, probes, carry, None).await
}

/// The same with the tree of locks, while sessions wait. `before` is the report of the round before.
pub(crate) async fn recorded(
    hosts: &RecordingHost,
    plugin: &Plugin,
    target: &Target,
    probes: bool,
    carry: &mut Option<Value>,
    before: Option<&Arc<Report>>,
) -> Ended {
    let host = hosts.of_next(before.map(Arc::as_ref));
    // Both compute the whole report; only the first opens fresh connections.
    let action = if probes { Action::FullAnalysis } else { Action::DetectLeaks };
    let mut input = json!({ "action": action.name(), "options": target.rounds.options });
    if let Some(credential) = &target.credential {
        input["credential"] = credential.as_str().into();
    }
    if let Some(carry) = carry.as_ref() {
        input["carry"] = carry.clone();
    }
    let meter = Arc::new(CpuMeter::new(host.engine().cpu_scheduler().clone(), Duration::ZERO));
    let deadline = target.rounds.interval.max(SHORTEST_DEADLINE).min(host.limits().deadline);
    let options = CallOptions { end: Some(Deadline::after(deadline)), meter: Some(Arc::clone(&meter)) };
    let started = Instant::now();
    let answer = host.call(plugin, input, options).await;
    let outcome = answer.output.and_then(|output| report(&output, carry));
    let took = started.elapsed();
    let locks = match &outcome {
        Ok(report) => hosts.lock_tree(plugin, report).await,
        Err(_) => None,
    };
    Ended { outcome, locks, took, cpu: meter.spent() }
}

fn report(output: &SkillOutput, carry: &mut Option<Value>) -> Result<Arc<Report>, Fault> {
    if let Some(fault) = output.fault() {
        return Err(fault.clone());
    }
    let text = sanitize::strings(output.text().as_str());
    let data: Data = serde_json::from_str(&text).map_err(|error| {
        Fault::new(kind::UNEXPECTED_ANSWER, format!("the component's report has another form: {error}"))
    })?;
    let mut report =
        data.data.ok_or_else(|| Fault::new(kind::UNEXPECTED_ANSWER, "the component's answer has no report"))?;
    // It is passed on in the form in which the component wrote it, and is large.
    report.carry = String::new();
    *carry = output.carry().and_then(|carry| serde_json::from_str(carry.get()).ok());
    Ok(Arc::new(report))
}
