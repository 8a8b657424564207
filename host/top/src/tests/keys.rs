//! Keys and what they ask for.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::command::Command;
use crate::keys::Effect;
use crate::model::{Model, Overlay, Settings, View};
use crate::tests::fixture;

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
    assert_eq!(effects, [Effect::Send(Command::Plan { target: 0, sessions })]);
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
    let pace = |seconds| Effect::Send(Command::Pace(Duration::from_secs(seconds)));
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
