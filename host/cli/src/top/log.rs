//! Log lines while the screen is shown: on stderr they would be drawn over it.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest number of lines that are kept, and of their bytes.
const MOST: (usize, usize) = (10_000, 8 << 20);

/// Sink that keeps log lines until the screen has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct ScreenLog(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    texts: Vec<String>,
    bytes: usize,
}

impl ScreenLog {
    /// Returns true if stderr is a terminal, which then shows the screen; otherwise lines belong there.
    pub(super) fn is_needed() -> bool {
        io::stderr().is_terminal()
    }

    /// Returns the lines.
    pub(super) fn lines(&self) -> Vec<String> {
        self.locked().texts.clone()
    }

    fn locked(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for ScreenLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The log writes whole lines.
        let text = String::from_utf8_lossy(bytes);
        let mut lines = self.locked();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if lines.texts.len() < MOST.0 && lines.bytes + line.len() <= MOST.1 {
                lines.bytes += line.len();
                lines.texts.push(line.to_owned());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
