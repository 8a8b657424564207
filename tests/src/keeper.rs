//! The thread that starts servers.
//!
//! A server is told to shut down when its parent dies (`PR_SET_PDEATHSIG`), so that not even a
//! SIGKILL of the tests leaves one behind. But Linux takes "parent" to mean the *thread* that
//! forked: a server started from a test's own thread would be shut down when that test ends, and one
//! started from a thread of a runtime whenever the runtime retires that thread. So all servers are
//! started by one thread that lives as long as the process.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

/// Spawns a command as a child of the keeper thread.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    // The sender is never dropped, so the thread never runs out of orders to wait for.
    static KEEPER: OnceLock<Sender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in orders {
                // Whoever asked may be gone by now; its child is then of no use.
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
    keeper.send((command, answer)).map_err(io::Error::other)?;
    spawned.recv().map_err(io::Error::other)?
}
