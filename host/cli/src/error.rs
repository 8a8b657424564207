//! Errors of the command line, and how they are reported.

use std::io;

use archon_pool::Fault;
use archon_pool::skill_output::SkillOutput;
use archon_pool_report as render;

use super::exit::Exit;
use super::terminal::Terminal;

/// Error that ends a command.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Fault of the library or the component.
    Fault {
        /// The fault.
        fault: Fault,
        /// SkillOutput of the component, when it wrote one.
        answer: Option<Box<SkillOutput>>,
    },
    /// Stdout could not be written to.
    Output(io::Error),
}

impl CliError {
    /// Reports the error on stderr and, with `--json`, on stdout.
    pub(crate) fn report(self, terminal: &mut Terminal) -> Exit {
        terminal.release_log();
        match self {
            Self::Fault { fault, answer } => {
                if terminal.wants_json() {
                    // The message below reports a stdout that cannot be written to.
                    let _ = terminal.json(&skill_output(&fault, answer));
                }
                terminal.complain(&render::fault(&fault));
                Exit::of_fault(&fault)
            }
            Self::Output(error) => {
                terminal.complain(&render::fault(&Fault::new(
                    "output-failed",
                    format!("the output could not be written: {error}"),
                )));
                Exit::Failed
            }
        }
    }
}

/// Returns the SkillOutput of a fault: the component's own, or a new one.
pub(crate) fn skill_output(fault: &Fault, answer: Option<Box<SkillOutput>>) -> SkillOutput {
    answer.map_or_else(|| fault.clone().into(), |answer| *answer)
}

impl From<Fault> for CliError {
    fn from(fault: Fault) -> Self {
        Self::Fault { fault, answer: None }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
