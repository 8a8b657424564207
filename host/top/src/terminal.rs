//! The terminal in raw mode, which is left in order however the program ends.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal as _, Stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::model::Model;
use crate::screen::draw;

/// True while the terminal shows the screen.
static IS_RAW: AtomicBool = AtomicBool::new(false);

/// Reason for which there can be no screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Stdin or stdout is no terminal.
    NoTerminal,
    /// The terminal cannot move its cursor.
    Dumb,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTerminal => {
                "top needs a terminal on stdin and stdout: use `archon-pool watch` for lines in a file or a pipe"
            }
            Self::Dumb => {
                "top needs a terminal that can move its cursor, and TERM is dumb or not set: use `archon-pool watch`"
            }
        })
    }
}

impl std::error::Error for Unusable {}

/// Checks that stdin and stdout are a terminal on which a screen can be drawn.
///
/// # Errors
///
/// Returns the reason against it.
pub fn usable() -> Result<(), Unusable> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Unusable::NoTerminal);
    }
    match env::var("TERM").as_deref() {
        Err(_) | Ok("" | "dumb") => Err(Unusable::Dumb),
        Ok(_) => Ok(()),
    }
}

/// The terminal while it shows the screen. Restored when it is dropped, and before the message of a panic.
pub(crate) struct Raw(Terminal<CrosstermBackend<Stdout>>);

impl Raw {
    /// Shows an empty screen. What was on the terminal returns afterwards.
    pub(crate) fn enter() -> io::Result<Self> {
        restore_before_panics();
        IS_RAW.store(true, Ordering::SeqCst);
        let entered = enable_raw_mode()
            .and_then(|()| execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide))
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        entered.map(Self).inspect_err(|_| restore())
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> u16 {
        self.0.size().map_or(0, |size| size.height)
    }

    /// Draws the changes since the last frame.
    pub(crate) fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.0.draw(|frame| draw(frame, model)).map(|_| ())
    }

    /// Sends a text to the clipboard by OSC 52, which reaches the operator's own machine through ssh, too.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Leaves the screen, once. A terminal that is gone cannot be restored.
fn restore() {
    if IS_RAW.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Restores the terminal before a panic's message is printed, in whatever thread: on the screen it would be lost.
fn restore_before_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        restore();
        before(what);
    }));
}
