//! `archon-pool`: the connection pool manager on the command line.
//!
//! Data goes to stdout, everything else to stderr; the exit status says whether there is something
//! to look at (see `archon-pool --help`).

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
