//! Rows of the lists: computed once after a change, and not when they are drawn.

use std::cmp::Reverse;

use crate::filter::Filter;
use crate::moment::Moment;
use crate::session::Session;
use crate::sort::{Sort, Span};
use crate::target::TargetState;

/// Rows by their positions in the moment.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) sessions: Vec<Row>,
    /// Suspects and spared sessions that the filter admits.
    pub(crate) scored: Vec<usize>,
    /// Targets, the worst first.
    pub(crate) fleet: Vec<usize>,
    /// Sessions since the pinned moment: new and gone ones.
    pub(crate) changed: Option<(usize, usize)>,
}

/// Row of the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// Session of the shown moment.
    Now(usize),
    /// Session of the pinned moment that is there no more.
    Gone(usize),
}

impl Listed {
    pub(crate) fn of(
        moment: Option<&Moment>,
        pinned: Option<&Moment>,
        filter: &Filter,
        sort: Sort,
        span: Span,
        targets: &[TargetState],
    ) -> Self {
        let fleet = fleet(targets);
        let Some(moment) = moment else { return Self { fleet, ..Self::default() } };
        let admits = |session: &Session| filter.is_empty() || filter.admits(session, span);
        let mut now: Vec<usize> = (0..moment.sessions.len()).filter(|it| admits(&moment.sessions[*it])).collect();
        now.sort_by(|one, other| sort.compare(span, &moment.sessions[*one], &moment.sessions[*other]));
        let is_scored = |pid: i32| filter.is_empty() || moment.session(pid).is_some_and(admits);
        let scored = moment.scored().enumerate().filter(|(_, (metric, _))| is_scored(metric.pid));
        let scored = scored.map(|(index, _)| index).collect();
        let mut sessions: Vec<Row> = now.into_iter().map(Row::Now).collect();
        let changed = pinned.map(|pinned| {
            let is_gone = |session: &Session| session.key.is_some_and(|key| !moment.has(key));
            let is_new = |session: &&Session| session.key.is_some_and(|key| !pinned.has(key));
            let gone: Vec<usize> = (0..pinned.sessions.len()).filter(|it| is_gone(&pinned.sessions[*it])).collect();
            let shown = gone.iter().filter(|it| admits(&pinned.sessions[**it]));
            sessions.extend(shown.map(|it| Row::Gone(*it)));
            (moment.sessions.iter().filter(is_new).count(), gone.len())
        });
        Self { sessions, scored, fleet, changed }
    }
}

/// Returns the targets with the worst first: those without an answer, then by findings and suspects.
pub(crate) fn fleet(targets: &[TargetState]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|index| {
        let state = &targets[*index];
        let moment = state.moment();
        let severities = moment.map_or([0; 3], |moment| moment.severities());
        let suspects = moment.map_or(0, |moment| moment.report.leak_detection.total_suspected);
        (state.failure.is_none(), Reverse(severities), Reverse(suspects), *index)
    });
    order
}
