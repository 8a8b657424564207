//! Time of a frame: measured on request, since a busy machine proves nothing.

use std::time::Instant;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::model::View;
use crate::screen::draw;
use crate::tests::fixture;
use crate::tests::keys::press;

/// `cargo test --release … --lib speed -- --ignored --nocapture` prints the times.
#[test]
#[ignore = "it measures, and asserts nothing"]
#[expect(clippy::print_stderr, reason = "the measured times are its result")]
fn frames_of_20_000_sessions() {
    let started = Instant::now();
    let moment = fixture::many(20_000);
    eprintln!("the moment: {} ms", started.elapsed().as_millis());
    let mut model = fixture::model(moment);
    let mut terminal = Terminal::new(TestBackend::new(160, 50)).expect("a terminal");
    for view in View::ALL {
        model.view = view;
        model.list();
        let started = Instant::now();
        for frame in 0..100 {
            model.go_to(frame * 150);
            terminal.draw(|frame| draw(frame, &model)).expect("drawn");
        }
        eprintln!("{}: {} µs a frame", view.title(), started.elapsed().as_micros() / 100);
    }
    model.view = View::Sessions;
    for (name, keys) in [("filter", "/app:service-1* >1s\n"), ("no filter", "\u{1b}"), ("sort", "s"), ("duration", "T")]
    {
        let started = Instant::now();
        press(&mut model, keys);
        eprintln!("{name}: {} µs a key", started.elapsed().as_micros() / keys.chars().count() as u128);
    }
}
