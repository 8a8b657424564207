//! Starts servers from one thread.
//!
//! A server gets a signal when its parent dies (`PR_SET_PDEATHSIG`), so that not even a SIGKILL of the tests leaves
//! one behind. Linux takes "parent" to mean the *thread* that forked, and threads of tests and runtimes end early. So
//! one thread, which lives as long as the process, starts all servers.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

/// Spawns a command as a child of the keeper thread.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    // The sender is never dropped, so the thread never stops.
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in orders {
                // The caller may have been dropped; its child is then ended.
                if let Err(unclaimed) = answer.send(command.spawn())
                    && let Ok(mut child) = unclaimed.0
                {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        });
        sender
    });
    let (answer, spawned) = channel();
    spawner.send((command, answer)).map_err(io::Error::other)?;
    spawned.recv().map_err(io::Error::other)?
}
