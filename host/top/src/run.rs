//! The loop of the screen: keys, news of the rounds, the passing of time, and signals.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::command::{Commands, Update};
use crate::keys::Effect;
use crate::model::Model;
use crate::screen::BESIDE;
use crate::terminal::Raw;

/// Time after which shown ages have another number of seconds, in which a round's end may draw them anyway.
const SLACK: Duration = Duration::from_millis(50);

/// Reason for which the screen has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The operator has quit.
    Quit,
    /// A signal, or a terminal that is gone.
    Signal,
    /// The rounds have ended by themselves.
    Rounds,
}

/// Shows the screen until the operator quits, a signal arrives or the rounds end. `signal` resolves at the signal.
///
/// # Errors
///
/// Fails if the terminal cannot be set up, read or written to; it is restored in any case.
pub async fn run(
    mut model: Model,
    commands: Commands,
    mut updates: UnboundedReceiver<Update>,
    signal: impl Future<Output = ()>,
) -> io::Result<Ended> {
    let start = Instant::now();
    let mut terminal = Raw::enter()?;
    let mut keys = EventStream::new();
    let mut signal = std::pin::pin!(signal);
    loop {
        model.tick(start.elapsed());
        model.page = terminal.rows().saturating_sub(BESIDE).max(1).into();
        terminal.draw(&model)?;
        tokio::select! {
            () = &mut signal => return Ok(Ended::Signal),
            event = keys.next() => {
                let Some(event) = event else { return Ok(Ended::Signal) };
                // Keys that have arrived meanwhile are drawn together.
                let mut next = Some(event?);
                while let Some(event) = next.take() {
                    if let Some(ended) = take(event, &mut model, &mut terminal, &commands)? {
                        return Ok(ended);
                    }
                    next = keys.next().now_or_never().flatten().transpose()?;
                }
            }
            update = updates.recv() => {
                let Some(update) = update else { return Ok(Ended::Rounds) };
                model.tick(start.elapsed());
                model.update(update);
                while let Ok(update) = updates.try_recv() {
                    model.update(update);
                }
            }
            () = tokio::time::sleep(model.until_next_second() + SLACK) => {}
        }
    }
}

fn take(event: Event, model: &mut Model, terminal: &mut Raw, commands: &Commands) -> io::Result<Option<Ended>> {
    let effect = match event {
        Event::Key(key) => model.key(key),
        Event::Paste(text) => {
            model.paste(&text);
            None
        }
        Event::Resize(..) | Event::Mouse(_) | Event::FocusGained | Event::FocusLost => None,
    };
    match effect {
        None => {}
        Some(Effect::Quit) => return Ok(Some(Ended::Quit)),
        Some(Effect::Copy(text)) => terminal.copy(&text)?,
        // Rounds that have ended are noticed by their updates.
        Some(Effect::Send(command)) => drop(commands.send(command)),
    }
    Ok(None)
}
