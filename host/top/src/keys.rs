//! Keys: each changes the model, and some ask for more.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::command::Command;
use crate::filter::Filter;
use crate::model::{Model, Overlay, View};
use crate::plan::{Plan, Step};

/// Longest filter, characters.
const LONGEST_FILTER: usize = 200;

/// Intervals of `+` and `-`, seconds.
const PACES: [u64; 10] = [1, 2, 3, 5, 10, 15, 30, 60, 120, 300];

/// Effect of a key beyond a change of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// For the rounds.
    Send(Command),
    /// A text for the clipboard.
    Copy(String),
    /// The end of the screen.
    Quit,
}

impl Model {
    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        self.message = None;
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            // No command has such a key, and a letter with Ctrl is another key than the letter.
            return (key.modifiers == KeyModifiers::CONTROL && key.code == KeyCode::Char('c')).then_some(Effect::Quit);
        }
        match &self.overlay {
            Overlay::Filter { .. } => {
                self.type_filter(key.code);
                None
            }
            Overlay::Plan(_) => self.decide(key.code),
            Overlay::Help(_) | Overlay::Details(_) => self.scroll(key.code),
            Overlay::None => self.command(key.code),
        }
    }

    fn command(&mut self, code: KeyCode) -> Option<Effect> {
        match code {
            KeyCode::Char('q') => return Some(Effect::Quit),
            KeyCode::Char(digit @ '1'..='7') => self.show(digit as usize - '1' as usize),
            KeyCode::F(number @ 1..=7) => self.show(usize::from(number) - 1),
            KeyCode::Tab => self.show((self.view as usize + 1) % View::ALL.len()),
            KeyCode::BackTab => self.show((self.view as usize + View::ALL.len() - 1) % View::ALL.len()),
            KeyCode::Char('j') | KeyCode::Down => self.go_to(self.cursor() + 1),
            KeyCode::Char('k') | KeyCode::Up => self.go_to(self.cursor().saturating_sub(1)),
            KeyCode::PageDown => self.go_to(self.cursor() + self.page),
            KeyCode::PageUp => self.go_to(self.cursor().saturating_sub(self.page)),
            KeyCode::Home | KeyCode::Char('g') => self.go_to(0),
            KeyCode::End | KeyCode::Char('G') => self.go_to(usize::MAX),
            KeyCode::Char('<') => self.step(isize::MIN),
            KeyCode::Char('>') => self.step(isize::MAX),
            KeyCode::Left => self.step(-1),
            KeyCode::Right => self.step(1),
            KeyCode::Char('h' | '?') => self.overlay = Overlay::Help(0),
            KeyCode::Char('v') => self.statement = !self.statement,
            KeyCode::Char('T') => self.relist(|model| model.span = model.span.next()),
            KeyCode::Char('s') => {
                self.relist(|model| model.sort = model.sort.next());
                self.say(format!("sorted by {}", self.sort.name()));
            }
            KeyCode::Char('/') => {
                let typed = self.filter_text.clone();
                self.overlay = Overlay::Filter { before: typed.clone(), typed };
            }
            KeyCode::Esc => self.filter_by(""),
            KeyCode::Enter => self.enter(),
            KeyCode::Char('m') => self.mark(),
            KeyCode::Char('u') => self.marks.retain({
                let shown = self.target;
                move |(target, _)| *target != shown
            }),
            KeyCode::Char('d') => self.pin(),
            KeyCode::Char('y') => return self.copy(),
            KeyCode::Char(' ') => return self.pause(),
            KeyCode::Char('+') => return self.pace(1),
            KeyCode::Char('-') => return self.pace(-1),
            KeyCode::Char('r') => return self.record(),
            KeyCode::Char('n') => return Some(Effect::Send(Command::Now)),
            KeyCode::Char('K') => return self.plan(),
            _ => {}
        }
        None
    }

    fn show(&mut self, index: usize) {
        let selected = self.selected_pid();
        if let Some(view) = View::ALL.get(index) {
            self.view = *view;
            self.list();
            self.select(selected);
        }
    }

    /// Shows another round.
    fn step(&mut self, by: isize) {
        let target = self.target;
        self.relist(|model| {
            if let Some(state) = model.targets.get_mut(target) {
                state.step(by);
            }
        });
    }

    fn enter(&mut self) {
        if self.view == View::Fleet {
            if let Some(target) = self.listed.fleet.get(self.cursor()).copied() {
                self.target = target;
                self.view = View::Sessions;
                self.list();
                self.go_to(0);
            }
        } else if self.selected_pid().is_some() || self.finding().is_some() {
            self.overlay = Overlay::Details(0);
        }
    }

    fn mark(&mut self) {
        let Some(session) = self.selected() else { return self.refuse("no session is selected") };
        let Some(key) = session.key else { return self.refuse("the identity of this session is not known") };
        let mark = (self.target, key);
        if !self.marks.remove(&mark) {
            self.marks.insert(mark);
        }
        self.go_to(self.cursor() + 1);
    }

    fn pin(&mut self) {
        let shown = self.shown().and_then(|state| state.moment().cloned());
        let target = self.target;
        self.relist(|model| model.pinned = if model.pinned.is_some() { None } else { shown.map(|it| (target, it)) });
        let text = self.compared().map(|moment| format!("differences to {}; d ends", moment.time()));
        self.say(text.unwrap_or_else(|| "no comparison".to_owned()));
    }

    fn copy(&mut self) -> Option<Effect> {
        let text = match self.view {
            View::Findings => self.finding().and_then(|finding| finding.fix.as_ref()?.sql.clone()),
            _ => self.selected().map(|session| session.statement.clone()),
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.refuse("nothing to copy: select a finding with SQL, or a session");
            return None;
        };
        self.say(format!("{} characters copied, if the terminal allows it (OSC 52)", text.chars().count()));
        Some(Effect::Copy(text))
    }

    fn pause(&mut self) -> Option<Effect> {
        self.is_paused = !self.is_paused;
        Some(Effect::Send(Command::Pause(self.is_paused)))
    }

    fn pace(&mut self, by: isize) -> Option<Effect> {
        if self.settings.replays {
            self.refuse("a cassette has no pace: use the arrows left and right");
            return None;
        }
        let target = self.target;
        let state = self.targets.get_mut(target)?;
        let now = state.interval.as_secs();
        let next =
            if by > 0 { PACES.iter().find(|pace| **pace > now) } else { PACES.iter().rfind(|pace| **pace < now) };
        let interval = Duration::from_secs(*next?);
        state.interval = interval;
        let text = format!("{}: a round every {} s", state.name, interval.as_secs());
        self.say(text);
        Some(Effect::Send(Command::Pace { target, interval }))
    }

    fn record(&mut self) -> Option<Effect> {
        if self.settings.replays {
            self.refuse("a cassette is replayed: there is nothing to record");
            return None;
        }
        Some(Effect::Send(Command::Record { target: self.target, on: self.shown()?.recording.is_none() }))
    }

    fn plan(&mut self) -> Option<Effect> {
        let refusal = if self.settings.replays {
            Some("--replay plays a cassette, where nothing can be ended")
        } else if !self.settings.apply {
            Some("nothing can be ended: start `archon-pool top` with --apply")
        } else if self.shown().is_some_and(|state| state.is_past()) {
            Some("an earlier round is shown: return to the latest with the arrow right")
        } else if self.marked().is_empty() {
            Some("no session is marked: mark with m")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.refuse(refusal);
            return None;
        }
        self.plans += 1;
        let (target, serial, sessions) = (self.target, self.plans, self.marked());
        self.overlay = Overlay::Plan(Plan::new(target, serial, sessions.clone()));
        Some(Effect::Send(Command::Plan { target, serial, sessions }))
    }

    /// Takes a key of the dialogue that ends sessions.
    fn decide(&mut self, code: KeyCode) -> Option<Effect> {
        let Overlay::Plan(plan) = &mut self.overlay else { return None };
        let (target, serial) = (plan.target, plan.serial);
        match (code, &plan.step) {
            (KeyCode::Down, _) => plan.scroll += 1,
            (KeyCode::Up, _) => plan.scroll = plan.scroll.saturating_sub(1),
            // Closing the dialogue would not stop a confirmed end, so it stays until the outcomes are there.
            (_, Step::Ending { .. }) => {}
            (KeyCode::Esc | KeyCode::Char('q'), _) | (KeyCode::Enter, Step::Done(_) | Step::Failed(_)) => {
                self.overlay = Overlay::None;
            }
            (KeyCode::Char(digit), _) => plan.digit(digit),
            (KeyCode::Backspace, _) => plan.erase(),
            (KeyCode::Enter, Step::Asking(_)) => match plan.confirm() {
                Ok(sessions) => return Some(Effect::Send(Command::End { target, serial, sessions })),
                Err(why) => self.refuse(why),
            },
            _ => {}
        }
        None
    }

    fn scroll(&mut self, code: KeyCode) -> Option<Effect> {
        let page = self.page;
        let (Overlay::Help(line) | Overlay::Details(line)) = &mut self.overlay else { return None };
        match code {
            KeyCode::Char('j') | KeyCode::Down => *line += 1,
            KeyCode::Char('k') | KeyCode::Up => *line = line.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => *line += page,
            KeyCode::PageUp => *line = line.saturating_sub(page),
            KeyCode::Home => *line = 0,
            KeyCode::Char('y') => return self.copy(),
            KeyCode::Char('m') => {
                self.overlay = Overlay::None;
                self.mark();
            }
            KeyCode::Char('v' | '+' | '-' | 's' | 'T') => {}
            _ => self.overlay = Overlay::None,
        }
        None
    }

    fn type_filter(&mut self, code: KeyCode) {
        let Overlay::Filter { typed, before } = &mut self.overlay else { return };
        match code {
            KeyCode::Enter => {
                self.overlay = Overlay::None;
                return;
            }
            KeyCode::Esc => {
                let before = std::mem::take(before);
                self.overlay = Overlay::None;
                return self.filter_by(&before);
            }
            KeyCode::Backspace => {
                typed.pop();
            }
            KeyCode::Char(letter) if !letter.is_control() && typed.chars().count() < LONGEST_FILTER => {
                typed.push(letter);
            }
            _ => return,
        }
        let typed = typed.clone();
        self.filter_by(&typed);
    }

    /// Takes text that was pasted: only into a filter, and never as keys.
    pub(crate) fn paste(&mut self, text: &str) {
        for letter in text.chars() {
            if matches!(self.overlay, Overlay::Filter { .. }) {
                self.type_filter(KeyCode::Char(letter));
            }
        }
    }

    fn filter_by(&mut self, text: &str) {
        match Filter::parse(text) {
            Ok(filter) => self.relist(|model| {
                model.filter = filter;
                text.clone_into(&mut model.filter_text);
            }),
            // The filter before stays in force until the term is complete.
            Err(why) => self.refuse(why),
        }
    }
}
