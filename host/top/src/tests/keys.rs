//! Keys and what they ask for.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::command::{Command, Planned, Update};
use crate::keys::Effect;
use crate::model::{Model, Overlay, Settings, View};
use crate::target::{TargetState, Watched};
use crate::tests::fixture;
use crate::tests::golden::text;

/// Presses keys: a line break stands for Enter, U+001B for Escape, U+0008 for Backspace, arrows for themselves.
pub(crate) fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    let code = |letter| match letter {
        '\n' => KeyCode::Enter,
        '\u{1b}' => KeyCode::Esc,
        '\u{8}' => KeyCode::Backspace,
        '←' => KeyCode::Left,
        '→' => KeyCode::Right,
        '↓' => KeyCode::Down,
        '↑' => KeyCode::Up,
        letter => KeyCode::Char(letter),
    };
    keys.chars().filter_map(|letter| model.key(KeyEvent::new(code(letter), KeyModifiers::NONE))).collect()
}

fn acting() -> Model {
    fixture::with(Settings { apply: true, ..fixture::settings() }, fixture::leaks())
}

fn message(model: &Model) -> String {
    model.message.as_ref().map(|message| message.text.clone()).unwrap_or_default()
}

#[test]
fn nothing_can_be_ended_without_the_flag() {
    let mut model = fixture::model(fixture::leaks());
    assert_eq!(press(&mut model, "mK"), []);
    assert!(message(&model).contains("start `archon-pool top` with --apply"), "{}", message(&model));
    let replay = Settings { apply: true, replays: true, ..fixture::settings() };
    let mut model = fixture::with(replay, fixture::leaks());
    assert_eq!(press(&mut model, "mK"), []);
    assert!(message(&model).contains("--replay"));
}

#[test]
fn a_plan_is_of_the_marked_sessions_alone() {
    let mut model = acting();
    assert_eq!(press(&mut model, "K"), []);
    assert!(message(&model).contains("mark with m"));
    let effects = press(&mut model, "mjmK");
    let sessions = model.marked();
    assert_eq!(sessions.len(), 2);
    assert_eq!(effects, [Effect::Send(Command::Plan { target: 0, serial: 1, sessions })]);
    assert!(matches!(model.overlay, Overlay::Plan(_)));
    // While the plan is made, no key confirms it.
    assert_eq!(press(&mut model, "2\n"), []);
    press(&mut model, "\u{1b}");
    assert!(matches!(model.overlay, Overlay::None));
    press(&mut model, "u");
    assert!(model.marked().is_empty());
}

#[test]
fn nothing_is_ended_by_an_earlier_round() {
    let mut model = acting();
    model.update(crate::Update::Round { target: 0, moment: std::sync::Arc::new(fixture::leaks()) });
    assert_eq!(press(&mut model, "m←K"), []);
    assert!(message(&model).contains("an earlier round"));
    assert_eq!(press(&mut model, "→K").len(), 1);
}

#[test]
fn pasted_text_is_never_taken_as_keys() {
    let mut model = acting();
    press(&mut model, "m");
    model.paste("Kq2\n");
    assert!(matches!(model.overlay, Overlay::None));
    press(&mut model, "/");
    model.paste("app:web\n\u{1b}");
    let Overlay::Filter { typed, .. } = &model.overlay else { panic!("a filter") };
    assert_eq!(typed, "app:web");
}

#[test]
fn keys_pause_and_pace_the_rounds() {
    let mut model = fixture::model(fixture::leaks());
    let pace = |seconds| Effect::Send(Command::Pace { target: 0, interval: Duration::from_secs(seconds) });
    assert_eq!(press(&mut model, "+--"), [pace(10), pace(5), pace(3)]);
    assert_eq!(press(&mut model, "  "), [true, false].map(|paused| Effect::Send(Command::Pause(paused))));
    assert_eq!(press(&mut model, "rn").len(), 2);
    assert_eq!(press(&mut model, "q"), [Effect::Quit]);
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut model, "/");
    assert_eq!(model.key(ctrl_c), Some(Effect::Quit));
}

#[test]
fn the_selected_session_stays_selected() {
    let mut model = fixture::model(fixture::leaks());
    press(&mut model, "jjj");
    let selected = model.selected_pid();
    assert!(selected.is_some());
    press(&mut model, "s");
    assert_eq!(model.selected_pid(), selected);
    model.update(crate::Update::Round { target: 0, moment: std::sync::Arc::new(fixture::leaks()) });
    assert_eq!(model.selected_pid(), selected);
    press(&mut model, "/app:web\n");
    assert!(model.selected().is_some_and(|session| session.application == "web"));
    press(&mut model, "\u{1b}");
    assert!(model.filter.is_empty());
}

#[test]
fn y_copies_the_sql_of_a_finding() {
    let mut model = fixture::model(fixture::leaks());
    press(&mut model, "6");
    let with_sql = model.moment().and_then(|moment| {
        moment.report.findings.iter().position(|finding| finding.fix.as_ref().is_some_and(|fix| fix.sql.is_some()))
    });
    model.go_to(with_sql.expect("a finding with SQL"));
    let effects = press(&mut model, "y");
    assert!(
        matches!(&effects[..], [Effect::Copy(sql)] if sql.contains("ALTER ROLE") || sql.contains("pg_")),
        "{effects:?}"
    );
}

#[test]
fn enter_in_the_fleet_shows_that_target() {
    let mut model = fixture::model(fixture::leaks());
    model.update(crate::Update::Failed { target: 1, failure: fixture::failure() });
    press(&mut model, "7");
    model.go_to(0);
    press(&mut model, "\n");
    // The target with a fault is the worst.
    assert_eq!((model.target, model.view), (1, View::Sessions));
}

#[test]
fn the_selected_target_stays_selected_when_the_order_changes() {
    let mut model = fixture::model(fixture::leaks());
    press(&mut model, "7");
    model.go_to(1);
    assert_eq!(model.listed.fleet, [0, 1]);
    model.update(crate::Update::Failed { target: 1, failure: fixture::failure() });
    assert_eq!((&model.listed.fleet[..], model.cursor()), (&[1, 0][..], 0));
}

#[test]
fn each_target_is_recorded_by_itself() {
    let mut model = fixture::model(fixture::leaks());
    let record = |target, on| Effect::Send(Command::Record { target, on });
    assert_eq!(press(&mut model, "r"), [record(0, true)]);
    model.update(Update::Recording { target: 0, path: Some("shop.jsonl".into()) });
    assert!(text(&model, 80, 24).lines().next().is_some_and(|title| title.contains("REC")));
    // The other one is not recorded, and `r` does not end what is.
    model.target = 1;
    assert!(!text(&model, 80, 24).contains("REC"));
    assert_eq!(press(&mut model, "r"), [record(1, true)]);
    model.update(Update::Recording { target: 1, path: Some("billing.jsonl".into()) });
    model.update(Update::Recording { target: 1, path: None });
    assert_eq!(message(&model), "billing: recorded to billing.jsonl");
    press(&mut model, "7");
    let fleet = text(&model, 80, 24);
    let row = |name: &str| fleet.lines().find(|line| line.contains(name)).expect("a row").to_owned();
    assert!(row("shop").contains(" R "), "{fleet}");
    assert!(!row("billing").contains('R'), "{fleet}");
    model.target = 0;
    assert_eq!(press(&mut model, "r"), [record(0, false)], "the first one is still recorded");
}

#[test]
fn the_answer_to_an_earlier_plan_is_of_no_use() {
    let mut model = acting();
    press(&mut model, "mK");
    let (first, sessions) = (model.plans, model.marked());
    press(&mut model, "\u{1b}umK");
    let planned =
        |pid| Planned { targets: vec![fixture::target(pid, "planned")], spared: Vec::new(), reason: "it".into() };
    model.update(Update::Planned { target: 0, serial: first, plan: Ok(planned(sessions[0].pid)) });
    assert_eq!(press(&mut model, "1\n"), [], "no plan is there yet");
    let (second, sessions) = (model.plans, model.marked());
    model.update(Update::Planned { target: 0, serial: second, plan: Ok(planned(sessions[0].pid)) });
    assert_eq!(press(&mut model, "1\n"), [Effect::Send(Command::End { target: 0, serial: second, sessions })]);
}

#[test]
fn the_pace_is_that_of_the_shown_target() {
    let slow = Watched { name: "billing".into(), interval: Duration::from_secs(60) };
    let settings = Settings { targets: vec![fixture::watched("shop"), slow], ..fixture::settings() };
    let mut model = fixture::with(settings, fixture::leaks());
    model.update(Update::Round { target: 1, moment: Arc::new(fixture::leaks()) });
    assert!(text(&model, 80, 24).contains("every 5 s"));
    model.target = 1;
    assert!(text(&model, 80, 24).contains("every 60 s"));
    let interval = Duration::from_secs(120);
    assert_eq!(press(&mut model, "+"), [Effect::Send(Command::Pace { target: 1, interval })]);
    assert!(text(&model, 80, 24).contains("every 120 s"));
    model.target = 0;
    assert!(text(&model, 80, 24).contains("every 5 s"));
}

#[test]
fn kept_rounds_are_bounded_by_their_bytes() {
    let mut model = fixture::model(fixture::leaks());
    let (small, large) = (Arc::new(fixture::leaks()), Arc::new(fixture::many(2_000)));
    assert!(large.bytes() > 2_000 * 200 && large.bytes() > 5 * small.bytes(), "{} {}", large.bytes(), small.bytes());
    model.most_bytes = 3 * large.bytes() + 10 * small.bytes();
    for _ in 0..8 {
        model.update(Update::Round { target: 0, moment: Arc::clone(&small) });
        model.update(Update::Round { target: 1, moment: Arc::clone(&large) });
        let bytes: usize = model.targets.iter().map(TargetState::bytes).sum();
        assert!(bytes <= model.most_bytes);
    }
    // The rounds of the large one are forgotten first.
    assert_eq!([0, 1].map(|target| model.targets[target].position().1), [9, 3]);
    model.most_bytes = 0;
    model.update(Update::Round { target: 0, moment: small });
    assert_eq!([0, 1].map(|target| model.targets[target].position().1), [1, 1], "the latest of each stay");
}
