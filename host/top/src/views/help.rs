//! The keys and the letters.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::palette::{Palette, Tone};
use crate::views::scrolled;

/// Keys with their meanings.
const KEYS: [(&str, &str); 23] = [
    ("1–7, F1–F7, Tab", "views: sessions, suspects, waits, pooler, scaling, findings, fleet"),
    ("↑ ↓ j k PgUp PgDn", "move; g and G: first and last"),
    ("Enter", "details; in the fleet: show that target"),
    ("/", "filter, such as state:idle app:web* >5m; Esc removes it"),
    ("", "fields app role db client state wait pid verdict sql; ! negates"),
    ("s", "sort by verdict, duration, application, state, role, pid"),
    ("T", "duration: in state, of the statement, of the session"),
    ("v", "show the whole statement of the selected session"),
    ("m  u", "mark the selected session; unmark all"),
    ("K", "plan the end of the marked sessions (with --apply)"),
    ("d", "compare with this moment: + new, - gone; d ends"),
    ("← →  < >", "earlier and later round; first and last"),
    ("Space", "pause the rounds"),
    ("+ -", "slower and faster rounds of the shown target"),
    ("n", "a round now"),
    ("r", "record the shown target to a cassette, for --replay; r ends;"),
    ("", "R in the fleet: it is recorded"),
    ("y", "copy the SQL of a finding, or a statement (OSC 52)"),
    ("h ?", "this page"),
    ("q Ctrl-C", "quit"),
    ("V", "S suspect, B blocks others, W waits for a lock, U unhealthy,"),
    ("", "x would be a suspect and is spared, · ordinary"),
    ("S", "A active, I idle, T idle in transaction, F failed transaction"),
];

/// Draws the keys from a line on.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, palette: Palette, from: usize) {
    let line = |(key, meaning): &(&str, &str)| {
        let pad = 18_usize.saturating_sub(key.chars().count());
        Line::from(vec![
            Span::styled((*key).to_owned(), palette.style(Tone::Title)),
            Span::raw(format!("{}{meaning}", " ".repeat(pad))),
        ])
    };
    scrolled(frame, area, KEYS.iter().map(line).collect(), from);
}
