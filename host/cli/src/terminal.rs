//! Output: data to stdout, the rest to stderr. Text is passed in with styles, which are removed unless the stream is a
//! terminal and may be coloured.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use archon_pool_report::sanitize;

use super::args::{Color, Global, LogFormat};
use super::log_lines::LogSink;

/// Width of pages that are not read on a terminal: fixed, so that they can be compared.
pub(crate) const FIXED_WIDTH: usize = 100;
/// Minimum width of a page; a narrower terminal wraps it.
const LEAST_WIDTH: usize = 40;

/// The two output streams, with their settings.
pub(crate) struct Terminal {
    stdout: AutoStream<Box<dyn Write>>,
    stderr: AutoStream<Box<dyn Write>>,
    json: bool,
    pretty: bool,
    quiet: bool,
    spins: bool,
    width: usize,
    /// Width of the terminal; none where stdout is no terminal.
    line_width: Option<usize>,
    closed: bool,
    log: LogSink,
}

impl Terminal {
    /// Creates the terminal of this process.
    pub(crate) fn of_process(global: &Global) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let choose = |automatic| match global.color {
            Color::Auto => automatic,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let width = terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
        Self {
            json: global.json,
            pretty: stdout.is_terminal(),
            quiet: global.quiet,
            // On one terminal with the answer, changes are logged only if there is no answer.
            log: match global.log {
                LogFormat::None if stdout.is_terminal() && stderr.is_terminal() => LogSink::held(),
                _ => LogSink::default(),
            },
            // Log lines and a line that redraws itself cannot share a stream.
            spins: stderr.is_terminal() && !global.quiet && global.log == LogFormat::None,
            width: width.unwrap_or(FIXED_WIDTH).max(LEAST_WIDTH),
            line_width: width.map(|width| width.max(LEAST_WIDTH)),
            closed: false,
            stdout: {
                let choice = choose(AutoStream::choice(&stdout));
                AutoStream::new(Box::new(stdout), choice)
            },
            stderr: {
                let choice = choose(AutoStream::choice(&stderr));
                AutoStream::new(Box::new(stderr), choice)
            },
        }
    }

    /// Returns true if stdout may be coloured.
    #[cfg(feature = "tui")]
    pub(crate) fn colours(&self) -> bool {
        self.stdout.current_choice() != ColorChoice::Never
    }

    /// Returns the number of columns of a page.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Returns the number of columns of a line that is not wrapped: of the terminal, or without limit in a file.
    pub(crate) fn line_width(&self) -> usize {
        self.line_width.unwrap_or(usize::MAX)
    }

    /// Returns the sink of log lines.
    pub(crate) fn log_sink(&self) -> LogSink {
        self.log.clone()
    }

    /// Prints the log lines that were held back.
    pub(crate) fn release_log(&mut self) {
        let held = self.log.take();
        if !held.is_empty() {
            self.complain(&held);
        }
    }

    /// Forgets the log lines that were held back, since the answer shows the same.
    pub(crate) fn discard_log(&self) {
        self.log.take();
    }

    /// Returns true if `--json` was given.
    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// Returns true if a spinner may be drawn on stderr.
    pub(crate) fn spins(&self) -> bool {
        self.spins
    }

    /// Returns true if the reader of stdout has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Prints data. A reader that closes the pipe (`| head`) is no error: the exit status has the result.
    pub(crate) fn data(&mut self, text: &str) -> io::Result<()> {
        let line_break = if text.ends_with('\n') { "" } else { "\n" };
        let written = write!(self.stdout, "{text}{line_break}").and_then(|()| self.stdout.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Prints JSON, which is written without line breaks unless indented: readable on a terminal, one line for programs.
    pub(crate) fn json(&mut self, value: &impl Display) -> io::Result<()> {
        let text = if self.pretty { format!("{value:#}") } else { value.to_string() };
        self.data(&sanitize::json(&text))
    }

    /// Prints one line of JSON, also on a terminal.
    pub(crate) fn json_line(&mut self, value: &impl Display) -> io::Result<()> {
        self.data(&sanitize::json(&value.to_string()))
    }

    /// Prints a remark on stderr, unless `--quiet` was given.
    pub(crate) fn remark(&mut self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// Prints a message on stderr. A failure to do so cannot be reported.
    pub(crate) fn complain(&mut self, text: &str) {
        let _ = writeln!(self.stderr, "{}", text.trim_end()).and_then(|()| self.stderr.flush());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A stream whose content can be read afterwards.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        /// Returns the text written so far.
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe with a closed reader.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Creates a terminal in memory.
    pub(crate) fn captured(json: bool, color: ColorChoice) -> (Terminal, Captured, Captured) {
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let terminal = Terminal {
            stdout: AutoStream::new(Box::new(stdout.clone()), color),
            stderr: AutoStream::new(Box::new(stderr.clone()), color),
            json,
            pretty: false,
            quiet: false,
            spins: false,
            width: FIXED_WIDTH,
            line_width: None,
            closed: false,
            log: LogSink::held(),
        };
        (terminal, stdout, stderr)
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let (mut terminal, ..) = captured(false, ColorChoice::Never);
        terminal.stdout = AutoStream::never(Box::new(Closed));
        terminal.data("text").expect("quiet");
        assert!(terminal.is_closed());
    }

    #[test]
    fn data_ends_with_exactly_one_line_break() {
        let (mut terminal, stdout, _) = captured(false, ColorChoice::Never);
        terminal.data("one").expect("written");
        terminal.data("two\n").expect("written");
        assert_eq!(stdout.text(), "one\ntwo\n");
    }
}
