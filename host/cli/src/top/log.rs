//! Log lines while the screen is shown: on stderr they would be drawn over it.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest number of lines that are kept.
const MOST_LINES: usize = 10_000;

/// Sink that keeps log lines until the screen has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct ScreenLog(Arc<Mutex<Vec<String>>>);

impl ScreenLog {
    /// Returns true if stderr is a terminal, which then shows the screen; otherwise lines belong there.
    pub(super) fn is_needed() -> bool {
        io::stderr().is_terminal()
    }

    /// Returns the lines.
    pub(super) fn lines(&self) -> Vec<String> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for ScreenLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The log writes whole lines.
        let text = String::from_utf8_lossy(bytes);
        let mut lines = self.locked();
        let room = MOST_LINES.saturating_sub(lines.len());
        lines.extend(text.lines().filter(|line| !line.is_empty()).take(room).map(str::to_owned));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
