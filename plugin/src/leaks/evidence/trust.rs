//! Weight of comparisons: how much the other sessions of a group show about one of them.
//!
//! A pool that has just started and a worker that works rarely look like a leak until they were observed for a while,
//! and sessions of one name that several applications share do not show anything about each other.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, elapsed_ms};

use crate::application;
use crate::clock::{counted, span};

use super::super::groups::Group;
use super::piece::Piece;

/// An observation is long from `idleTimeoutMs` on, and from so many looks after the first.
const LOOKS: f64 = 10.0;
/// Part of the weight that comparisons lose at the first look.
const LOST_AT_FIRST: f64 = 0.55;
/// Part that they lose where the name is not the application's own, and where no statement shows the application, either.
const LOST_WITHOUT_NAME: f64 = 0.3;
const LOST_WITHOUT_STATEMENT: f64 = 0.5;

/// Reasons why comparisons with other sessions of the group count for less.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    /// Factor for the strength of comparisons, 0–1.
    pub share: f64,
    /// The reasons, for a reader of the report.
    pub doubts: Vec<String>,
}

impl Trust {
    /// Trust in what the others of its group show about a session.
    pub fn of(backend: &Backend, now: i64, group: &Group<'_>, options: &Options) -> Self {
        let mut trust = Self { share: 1.0, doubts: Vec::new() };
        if !group.is_application {
            trust.share = 0.0;
            trust.doubts.push(
                "several applications share its role, name and address, and it ran no statement of one of them"
                    .to_owned(),
            );
            return trust;
        }
        let known = known(now, group, options);
        if known < 1.0 {
            trust.share *= 1.0 - LOST_AT_FIRST * (1.0 - known);
            let observed_ms = elapsed_ms(group.history.since, now);
            let looks = counted(group.history.looks.saturating_add(1) as usize, "look");
            trust.doubts.push(format!(
                "its group was observed for {} in {looks}: rare work and a pool that has just started look the same",
                span(observed_ms)
            ));
        }
        if !application::is_own(backend.family()) {
            let is_shown = group.observed(backend.pid).is_some_and(|observed| observed.application != 0);
            trust.share *= 1.0 - if is_shown { LOST_WITHOUT_NAME } else { LOST_WITHOUT_STATEMENT };
            let name = if backend.family().is_empty() { "it has no name" } else { "its name is its driver's default" };
            trust.doubts.push(format!("{name}: others of that name may be another application's"));
        }
        trust
    }

    /// Reduces the strength of comparisons.
    pub fn apply(&self, pieces: &mut [Piece]) {
        for piece in pieces {
            piece.strength *= self.share;
        }
    }
}

/// Degree to which the habits of a group are known, 0–1.
fn known(now: i64, group: &Group<'_>, options: &Options) -> f64 {
    let times = elapsed_ms(group.history.since, now) as f64 / options.idle_timeout_ms.max(1) as f64;
    times.min(f64::from(group.history.looks) / LOOKS).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, idle};
    use crate::leaks::session_history::SessionHistory;

    /// Trust in the comparisons of a session with this name, whose group was observed for so long in so many looks.
    fn trust(name: &str, seconds: i64, looks: u32, is_application: bool) -> Trust {
        let backend = Backend { application: name.to_owned(), ..idle(1, 900) };
        let mut group = Group::default();
        group.history = SessionHistory { since: NOW - seconds * 1_000_000, looks, ..SessionHistory::default() };
        group.is_application = is_application;
        Trust::of(&backend, NOW, &group, &Options::default())
    }

    #[test]
    fn comparisons_count_fully_after_a_long_observation_of_a_named_application() {
        assert_eq!(trust("web", 3_600, 12, true), Trust { share: 1.0, doubts: Vec::new() });
    }

    #[test]
    fn the_first_look_and_a_name_of_the_driver_reduce_the_weight_of_comparisons() {
        let first = trust("web", 0, 0, true);
        assert!(first.share <= 0.5 && first.doubts[0].contains("1 look"), "{first:?}");
        let unnamed = trust("", 3_600, 12, true);
        assert!(
            unnamed.share <= 0.5
                && unnamed.doubts == ["it has no name: others of that name may be another application's"]
        );
    }

    #[test]
    fn sessions_of_an_unknown_application_show_nothing_about_each_other() {
        assert_eq!(trust("web", 3_600, 12, false).share, 0.0);
    }
}
