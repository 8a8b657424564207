//! One frame of the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::model::{Model, Overlay, View};
use crate::palette::{Palette, Tone};
use crate::views::{self, header, split};

/// Least width and height.
pub(crate) const LEAST: (u16, u16) = (60, 16);

/// Lines of a screen beside the rows of a list: header, title row, footer.
pub(crate) const BESIDE: u16 = header::HEIGHT + 2;

/// Draws the screen. Only reads the model.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let palette = Palette { colours: model.settings.colours };
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!(
            "archon-pool top needs a terminal of {} columns and {} rows; this one has {} and {}.",
            LEAST.0, LEAST.1, area.width, area.height
        );
        let lines = views::wrapped("", &text, area.width, palette.style(Tone::Plain));
        frame.render_widget(Paragraph::new(lines), area);
        return;
    }
    let fault = header::fault_lines(model, area.width, palette).len();
    let height = header::HEIGHT + u16::try_from(fault).unwrap_or(0);
    let (top, rest) = split(area, height);
    let (body, footer) = split(rest, rest.height - 1);
    header::draw(frame, top, model, palette);
    match &model.overlay {
        Overlay::Help(from) => views::help::draw(frame, body, palette, *from),
        Overlay::Details(from) => views::details::draw(frame, body, model, palette, *from),
        Overlay::Plan(plan) => views::plan::draw(frame, body, plan, palette),
        Overlay::None | Overlay::Filter { .. } => view(frame, body, model, palette),
    }
    views::footer::draw(frame, footer, model, palette);
}

fn view(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    match model.view {
        View::Fleet => return views::fleet::draw(frame, area, model, palette),
        _ if model.moment().is_none() => {
            let line = Line::styled("no round has succeeded yet", palette.style(Tone::Secondary));
            return frame.render_widget(Paragraph::new(line), area);
        }
        _ => {}
    }
    match model.view {
        View::Sessions => views::sessions::draw(frame, area, model, palette),
        View::Suspects => views::suspects::draw(frame, area, model, palette),
        View::Waits => views::waits::draw(frame, area, model, palette),
        View::Pooler => views::pooler::draw(frame, area, model, palette),
        View::Scaling => views::scaling::draw(frame, area, model, palette),
        View::Findings => views::findings::draw(frame, area, model, palette),
        View::Fleet => {}
    }
}
