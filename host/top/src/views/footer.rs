//! The line at the bottom: what is typed, a message, or the keys of the view.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::model::{Model, Overlay, View};
use crate::palette::{Palette, Tone};

/// Draws the line.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let message = model.message.as_ref().map(|message| {
        let tone = if message.is_refusal { Tone::Warning } else { Tone::Remark };
        Span::styled(message.text.clone(), palette.style(tone))
    });
    let line = match (&model.overlay, message) {
        (Overlay::Filter { typed, .. }, message) => {
            let prompt = Span::styled(format!("filter: {typed}▏"), palette.style(Tone::Title));
            let hint = Span::styled("  state:idle app:web* >5m".to_owned(), palette.style(Tone::Secondary));
            Line::from(vec![prompt, message.map_or(hint, |it| Span::styled(format!("  {}", it.content), it.style))])
        }
        (_, Some(message)) => Line::from(message),
        (_, None) => Line::styled(hints(model), palette.style(Tone::Secondary)),
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn hints(model: &Model) -> String {
    let plain = match (&model.overlay, model.view) {
        (Overlay::Help(_) | Overlay::Details(_), _) => return "j k scroll  y copy  Esc back".to_owned(),
        (Overlay::Plan(_), _) => return String::new(),
        (_, View::Sessions) => "/ filter  s sort  T duration  v statement  Enter details  m mark",
        (_, View::Suspects | View::Waits) => "Enter details  m mark  y copy",
        (_, View::Findings) => "Enter details  y copy the SQL",
        (_, View::Fleet) => "Enter shows the target",
        (_, View::Pooler | View::Scaling) => "Space pause  d difference",
    };
    let acts = if model.settings.apply { "  K end" } else { "" };
    let times = if model.settings.replays { "  ←→ time" } else { "" };
    format!("{plain}{acts}{times}  h help  q quit")
}
