//! Sequences of keys, rounds and sizes never panic.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::command::{Ending, Planned, Update};
use crate::model::{Model, Settings};
use crate::moment::Moment;
use crate::tests::fixture;
use crate::tests::golden::screen;

/// Rounds of all kinds, analysed once.
fn moments() -> &'static [Arc<Moment>] {
    static MOMENTS: OnceLock<Vec<Arc<Moment>>> = OnceLock::new();
    MOMENTS.get_or_init(|| {
        let cases =
            ["full-analysis", "hidden-sessions", "auto-scale", "large-numbers", "odd-text", "odd-times", "kill-idle"];
        let recorded = cases.map(fixture::recorded);
        let report = serde_json::to_string(&fixture::leaks().report).expect("JSON");
        let alone = Moment::of(&report, None).expect("a report");
        recorded
            .into_iter()
            .chain([fixture::leaks(), fixture::hostile(), fixture::many(50), alone])
            .map(Arc::new)
            .collect()
    })
}

#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode, bool),
    Paste(String),
    Round(usize, usize),
    Failed(usize),
    Planned(usize, u64, usize),
    Ended(usize, u64, bool),
    Recording(usize, bool),
    Over,
    Tick(u64),
    Draw(u16, u16),
}

fn key() -> impl Strategy<Value = KeyCode> {
    prop_oneof![
        8 => proptest::sample::select("1234567jkhvTs/mudyr nKq?+-<>gG".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        2 => any::<char>().prop_map(KeyCode::Char),
        4 => proptest::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Left, KeyCode::Right, KeyCode::Up, KeyCode::Down, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Tab, KeyCode::BackTab, KeyCode::Backspace,
            KeyCode::F(1), KeyCode::F(7), KeyCode::F(12), KeyCode::Null,
        ]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (key(), any::<bool>()).prop_map(|(key, shift)| Step::Key(key, shift)),
        1 => any::<String>().prop_map(Step::Paste),
        4 => (0..3_usize, 0..moments().len()).prop_map(|(target, moment)| Step::Round(target, moment)),
        1 => (0..3_usize).prop_map(Step::Failed),
        2 => (0..3_usize, 0..4_u64, 0..4_usize).prop_map(|(target, serial, count)| Step::Planned(target, serial, count)),
        1 => (0..3_usize, 0..4_u64, any::<bool>()).prop_map(|(target, serial, fails)| Step::Ended(target, serial, fails)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(target, on)| Step::Recording(target, on)),
        1 => Just(Step::Over),
        1 => any::<u64>().prop_map(Step::Tick),
        4 => (0..200_u16, 0..70_u16).prop_map(|(width, height)| Step::Draw(width, height)),
    ]
}

fn take(model: &mut Model, step: Step) {
    match step {
        Step::Key(code, shift) => {
            let modifiers = if shift { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            model.key(KeyEvent::new(code, modifiers));
        }
        Step::Paste(text) => model.paste(&text),
        Step::Round(target, moment) => model.update(Update::Round { target, moment: Arc::clone(&moments()[moment]) }),
        Step::Failed(target) => model.update(Update::Failed { target, failure: fixture::failure() }),
        Step::Planned(target, serial, count) => {
            let marked: Vec<_> = model.marked().into_iter().take(count).collect();
            let targets = marked.iter().map(|key| fixture::target(key.pid, "planned")).collect();
            let plan = Planned { targets, spared: Vec::new(), reason: "all of them".into() };
            model.update(Update::Planned { target, serial, plan: Ok(plan) });
        }
        Step::Ended(target, serial, true) => {
            model.update(Update::Ended { target, serial, ending: Err(fixture::failure().fault) });
        }
        Step::Ended(target, serial, false) => {
            let targets = model.marked().iter().map(|key| fixture::target(key.pid, "ended")).collect();
            let ending = Ending { targets, spared: Vec::new(), reason: String::new() };
            model.update(Update::Ended { target, serial, ending: Ok(ending) });
        }
        Step::Recording(target, on) => {
            model.update(Update::Recording { target, path: on.then(|| "it.jsonl".into()) });
        }
        Step::Over => model.update(Update::Over),
        Step::Tick(ms) => model.tick(Duration::from_millis(ms)),
        Step::Draw(width, height) => drop(screen(model, width.max(1), height.max(1))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_panics(steps in vec(step(), 1..60), apply in any::<bool>(), replays in any::<bool>()) {
        let mut model = Model::new(Settings { apply, replays, ..fixture::settings() });
        for step in steps {
            take(&mut model, step);
        }
        for (width, height) in [(80, 24), (60, 16), (120, 40)] {
            screen(&model, width, height);
        }
    }

    #[test]
    fn any_filter_is_read_or_refused(text in any::<String>()) {
        let session = fixture::session(7, "wéb", "idle", 100);
        if let Ok(filter) = crate::filter::Filter::parse(&text) {
            filter.admits(&session, crate::sort::Span::State);
        }
    }
}
