//! Styles: the terminal's own colours alone, so that light and dark themes are both readable.

use ratatui::style::{Color, Modifier, Style};

use crate::session::Verdict;

/// Meaning of a style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Secondary,
    Title,
    Critical,
    Warning,
    Good,
    Remark,
    Selected,
}

/// Styles with or without colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    pub(crate) colours: bool,
}

impl Palette {
    /// Returns the style of a meaning. Without colours, weight alone is left, and letters carry the meaning.
    pub(crate) fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let coloured = |colour: Color| if self.colours { style.fg(colour) } else { style };
        match tone {
            Tone::Plain => style,
            Tone::Secondary => style.add_modifier(Modifier::DIM),
            Tone::Title => style.add_modifier(Modifier::BOLD),
            Tone::Critical => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Warning => coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Good => coloured(Color::Green),
            Tone::Remark => coloured(Color::Cyan),
            Tone::Selected => style.add_modifier(Modifier::REVERSED),
        }
    }
}

/// Returns the meaning of a verdict.
pub(crate) fn of_verdict(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Suspect => Tone::Critical,
        Verdict::Blocks | Verdict::Waits | Verdict::Unhealthy => Tone::Warning,
        Verdict::Spared => Tone::Remark,
        Verdict::Ordinary => Tone::Plain,
    }
}

/// Returns the meaning and the letter of a severity.
pub(crate) fn of_severity(severity: &str) -> (Tone, &'static str) {
    match severity {
        "critical" => (Tone::Critical, "C"),
        "warning" => (Tone::Warning, "W"),
        _ => (Tone::Remark, "i"),
    }
}
