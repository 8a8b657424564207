//! Styles and widths of a page.

use anstyle::{AnsiColor, Style};

/// Titles.
pub const TITLE: Style = Style::new().bold();
/// Secondary text.
pub const DIM: Style = Style::new().dimmed();
/// Faults.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Warnings.
pub const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
/// Hints.
pub const REMARK: Style = AnsiColor::Cyan.on_default().bold();
/// Success.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();

/// Indent of the lines under a title.
pub const INDENT: usize = 2;

/// Minimum width of a page for tables of more than four columns; narrower pages show them as lists.
pub const NARROW: usize = 80;
