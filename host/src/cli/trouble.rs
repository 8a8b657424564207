//! Why there is no answer, and how that is told.

use std::io;

use archon_pool::Fault;
use archon_pool_contract::skill;
use serde_json::Value;

use super::exit::Exit;
use super::render;
use super::terminal::Terminal;

/// Why a command could not finish.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The library or the component refused; with the component's own SkillOutput when it wrote one.
    Fault {
        /// Why.
        fault: Fault,
        /// What the component answered.
        answer: Option<Box<Value>>,
    },
    /// Stdout could not be written to.
    Output(io::Error),
}

impl Trouble {
    /// Tells it on stderr and, for readers of JSON, on stdout.
    pub(crate) fn tell(self, terminal: &mut Terminal) -> Exit {
        match self {
            Self::Fault { fault, answer } => {
                if terminal.wants_json() {
                    // The message below is the better report of a stdout that cannot be written to.
                    let _ = skill_output(&fault, answer).map(|output| terminal.json(&output));
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

/// The SkillOutput of a fault: the component's own, or one in its place.
pub(crate) fn skill_output(fault: &Fault, answer: Option<Box<Value>>) -> Option<Value> {
    let ours = || serde_json::to_value(skill::Output::failed(fault.clone())).ok();
    answer.map(|answer| *answer).or_else(ours)
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault { fault, answer: None }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
