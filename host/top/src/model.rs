//! All that the screen shows. Keys and updates change it, drawing only reads it.

mod listed;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::report::Finding;
use archon_pool_contract::snapshot::SessionKey;

use crate::command::Update;
use crate::filter::Filter;
use crate::moment::Moment;
use crate::plan::Plan;
use crate::session::Session;
use crate::sort::{Sort, Span};
use crate::target::{TargetState, Watched};

pub(crate) use self::listed::{Listed, Row};

/// Largest size of all kept rounds, bytes: those of the target with the most are forgotten first.
const MOST_BYTES: usize = 256 << 20;

/// The same of a replayed cassette, whose rounds are all of interest.
const MOST_REPLAYED_BYTES: usize = 1 << 30;

/// Largest number of remarks that are kept.
const MOST_REMARKS: usize = 200;

/// Settings of a screen.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The targets, at least one.
    pub targets: Vec<Watched>,
    /// True if sessions may be ended.
    pub apply: bool,
    /// True if a cassette is replayed.
    pub replays: bool,
    /// True if colours may be used.
    pub colours: bool,
}

/// State of the screen.
#[derive(Debug)]
pub struct Model {
    pub(crate) settings: Settings,
    pub(crate) targets: Vec<TargetState>,
    /// Index of the shown target.
    pub(crate) target: usize,
    pub(crate) view: View,
    cursors: [usize; View::ALL.len()],
    pub(crate) filter: Filter,
    pub(crate) filter_text: String,
    pub(crate) sort: Sort,
    pub(crate) span: Span,
    /// True if the whole statement of the selected session is shown below the list.
    pub(crate) statement: bool,
    pub(crate) marks: BTreeSet<(usize, SessionKey)>,
    /// The moment that others are compared with, and its target.
    pub(crate) pinned: Option<(usize, Arc<Moment>)>,
    pub(crate) is_paused: bool,
    pub(crate) overlay: Overlay,
    pub(crate) message: Option<Message>,
    pub(crate) remarks: Vec<String>,
    /// Largest size of all kept rounds, bytes.
    pub(crate) most_bytes: usize,
    /// Number of plans that were asked for.
    pub(crate) plans: u64,
    /// True if a replayed cassette has ended.
    pub(crate) is_over: bool,
    /// Time of this program.
    pub(crate) now: Duration,
    /// Rows of a list that fit the screen.
    pub(crate) page: usize,
    pub(crate) listed: Listed,
}

/// View of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Sessions,
    Suspects,
    Waits,
    Pooler,
    Scaling,
    Findings,
    Fleet,
}

/// Window drawn over a view.
#[derive(Debug, Clone)]
pub(crate) enum Overlay {
    None,
    /// The keys, from a line on.
    Help(usize),
    /// Details of the selected item, from a line on.
    Details(usize),
    /// The filter that is being typed, and the one before.
    Filter {
        typed: String,
        before: String,
    },
    Plan(Plan),
}

/// Line at the bottom, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) is_refusal: bool,
}

impl View {
    pub(crate) const ALL: [Self; 7] =
        [Self::Sessions, Self::Suspects, Self::Waits, Self::Pooler, Self::Scaling, Self::Findings, Self::Fleet];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Sessions => "Sessions",
            Self::Suspects => "Suspects",
            Self::Waits => "Waits",
            Self::Pooler => "Pooler",
            Self::Scaling => "Scaling",
            Self::Findings => "Findings",
            Self::Fleet => "Fleet",
        }
    }
}

impl Model {
    /// Creates the screen before the first round.
    pub fn new(settings: Settings) -> Self {
        let targets = settings.targets.iter().cloned().map(TargetState::new).collect();
        let most_bytes = if settings.replays { MOST_REPLAYED_BYTES } else { MOST_BYTES };
        Self {
            settings,
            targets,
            target: 0,
            view: View::Sessions,
            cursors: [0; View::ALL.len()],
            filter: Filter::default(),
            filter_text: String::new(),
            sort: Sort::default(),
            span: Span::default(),
            statement: false,
            marks: BTreeSet::new(),
            pinned: None,
            is_paused: false,
            overlay: Overlay::None,
            message: None,
            remarks: Vec::new(),
            most_bytes,
            plans: 0,
            is_over: false,
            now: Duration::ZERO,
            page: 1,
            listed: Listed::default(),
        }
    }

    /// Sets the time of this program, from which ages are computed.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
    }

    /// Returns the time until the ages of the shown target have another number of seconds.
    pub(crate) fn until_next_second(&self) -> Duration {
        let since = self.shown().map_or(Duration::ZERO, |state| state.since_news(self.now));
        Duration::from_secs(1) - Duration::from_nanos(since.subsec_nanos().into())
    }

    /// Takes news of the rounds.
    pub fn update(&mut self, update: Update) {
        match update {
            Update::Round { target, moment } => self.round(target, moment),
            Update::Failed { target, failure } => {
                let now = self.now;
                if let Some(state) = self.targets.get_mut(target) {
                    state.fail(failure, now);
                }
                self.order_fleet();
            }
            Update::Planned { target, serial, plan } => {
                let moment = self.targets.get(target).and_then(TargetState::moment).cloned();
                if let Some(dialogue) = self.dialogue(serial) {
                    dialogue.planned(plan, moment.as_deref());
                }
            }
            Update::Ended { target, serial, ending } => {
                self.marks.retain(|(of, _)| *of != target);
                if let Some(dialogue) = self.dialogue(serial) {
                    dialogue.ended(ending);
                }
            }
            Update::Recording { target, path } => {
                let Some(state) = self.targets.get_mut(target) else { return };
                let text = match (&path, &state.recording) {
                    (Some(path), _) => format!("{}: recording to {}", state.name, path.display()),
                    (None, Some(path)) => format!("{}: recorded to {}", state.name, path.display()),
                    (None, None) => format!("{}: not recording", state.name),
                };
                state.recording = path;
                self.say(text);
            }
            Update::Remark(line) => {
                let line = archon_pool_report::sanitize::escaped_line(&line);
                self.say(line.clone());
                self.remarks.push(line);
                let extra = self.remarks.len().saturating_sub(MOST_REMARKS);
                self.remarks.drain(..extra);
            }
            Update::Over => self.is_over = true,
        }
    }

    /// Returns the open dialogue, if it is that of this plan: the answer to an earlier one is of no use.
    fn dialogue(&mut self, serial: u64) -> Option<&mut Plan> {
        match &mut self.overlay {
            Overlay::Plan(plan) if plan.serial == serial => Some(plan),
            _ => None,
        }
    }

    fn round(&mut self, target: usize, moment: Arc<Moment>) {
        let (now, replays) = (self.now, self.settings.replays);
        let Some(state) = self.targets.get_mut(target) else { return };
        let is_first = state.moment().is_none();
        // A replay is read from its beginning, and its other rounds arrive while the first is looked at.
        self.marks.retain(|(of, key)| *of != target || moment.has(*key));
        let selected = self.selected_pid();
        let Some(state) = self.targets.get_mut(target) else { return };
        let stays = replays && !is_first && !state.is_past() && state.position().1 == 1;
        state.add(moment, now, replays);
        if stays {
            state.step(-1);
        }
        self.forget();
        if target == self.target {
            self.list();
            self.select(selected);
        }
        self.order_fleet();
    }

    /// Forgets early rounds until all that are kept have no more bytes than they may; the latest of each target stay.
    fn forget(&mut self) {
        let mut bytes: usize = self.targets.iter().map(TargetState::bytes).sum();
        while bytes > self.most_bytes {
            let largest = self.targets.iter_mut().max_by_key(|state| state.forgettable_bytes());
            let Some(state) = largest.filter(|state| state.forgettable_bytes() > 0) else { return };
            bytes -= state.bytes();
            state.forget();
            bytes += state.bytes();
        }
    }

    /// Orders the targets again where they are shown, and keeps the selected one.
    fn order_fleet(&mut self) {
        if self.view != View::Fleet {
            return;
        }
        let selected = self.listed.fleet.get(self.cursor()).copied();
        self.listed.fleet = listed::fleet(&self.targets);
        let found = self.listed.fleet.iter().position(|target| Some(*target) == selected);
        self.go_to(found.unwrap_or_else(|| self.cursor()));
    }

    /// Returns the shown target. There is always one.
    pub(crate) fn shown(&self) -> Option<&TargetState> {
        self.targets.get(self.target)
    }

    /// Returns the shown moment.
    pub(crate) fn moment(&self) -> Option<&Moment> {
        self.shown()?.moment().map(Arc::as_ref)
    }

    /// Returns the moment that the shown one is compared with.
    pub(crate) fn compared(&self) -> Option<&Moment> {
        self.pinned.as_ref().filter(|(target, _)| *target == self.target).map(|(_, moment)| moment.as_ref())
    }

    /// Computes the rows again, after a change of what they depend on.
    pub(crate) fn list(&mut self) {
        let compared = self.pinned.as_ref().filter(|(target, _)| *target == self.target);
        let compared = compared.map(|(_, moment)| moment.as_ref());
        let moment = self.targets.get(self.target).and_then(|state| state.moment());
        self.listed = Listed::of(moment.map(Arc::as_ref), compared, &self.filter, self.sort, self.span, &self.targets);
        for view in View::ALL {
            let length = self.length(view);
            let cursor = &mut self.cursors[view as usize];
            *cursor = (*cursor).min(length.saturating_sub(1));
        }
    }

    /// Changes something that rows depend on, and keeps the selected session.
    pub(crate) fn relist(&mut self, change: impl FnOnce(&mut Self)) {
        let selected = self.selected_pid();
        change(self);
        self.list();
        self.select(selected);
    }

    /// Returns the number of items of a view.
    pub(crate) fn length(&self, view: View) -> usize {
        let of_moment = |count: fn(&Moment) -> usize| self.moment().map_or(0, count);
        match view {
            View::Sessions => self.listed.sessions.len(),
            View::Suspects => self.listed.scored.len(),
            View::Waits => of_moment(|moment| moment.waits.len()),
            View::Pooler => of_moment(|moment| moment.report.pool_stats.pooler.as_ref().map_or(0, |it| it.pools.len())),
            View::Scaling => 0,
            View::Findings => of_moment(|moment| moment.report.findings.len()),
            View::Fleet => self.listed.fleet.len(),
        }
    }

    /// Returns the position in the shown view.
    pub(crate) fn cursor(&self) -> usize {
        self.cursors[self.view as usize]
    }

    /// Moves in the shown view.
    pub(crate) fn go_to(&mut self, position: usize) {
        let last = self.length(self.view).saturating_sub(1);
        self.cursors[self.view as usize] = position.min(last);
    }

    /// Returns the process id of the selected session.
    pub(crate) fn selected_pid(&self) -> Option<i32> {
        let (moment, cursor) = (self.moment()?, self.cursor());
        match self.view {
            View::Sessions => match self.listed.sessions.get(cursor)? {
                Row::Now(index) => moment.sessions.get(*index).map(|it| it.pid),
                Row::Gone(_) => None,
            },
            View::Suspects => {
                self.listed.scored.get(cursor).and_then(|index| moment.scored().nth(*index)).map(|it| it.0.pid)
            }
            View::Waits => moment.waits.get(cursor)?.pid,
            View::Pooler | View::Scaling | View::Findings | View::Fleet => None,
        }
    }

    /// Returns the selected session.
    pub(crate) fn selected(&self) -> Option<&Session> {
        self.moment()?.session(self.selected_pid()?)
    }

    /// Returns the selected finding.
    pub(crate) fn finding(&self) -> Option<&Finding> {
        (self.view == View::Findings).then(|| self.moment()?.report.findings.get(self.cursor())).flatten()
    }

    /// Selects a session of the shown view, if it is there.
    pub(crate) fn select(&mut self, pid: Option<i32>) {
        let (Some(pid), Some(moment)) = (pid, self.moment()) else { return };
        let found = match self.view {
            View::Sessions => self.listed.sessions.iter().position(
                |row| matches!(row, Row::Now(index) if moment.sessions.get(*index).is_some_and(|it| it.pid == pid)),
            ),
            View::Suspects => {
                let index = moment.scored().position(|(metric, _)| metric.pid == pid);
                self.listed.scored.iter().position(|it| Some(*it) == index)
            }
            View::Waits => moment.waits.iter().position(|wait| wait.pid == Some(pid)),
            View::Pooler | View::Scaling | View::Findings | View::Fleet => None,
        };
        if let Some(found) = found {
            self.go_to(found);
        }
    }

    /// Shows a line at the bottom until the next key.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.message = Some(Message { text: text.into(), is_refusal: false });
    }

    /// Shows at the bottom why something is not done.
    pub(crate) fn refuse(&mut self, text: impl Into<String>) {
        self.message = Some(Message { text: text.into(), is_refusal: true });
    }

    /// Returns true if a session is marked.
    pub(crate) fn is_marked(&self, session: &Session) -> bool {
        session.key.is_some_and(|key| self.marks.contains(&(self.target, key)))
    }

    /// Returns the marked sessions of the shown target.
    pub(crate) fn marked(&self) -> Vec<SessionKey> {
        self.marks.iter().filter(|(target, _)| *target == self.target).map(|(_, key)| *key).collect()
    }
}
