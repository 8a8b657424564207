//! Styles and widths of a page.

use anstyle::{AnsiColor, Style};

/// Titles.
pub(super) const TITLE: Style = Style::new().bold();
/// Secondary text.
pub(super) const DIM: Style = Style::new().dimmed();
/// Faults.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Warnings.
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
/// Hints.
pub(super) const REMARK: Style = AnsiColor::Cyan.on_default().bold();
/// Success.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();

/// Indent of the lines under a title.
pub(super) const INDENT: usize = 2;

/// Least width of a page that shows tables of more than four columns; narrower ones show them as lists.
pub(super) const NARROW: usize = 80;
