//! Flags of `report`: files, rounds, and stored answers.

use std::path::PathBuf;

use clap::Args as Group;

/// The files that are written, and the rounds in them.
#[derive(Debug, Group)]
pub(crate) struct ReportFlags {
    /// Write one HTML page without scripts, that opens offline and prints; - for stdout
    ///
    /// FILE is replaced as a whole, and only its owner can read it: it contains names and addresses.
    #[arg(long, value_name = "FILE", required_unless_present = "markdown")]
    pub(crate) html: Option<PathBuf>,
    /// Write Markdown for a ticket; - for stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Number of rounds; with several, the page shows numbers over time
    ///
    /// Ctrl-C ends the rounds early: the report has those that are finished.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// Seconds from the start of a round to the start of the next
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: u32,
    /// Take the answers of a file instead of asking a server; repeatable, oldest first
    ///
    /// A report, an answer as --json prints it, several of them as `watch --json` prints them, or a cassette with its
    /// recorded answers. With --replay instead, a cassette is analysed anew.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rounds", "interval", "carry", "record", "replay"])]
    pub(crate) from: Vec<PathBuf>,
}
