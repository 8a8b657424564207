//! Flags of the commands that do an action once.

use std::path::PathBuf;

use clap::Args as Group;

use crate::options::OptionFlags;
use crate::tape::TapeFlags;

/// State kept from one run to the next.
#[derive(Debug, Group)]
pub(crate) struct Memory {
    /// Keep state between runs in FILE
    ///
    /// Rates are then measured since the previous run, and the history of each group of sessions is known.
    #[arg(long, value_name = "FILE")]
    pub(crate) carry: Option<PathBuf>,
}

/// Flags of the commands that only read.
#[derive(Debug, Group)]
pub(crate) struct Reading {
    #[command(flatten)]
    pub(crate) memory: Memory,
    #[command(flatten)]
    pub(crate) tape: TapeFlags,
    #[command(flatten)]
    pub(crate) options: OptionFlags,
}

/// Flags of `explain`.
#[derive(Debug, Group)]
pub(crate) struct Explaining {
    /// Process id of the session
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) pid: i32,
    /// Number of looks: evidence from the use of other sessions takes several
    ///
    /// With --replay, all recorded ones.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) looks: u32,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) interval: u32,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Flags of the commands that can change something.
#[derive(Debug, Group)]
pub(crate) struct Acting {
    /// Carry the plan out instead of only printing it
    #[arg(long)]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Flags of `kill-idle`.
#[derive(Debug, Group)]
pub(crate) struct Killing {
    /// Show the plan, and carry it out after confirmation on the terminal
    #[arg(long, conflicts_with = "apply")]
    pub(crate) ask: bool,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
