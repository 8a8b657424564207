//! `archon-pool`: the connection pool manager on the command line: flags in, tables or JSON out.
//!
//! Data goes to stdout, everything else to stderr; the exit status shows if there are findings (see `archon-pool
//! --help`). The analysis is the component's, and permissions are enforced by the library.
//!
#![doc = include_str!("../README.md")]

mod answer;
mod app;
#[cfg(feature = "mcp")]
mod apply;
mod approve;
mod args;
mod ask;
mod audit;
mod carry;
mod completions;
mod components;
mod diff;
mod error;
mod exit;
mod explain;
mod fleet;
mod interrupt;
mod log_lines;
mod man_pages;
#[cfg(feature = "mcp")]
mod mcp;
mod options;
mod params;
mod permissions;
mod plugin_pages;
mod plugins;
mod progress;
mod report;
mod run;
mod secret_scan;
mod serve;
mod sign;
#[cfg(feature = "mcp")]
mod skill;
mod stored;
mod tape;
mod terminal;
#[cfg(feature = "tui")]
mod top;
mod vetting;
mod watch;

#[cfg(test)]
mod tests;

use std::env;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use self::args::{Args, Command};
use self::exit::Exit;
use self::terminal::Terminal;

/// Maximum time that the program waits for background work when it is done.
const GRACE: Duration = Duration::from_millis(200);

/// Parses the command line, runs it and returns its exit status.
fn main() -> ExitCode {
    if let Err(fault) = secret_scan::check(env::args_os()) {
        let _ = anstream::stderr().write_all(archon_pool_report::fault(&fault).as_bytes());
        return Exit::of_fault(&fault).into();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        // `--help` and `--version` arrive here too, with a status of their own. A reader that closes the pipe before
        // the last line of help is no error.
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let mut terminal = Terminal::of_process(&args.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.remark(&format!("error: the runtime could not be started: {error}"));
            return Exit::Failed.into();
        }
    };
    let ran = runtime.block_on(async {
        let running = run::run(&args, &mut terminal);
        // They handle signals, and return their own status.
        let handles_signals = match args.command {
            Command::Watch(_) | Command::Report { .. } | Command::Serve(_) => true,
            Command::Fleet(ref what) => what.handles_signals(),
            #[cfg(feature = "mcp")]
            Command::Mcp(ref flags) => flags.http.is_some(),
            #[cfg(feature = "tui")]
            Command::Top { .. } => true,
            _ => false,
        };
        if handles_signals {
            return running.await;
        }
        tokio::select! {
            // First: until it waits for something, the signal's default action is the right one.
            biased;
            ran = running => ran,
            () = interrupt::interrupted() => Ok(Exit::Interrupted),
        }
    });
    let exit = match ran {
        Ok(Exit::Interrupted) => {
            terminal.release_log();
            Exit::Interrupted
        }
        Ok(exit) => exit,
        Err(error) => error.report(&mut terminal),
    };
    runtime.block_on(archon_pool::sessions_closed());
    runtime.shutdown_timeout(GRACE);
    exit.into()
}
