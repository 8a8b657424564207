//! The dialogue that ends sessions: the component's plan, the typed number, the outcomes.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_report::sanitize::escaped_line;

use crate::command::{Ending, Planned};
use crate::moment::Moment;

/// Outcome of a target that a plan would end.
const PLANNED: &str = "planned";

/// Text for a marked session about which a component says nothing.
const NO_REASON: &str = "the component does not plan its end, and gives no reason";

/// Longest number that can be typed.
const MOST_DIGITS: usize = 6;

/// The dialogue.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) target: usize,
    /// Number of the plan.
    pub(crate) serial: u64,
    /// The marked sessions.
    pub(crate) marked: Vec<SessionKey>,
    pub(crate) step: Step,
    pub(crate) scroll: usize,
}

/// Step of the dialogue.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The component plans.
    Planning,
    /// The number of sessions must be typed.
    Asking(Asking),
    /// The component and the host end sessions.
    Ending { count: usize },
    /// The outcomes.
    Done(Vec<Line>),
    /// Nothing was done, for this reason.
    Failed(String),
}

/// A plan that waits for the number.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) lines: Vec<Line>,
    pub(crate) reason: String,
    /// The sessions to end.
    pub(crate) sessions: Vec<SessionKey>,
    pub(crate) typed: String,
}

/// One session of the dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) pid: i32,
    pub(crate) application: String,
    pub(crate) state: String,
    /// `end`, `spare`, or an outcome.
    pub(crate) outcome: String,
    pub(crate) why: String,
    /// True if it will be, or was, ended.
    pub(crate) ends: bool,
}

impl Plan {
    pub(crate) fn new(target: usize, serial: u64, marked: Vec<SessionKey>) -> Self {
        Self { target, serial, marked, step: Step::Planning, scroll: 0 }
    }

    /// Takes the plan: the marked sessions that the component would end and the host would signal, and the reasons for
    /// sparing the others.
    pub(crate) fn planned(&mut self, plan: Result<Planned, Fault>, moment: Option<&Moment>) {
        if !matches!(self.step, Step::Planning) {
            return;
        }
        self.step = match plan {
            Ok(plan) => Step::Asking(self.asking(&plan, moment)),
            Err(fault) => Step::Failed(escaped_line(&format!("{} ({})", fault.message, fault.kind))),
        };
    }

    fn asking(&self, plan: &Planned, moment: Option<&Moment>) -> Asking {
        let mut sessions = Vec::new();
        let lines = self.marked.iter().map(|key| {
            let session = moment.and_then(|moment| moment.session(key.pid)).filter(|session| session.key == Some(*key));
            let (application, state) =
                session.map_or_else(Default::default, |it| (it.application.clone(), it.state.clone()));
            let line = |ends: bool, why: String| {
                let outcome = if ends { "end" } else { "spare" }.to_owned();
                Line { pid: key.pid, application: application.clone(), state: state.clone(), outcome, why, ends }
            };
            // One process id has one session at a time, and the host compares the whole identity.
            if let Some(target) = plan.targets.iter().find(|target| target.pid == key.pid) {
                let ends = target.outcome == PLANNED;
                if ends {
                    sessions.push(*key);
                }
                return line(ends, target.detail.clone().unwrap_or_else(|| target.reason.clone()));
            }
            let spared = plan.spared.iter().find(|spared| spared.pid == key.pid);
            line(false, spared.map_or_else(|| NO_REASON.to_owned(), |spared| spared.reason.clone()))
        });
        let lines = lines.collect();
        Asking { lines, reason: plan.reason.clone(), sessions, typed: String::new() }
    }

    /// Takes the outcomes.
    pub(crate) fn ended(&mut self, ending: Result<Ending, Fault>) {
        let Step::Ending { .. } = self.step else { return };
        self.step = match ending {
            Ok(ending) => {
                let is_marked = |pid: i32| self.marked.iter().any(|key| key.pid == pid);
                let marked = ending.targets.into_iter().filter(|it| is_marked(it.pid));
                let line = |it: archon_pool_contract::report::Target| Line {
                    pid: it.pid,
                    application: it.application,
                    state: it.state,
                    ends: it.outcome == "ended",
                    outcome: it.outcome,
                    why: it.detail.unwrap_or(it.reason),
                };
                let spared = ending.spared.into_iter().filter(|it| is_marked(it.pid)).map(|it| Line {
                    pid: it.pid,
                    application: String::new(),
                    state: String::new(),
                    outcome: "spared".to_owned(),
                    why: it.reason,
                    ends: false,
                });
                let lines: Vec<_> = marked.map(line).chain(spared).collect();
                if lines.is_empty() {
                    Step::Failed(format!("nothing was ended: {}", ending.reason))
                } else {
                    Step::Done(lines)
                }
            }
            Err(fault) => Step::Failed(escaped_line(&format!("{} ({})", fault.message, fault.kind))),
        };
    }

    /// Adds a typed digit.
    pub(crate) fn digit(&mut self, digit: char) {
        if let Step::Asking(asking) = &mut self.step
            && digit.is_ascii_digit()
            && asking.typed.len() < MOST_DIGITS
        {
            asking.typed.push(digit);
        }
    }

    /// Removes the last typed digit.
    pub(crate) fn erase(&mut self) {
        if let Step::Asking(asking) = &mut self.step {
            asking.typed.pop();
        }
    }

    /// Confirms the plan: returns the sessions to end if their number was typed, and the reason against it otherwise.
    pub(crate) fn confirm(&mut self) -> Result<Vec<SessionKey>, String> {
        let Step::Asking(asking) = &mut self.step else { return Err(String::new()) };
        let count = asking.sessions.len();
        let typed = std::mem::take(&mut asking.typed);
        if count == 0 {
            return Err("the plan ends no session".to_owned());
        }
        if typed.parse() != Ok(count) {
            let typed = if typed.is_empty() { "no number" } else { &typed };
            return Err(format!("typed {typed}, and the plan ends {count}: nothing was ended"));
        }
        let sessions = std::mem::take(&mut asking.sessions);
        self.step = Step::Ending { count };
        Ok(sessions)
    }
}

#[cfg(test)]
mod tests {
    use archon_pool_contract::report::Spared;

    use crate::tests::fixture;

    use super::*;

    fn plan(outcomes: &[&str]) -> (Plan, Vec<SessionKey>) {
        let keys: Vec<_> = (1..=outcomes.len()).map(|pid| fixture::key(i32::try_from(pid).expect("small"))).collect();
        let mut plan = Plan::new(0, 1, keys.clone());
        let targets = keys.iter().zip(outcomes).map(|(key, outcome)| fixture::target(key.pid, outcome)).collect();
        plan.planned(Ok(Planned { targets, spared: Vec::new(), reason: "2 of 3".into() }), None);
        (plan, keys)
    }

    #[test]
    fn only_the_typed_number_of_planned_sessions_confirms() {
        let (mut plan, keys) = plan(&["planned", "denied", "planned"]);
        assert!(plan.confirm().expect_err("nothing typed").contains("typed no number, and the plan ends 2"));
        for digit in "3".chars() {
            plan.digit(digit);
        }
        assert!(plan.confirm().expect_err("another number").contains("typed 3"));
        plan.digit('7');
        plan.erase();
        plan.digit('x');
        plan.digit('2');
        assert_eq!(plan.confirm(), Ok(vec![keys[0], keys[2]]));
        assert!(plan.confirm().is_err(), "it is confirmed once");
    }

    #[test]
    fn a_plan_without_sessions_cannot_be_confirmed() {
        let (mut plan, _) = plan(&["denied"]);
        plan.digit('0');
        assert_eq!(plan.confirm(), Err("the plan ends no session".into()));
        let mut failed = Plan::new(0, 1, vec![fixture::key(1)]);
        failed.planned(Err(fixture::failure().fault), None);
        assert!(matches!(failed.step, Step::Failed(_)) && failed.confirm().is_err());
    }

    #[test]
    fn a_spared_session_has_the_reason_of_the_component() {
        let keys = [fixture::key(1), fixture::key(2)];
        let mut plan = Plan::new(0, 1, keys.to_vec());
        let spared = vec![Spared { pid: 1, reason: "it is active, and only idle sessions are ended".into() }];
        plan.planned(Ok(Planned { targets: Vec::new(), spared, reason: String::new() }), None);
        let Step::Asking(asking) = &plan.step else { panic!("{plan:?}") };
        let whys: Vec<_> = asking.lines.iter().map(|line| line.why.as_str()).collect();
        assert_eq!(whys, ["it is active, and only idle sessions are ended", NO_REASON]);
    }

    #[test]
    fn outcomes_of_marked_sessions_are_shown() {
        let (mut plan, _) = plan(&["planned"]);
        plan.digit('1');
        plan.confirm().expect("confirmed");
        let targets = vec![fixture::target(1, "ended"), fixture::target(9, "denied")];
        let spared = vec![Spared { pid: 9, reason: "it has left".into() }];
        plan.ended(Ok(Ending { targets, spared, reason: String::new() }));
        let Step::Done(lines) = &plan.step else { panic!("{plan:?}") };
        assert_eq!(lines.iter().map(|line| (line.pid, line.ends)).collect::<Vec<_>>(), [(1, true)]);
    }
}
