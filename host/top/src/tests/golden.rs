//! Screens as text, byte by byte.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::report::Spared;
use insta::assert_snapshot;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use crate::command::{Planned, Update};
use crate::model::{Model, Settings, View};
use crate::screen::draw;
use crate::tests::fixture;
use crate::tests::keys::press;

/// Draws a screen.
pub(crate) fn screen(model: &Model, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, model)).expect("drawn");
    terminal.backend().clone()
}

/// Draws a screen without styles, and without the blanks at the end of lines.
pub(crate) fn text(model: &Model, width: u16, height: u16) -> String {
    let backend = screen(model, width, height);
    let buffer = backend.buffer();
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol).max(1)).expect("small");
        }
        writeln!(text, "{}", line.trim_end()).expect("a string");
    }
    text
}

/// Draws a view in all sizes.
fn sizes(model: &mut Model, view: View) -> String {
    model.view = view;
    model.list();
    [(80, 24), (120, 40), (60, 16)]
        .map(|(width, height)| format!("{width}×{height}\n{}", text(model, width, height)))
        .join("\n")
}

#[test]
fn each_view_of_a_leak() {
    let mut model = fixture::model(fixture::leaks());
    for view in View::ALL {
        assert_snapshot!(format!("leak_{}", view.title().to_lowercase()), sizes(&mut model, view));
    }
}

#[test]
fn each_view_of_the_conformance_kit() {
    for case in ["full-analysis", "hidden-sessions", "auto-scale"] {
        let mut model = fixture::model(fixture::recorded(case));
        for view in View::ALL {
            assert_snapshot!(format!("{case}_{}", view.title().to_lowercase()), sizes(&mut model, view));
        }
    }
}

#[test]
fn a_fault_keeps_the_last_data_with_their_age() {
    let mut model = fixture::model(fixture::leaks());
    model.update(Update::Failed { target: 0, failure: fixture::failure() });
    model.tick(Duration::from_secs(107));
    assert_snapshot!(text(&model, 80, 24));
    let mut first = Model::new(fixture::settings());
    assert_snapshot!("before_the_first_round", text(&first, 80, 24));
    first.update(Update::Failed { target: 0, failure: fixture::failure() });
    assert_snapshot!("a_fault_before_the_first_round", text(&first, 80, 24));
}

#[test]
fn a_small_terminal_has_one_sentence() {
    let model = fixture::model(fixture::leaks());
    for (width, height) in [(59, 16), (60, 15), (20, 5), (1, 1)] {
        let shown = text(&model, width, height);
        assert!(!shown.contains("slots"), "{shown}");
    }
    assert!(text(&model, 59, 16).starts_with("archon-pool top needs a terminal of 60 columns and 16 rows"));
}

#[test]
fn the_dialogue_shows_the_plan_and_the_number() {
    let mut model = fixture::with(Settings { apply: true, ..fixture::settings() }, fixture::leaks());
    press(&mut model, "mmmK");
    assert_snapshot!("planning", text(&model, 80, 24));
    let marked = model.marked();
    let spared = vec![Spared { pid: marked[2].pid, reason: "it has been idle for 2 min only, threshold 5 min".into() }];
    let targets =
        marked.iter().zip(["planned", "denied"]).map(|(key, outcome)| fixture::target(key.pid, outcome)).collect();
    let plan = Planned {
        targets,
        spared,
        reason: "2 of 3 selected sessions idle for longer than the threshold: 2 to end".into(),
    };
    model.update(Update::Planned { target: 0, serial: 1, plan: Ok(plan) });
    press(&mut model, "1");
    assert_snapshot!("plan", text(&model, 80, 24));
}

#[test]
fn help_details_and_filter() {
    let mut model = fixture::model(fixture::leaks());
    press(&mut model, "h");
    assert_snapshot!("help", text(&model, 80, 24));
    press(&mut model, "hss\n");
    assert_snapshot!("details", text(&model, 80, 24));
    press(&mut model, "q/app:check* >15m");
    assert_snapshot!("filter", text(&model, 80, 24));
    press(&mut model, "x");
    assert_snapshot!("filter_error", text(&model, 80, 24));
}

#[test]
fn a_difference_marks_new_and_gone_sessions() {
    let mut model = fixture::model(fixture::recorded("full-analysis"));
    press(&mut model, "d");
    model.update(Update::Round { target: 0, moment: Arc::new(fixture::leaks()) });
    assert_snapshot!(text(&model, 80, 30));
}

#[test]
fn a_replay_shows_its_position() {
    let settings = Settings { replays: true, targets: vec![fixture::watched("incident.jsonl")], ..fixture::settings() };
    let mut model = fixture::with(settings, fixture::leaks());
    for case in ["full-analysis", "hidden-sessions"] {
        model.update(Update::Round { target: 0, moment: Arc::new(fixture::recorded(case)) });
    }
    model.update(Update::Over);
    assert!(text(&model, 80, 24).contains("REPLAY 1/3"));
    press(&mut model, "→");
    assert_snapshot!(text(&model, 80, 24));
}

#[test]
fn names_of_the_server_change_neither_the_terminal_nor_the_order_of_letters() {
    let mut model = fixture::model(fixture::hostile());
    for view in View::ALL {
        model.view = view;
        model.list();
        for overlay in ["", "\n"] {
            press(&mut model, overlay);
            let shown = text(&model, 120, 40);
            let is_unsafe = |it: char| (it.is_control() && it != '\n') || ('\u{202a}'..='\u{202e}').contains(&it);
            assert!(!shown.contains(is_unsafe), "{shown:?}");
            press(&mut model, "\u{1b}");
        }
    }
    model.view = View::Sessions;
    model.list();
    press(&mut model, "\n");
    assert!(text(&model, 120, 40).contains(r"we\u{1b}[2Jb\u{202e}txe\u{7f}\u{9b}31m"));
}

#[test]
fn only_the_colours_of_the_terminal_are_used_and_none_with_no_color() {
    for colours in [true, false] {
        let settings = Settings { colours, apply: true, ..fixture::settings() };
        let mut model = fixture::with(settings, fixture::leaks());
        model.update(Update::Failed { target: 0, failure: fixture::failure() });
        let mut seen = 0;
        for view in View::ALL {
            model.view = view;
            model.list();
            let backend = screen(&model, 120, 40);
            for cell in backend.buffer().content() {
                let named = [Color::Reset, Color::Red, Color::Yellow, Color::Green, Color::Cyan];
                assert!(named.contains(&cell.fg) && cell.bg == Color::Reset, "{cell:?}");
                seen += usize::from(cell.fg != Color::Reset);
                assert!(!cell.modifier.contains(Modifier::HIDDEN));
            }
        }
        assert_eq!(seen > 0, colours);
    }
}
