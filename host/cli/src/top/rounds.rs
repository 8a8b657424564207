//! The rounds of all targets, each in a task of its own, so that one in trouble delays no other.

use std::time::Duration;

use archon_pool::Fault;
use archon_pool_top::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::super::error::CliError;
use super::target::TargetRounds;

/// Time between the first rounds of two targets, so that many do not start at once.
const STAGGER: Duration = Duration::from_millis(50);

/// The rounds of all targets before they run.
pub(super) struct Rounds {
    pub(super) targets: Vec<TargetRounds>,
    /// True for the one server of the command line: without it there is nothing to show.
    pub(super) is_alone: bool,
}

impl Rounds {
    /// Makes rounds until the screen ends, or until the only target has a fault in its first round that does not pass.
    pub(super) async fn run(self, mut requests: UnboundedReceiver<Command>) -> Result<(), CliError> {
        let is_alone = self.is_alone;
        let mut senders = Vec::with_capacity(self.targets.len());
        // Dropped with this future, which ends all rounds and closes their sessions.
        let mut tasks = JoinSet::new();
        for (index, target) in self.targets.into_iter().enumerate() {
            let (sender, commands) = unbounded_channel();
            senders.push(sender);
            let delay = STAGGER.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
            tasks.spawn(target.run(commands, delay, is_alone));
        }
        loop {
            tokio::select! {
                command = requests.recv() => match command {
                    Some(command) => pass_on(&command, &senders),
                    None => return Ok(()),
                },
                ended = tasks.join_next() => match ended {
                    Some(Ok(Ok(()))) | None => return Ok(()),
                    Some(Ok(Err(fault))) => return Err(fault.into()),
                    Some(Err(error)) => {
                        let message = format!("the rounds of a target ended unexpectedly: {error}");
                        return Err(Fault::new("plugin-trapped", message).into());
                    }
                },
            }
        }
    }
}

/// Passes a command on to the target that it is about, or to all.
fn pass_on(command: &Command, senders: &[UnboundedSender<Command>]) {
    let about = match command {
        Command::Plan { target, .. }
        | Command::End { target, .. }
        | Command::Record { target, .. }
        | Command::Pace { target, .. } => Some(*target),
        Command::Pause(_) | Command::Now => None,
    };
    let chosen = senders.iter().enumerate().filter(|(index, _)| about.is_none_or(|about| about == *index));
    // A target whose rounds have ended is noticed above.
    chosen.for_each(|(_, sender)| drop(sender.send(command.clone())));
}
