//! The end of marked sessions: the component's own action `kill-idle`, for no other sessions.

use archon_pool::Fault;
use archon_pool::consent::{Act, Decision, Proposal};
use archon_pool_contract::fault::kind;
use archon_pool_contract::params::{self as contract, Options};
use archon_pool_contract::report::{Action, Report};
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_report::sanitize;
use archon_pool_top::{Ending, Planned};
use serde_json::json;

use super::super::params;
use super::shown::Shown;
use super::target::{TargetRounds, fault};

/// Name of the option that caps ended sessions.
const CAP: &str = "maxKillPercentage";

/// The component's cap is a share of the sessions that it would end by itself; the host's, of all that can be ended, stays.
const ALL: u64 = 100;

/// Name of the option that selects sessions.
const ONLY: &str = "only";

impl TargetRounds {
    /// Plans the end of these sessions. Nothing is signalled.
    pub(super) async fn plan(&mut self, sessions: Vec<SessionKey>) -> Result<Planned, Fault> {
        let report = self.kill(sessions, false).await?;
        self.shown = Shown::of(&report);
        let Action { targets, spared, reason, .. } = action(report)?;
        Ok(Planned { targets, spared, reason })
    }

    /// Ends these sessions, as far as the guard and the caps allow it.
    pub(super) async fn end(&mut self, sessions: Vec<SessionKey>) -> Result<Ending, Fault> {
        let Action { targets, spared, reason, .. } = action(self.kill(sessions, true).await?)?;
        Ok(Ending { targets, spared, reason })
    }

    async fn kill(&mut self, sessions: Vec<SessionKey>, apply: bool) -> Result<Report, Fault> {
        let mut options = self.settings.options.clone();
        let count = sessions.len();
        options.insert(ONLY.to_owned(), json!(sessions));
        let cap = options.insert(CAP.to_owned(), ALL.into());
        let cap = cap.and_then(|cap| cap.as_u64()).and_then(|cap| u32::try_from(cap).ok());
        let cap = cap.unwrap_or(Options::default().max_kill_percentage).min(100);
        let (credential, carry) = (self.credential.as_deref(), self.carry.memory());
        let input = params::skill_input(contract::Action::KillIdle, credential, options, carry, apply);
        let shown = self.shown.clone();
        let answer = self.app.ask_about(input, cap, move |proposal| confirmed(proposal, count, &shown)).await;
        self.take_call();
        let answer = answer.map_err(fault)?;
        let text = answer.report_text().map(sanitize::escaped_strings);
        let report = text.and_then(|text| serde_json::from_str(&text).ok());
        report.ok_or_else(|| Fault::new(kind::UNEXPECTED_ANSWER, "the answer is not a report of the contract"))
    }
}

fn action(report: Report) -> Result<Action, Fault> {
    let action = report.actions.into_iter().next();
    action.ok_or_else(|| Fault::new(kind::UNEXPECTED_ANSWER, "the report has no action"))
}

/// Decides about the host's request: the typed number is the consent to so many sessions as they were shown, and to
/// nothing else.
fn confirmed(proposal: &Proposal, count: usize, shown: &Shown) -> Decision {
    match &proposal.act {
        Act::End { orders, .. } if orders.len() <= count => {
            match orders.iter().find(|order| !shown.is_unchanged(order)) {
                None => Ok(()),
                Some(order) => Err(format!("session {} was used since the plan: press K again", order.target.pid)),
            }
        }
        Act::End { orders, .. } => Err(format!("{count} were confirmed, and {} are to be ended", orders.len())),
        Act::Send { .. } | Act::Resize { .. } | Act::Reconnect { .. } => {
            Err("only the end of sessions was confirmed".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use archon_pool_contract::host_api::{Order, SizeOrder};

    use super::*;

    fn proposal(act: Act) -> Proposal {
        let (server, database, role) = ("db:5432".into(), "shop".into(), "operator".into());
        Proposal { server, database, role, plugin: None, tenant: None, act }
    }

    #[test]
    fn the_typed_number_is_consent_to_no_more_sessions_and_to_nothing_else() {
        let order = |pid| Order {
            target: SessionKey { pid, backend_start: 0 },
            state: "idle".into(),
            state_change: 5_000_000,
            reason: "idle".into(),
        };
        let shown = Shown::idle_since(0..3, 5_000_000);
        let end = |count: i32| proposal(Act::End { orders: (0..count).map(order).collect(), at_most: 1 });
        assert!(confirmed(&end(2), 2, &shown).is_ok() && confirmed(&end(1), 2, &shown).is_ok());
        assert!(confirmed(&end(3), 2, &shown).is_err());
        let resize = Act::Resize { before: 1, order: SizeOrder { pool: None, size: 2, reason: String::new() } };
        assert!(confirmed(&proposal(resize), 2, &shown).is_err());
    }
}
