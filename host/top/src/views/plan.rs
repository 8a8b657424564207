//! The dialogue that ends sessions.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::palette::{Palette, Tone};
use crate::plan::{Line as Target, Plan, Step};
use crate::views::{named, scrolled, split, state, wrapped};

/// Lines of the question.
const QUESTION: u16 = 3;

/// Draws the dialogue.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, plan: &Plan, palette: Palette) {
    let (list, below) = split(area, area.height.saturating_sub(QUESTION));
    let width = area.width;
    let marked = plan.marked.len();
    let (mut lines, targets, question) = match &plan.step {
        Step::Planning => {
            (title(&format!("The component plans for {marked} marked …"), width, palette), &[][..], String::new())
        }
        Step::Asking(asking) => {
            let count = asking.sessions.len();
            let first = title(&format!("Plan for {marked} marked: {count} to end"), width, palette);
            let question = if count == 0 {
                "The plan ends no session. Esc closes.".to_owned()
            } else {
                format!("Type {count} and Enter to end {count}; Esc ends none: {}▏", asking.typed)
            };
            (first, &asking.lines[..], question)
        }
        Step::Ending { count } => (title(&format!("{count} being ended …"), width, palette), &[][..], String::new()),
        Step::Done(lines) => {
            let ended = lines.iter().filter(|line| line.ends).count();
            let first = title(&format!("{ended} of {} ended", lines.len()), width, palette);
            (first, &lines[..], "Enter or Esc closes.".to_owned())
        }
        Step::Failed(why) => {
            let lines = wrapped("✖ ", why, width, palette.style(Tone::Critical));
            (lines, &[][..], "Enter or Esc closes.".to_owned())
        }
    };
    lines.extend(targets.iter().flat_map(|target| of_target(target, width, palette)));
    if let Step::Asking(asking) = &plan.step {
        lines.extend(wrapped("", &asking.reason, width, palette.style(Tone::Secondary)));
    }
    scrolled(frame, list, lines, plan.scroll);
    scrolled(frame, below, wrapped("", &question, width, palette.style(Tone::Title)), 0);
}

fn title(text: &str, width: u16, palette: Palette) -> Vec<Line<'static>> {
    wrapped("", text, width, palette.style(Tone::Title))
}

fn of_target(target: &Target, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let Target { pid, application, outcome, why, ends, .. } = target;
    let first = format!("{outcome:>8} {pid:>7} ");
    let known = !target.state.is_empty();
    let text = if known { format!("{} {}: {why}", named(application), state(&target.state)) } else { why.clone() };
    wrapped(&first, &text, width, palette.style(if *ends { Tone::Critical } else { Tone::Secondary }))
}
