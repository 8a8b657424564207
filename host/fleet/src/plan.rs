//! Plans to end sessions in many databases: made as dry runs, and carried out as they were shown.

mod orders;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Order, Outcome};
use archon_pool_contract::params::Action;
use archon_pool_contract::report::Report;
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_core::digest::Digest;
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use archon_pool_serve::Target;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::orders::OrderCollector;

/// A plan over many targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// Version of the form.
    pub v: u32,
    /// Targets with sessions to end, by name.
    pub targets: Vec<PlannedTarget>,
    /// Targets that could not be read, with the reason: nothing is ended there.
    pub unread: Vec<Unread>,
}

/// Sessions of one target that a plan ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedTarget {
    /// The target.
    pub id: String,
    /// Name of its credential.
    pub credential: String,
    /// Largest part of its sessions that may be ended, %.
    pub max_kill_percentage: u32,
    /// The sessions.
    pub sessions: Vec<PlannedSession>,
}

/// A session that a plan ends, in the state in which it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedSession {
    /// Its process.
    pub pid: i32,
    /// Start of its process, microseconds.
    pub backend_start: i64,
    /// Its state.
    pub state: String,
    /// Begin of that state, microseconds.
    pub state_change: i64,
    /// Its role.
    pub role: String,
    /// Its application.
    pub application: String,
    /// Reason for its end.
    pub reason: String,
}

/// A target that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// The target.
    pub id: String,
    /// Reason.
    pub why: String,
}

impl Plan {
    /// Parses a plan. Fails if it has another form.
    ///
    /// # Errors
    ///
    /// Fails if it is not a plan of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let plan: Self = serde_json::from_slice(bytes)
            .map_err(|error| Fault::invalid(format!("it is not a plan of `fleet plan`: line {}", error.line())))?;
        if plan.v == 1 { Ok(plan) } else { Err(Fault::invalid(format!("it is a plan of version {}", plan.v))) }
    }

    /// Returns the text that is written and approved.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Returns the SHA-256 of a written plan.
    pub fn digest(bytes: &[u8]) -> String {
        Digest::of(bytes).to_string()
    }

    /// Returns the number of sessions.
    pub fn sessions(&self) -> usize {
        self.targets.iter().map(|target| target.sessions.len()).sum()
    }
}

impl PlannedTarget {
    /// Plans the end of sessions by one dry run of `kill-idle`. None where no session would be ended.
    ///
    /// # Errors
    ///
    /// Fails if the target cannot be read.
    pub async fn of(host: &Host, plugin: &Plugin, target: &Target) -> Result<Option<Self>, Fault> {
        let mut options = target.rounds.options.clone();
        options.insert("dryRun".to_owned(), true.into());
        let credential = target.credential.clone().unwrap_or_else(|| target.name.clone());
        let input = json!({ "action": Action::KillIdle.name(), "credential": credential, "options": options });
        let orders = OrderCollector::default();
        let output = host.clone().interceptor(orders.clone()).run(plugin, input).await?;
        if let Some(fault) = output.fault() {
            return Err(fault.clone());
        }
        let report: Report = output
            .report()
            .ok_or_else(|| Fault::new(kind::UNEXPECTED_ANSWER, "the component's report has another form"))?;
        let shown: Vec<_> = report.actions.iter().flat_map(|action| &action.targets).collect();
        let session = |Order { target, state, state_change, reason }: Order| {
            let about = shown.iter().find(|shown| shown.pid == target.pid);
            let text = |of: fn(&archon_pool_contract::report::Target) -> &String| {
                about.map(|shown| of(shown).clone()).unwrap_or_default()
            };
            PlannedSession {
                pid: target.pid,
                backend_start: target.backend_start,
                state,
                state_change,
                role: text(|shown| &shown.role),
                application: text(|shown| &shown.application),
                reason,
            }
        };
        let sessions: Vec<_> = orders.take().into_iter().map(session).collect();
        let max_kill_percentage = host.policy().max_kill_percentage;
        let planned = Self { id: target.name.clone(), credential, max_kill_percentage, sessions };
        Ok(Some(planned).filter(|planned| !planned.sessions.is_empty()))
    }

    /// Ends the sessions that are still in the state in which they were seen, as far as the host's caps and budget
    /// allow. Outcome i belongs to session i.
    ///
    /// # Errors
    ///
    /// Fails if the target cannot be reached.
    pub async fn apply(&self, host: &Host) -> Result<Vec<Outcome>, Fault> {
        let orders: Vec<Order> = self.sessions.iter().map(PlannedSession::order).collect();
        let host = host.clone().tenant(&self.id);
        host.deliver(Some(&self.credential), &orders, self.max_kill_percentage, false).await
    }
}

impl PlannedSession {
    fn order(&self) -> Order {
        let Self { pid, backend_start, state, state_change, reason, .. } = self;
        let target = SessionKey { pid: *pid, backend_start: *backend_start };
        Order { target, state: state.clone(), state_change: *state_change, reason: reason.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written_and_nothing_else() {
        let session = PlannedSession {
            pid: 7,
            backend_start: 1_700_000_000_123_456,
            state: "idle in transaction".to_owned(),
            state_change: 1_700_000_001_123_456,
            role: "app".to_owned(),
            application: "shop".to_owned(),
            reason: "idle in transaction for 2 s".to_owned(),
        };
        let target = PlannedTarget {
            id: "shop".to_owned(),
            credential: "shop".to_owned(),
            max_kill_percentage: 25,
            sessions: vec![session],
        };
        let plan = Plan { v: 1, targets: vec![target], unread: Vec::new() };
        let text = plan.to_json();
        assert_eq!(Plan::parse(text.as_bytes()), Ok(plan.clone()));
        assert_eq!((plan.sessions(), Plan::digest(text.as_bytes()).len()), (1, 64));
        for other in ["", "{}", &text.replace("\"v\": 1", "\"v\": 2"), &text.replace("\"pid\"", "\"pids\"")] {
            assert!(Plan::parse(other.as_bytes()).is_err(), "{other}");
        }
    }
}
