//! Starts, watches and reliably ends a server's process.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::spawner;

/// Process that can be restarted. Ended on drop.
#[derive(Debug, Default)]
pub(crate) struct Process(Mutex<Option<Child>>);

impl Process {
    /// Takes over a process that runs.
    pub(crate) fn of(child: Child) -> Self {
        Self(Mutex::new(Some(child)))
    }

    /// Starts the process.
    pub(crate) fn launch(&self, command: Command) -> io::Result<()> {
        *self.child() = Some(spawner::spawn(command)?);
        Ok(())
    }

    /// Returns true if the process runs.
    pub(crate) fn is_running(&self) -> io::Result<bool> {
        let mut child = self.child();
        let Some(running) = child.as_mut() else { return Ok(false) };
        if running.try_wait()?.is_none() {
            return Ok(true);
        }
        *child = None;
        Ok(false)
    }

    /// Returns the process id until the process was found to have ended, so that the id cannot have been reused.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) -> io::Result<()> {
        if let Some(pid) = self.id() {
            send(signal, pid)?;
        }
        Ok(())
    }

    /// Ends the process by a signal, and by SIGKILL if that takes too long. Blocks, because destructors are
    /// synchronous.
    pub(crate) fn end(&self, signal: &str) {
        let _ = self.signal(signal);
        let start = Instant::now();
        while self.is_running().unwrap_or(false) {
            if start.elapsed() > Duration::from_secs(10)
                && let Some(mut child) = self.child().take()
            {
                let _ = child.kill();
                let _ = child.wait();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a signal through the shell's `kill`, which avoids `unsafe` and a dependency. Returns false if it was not sent.
pub(crate) fn send(signal: &str, pid: u32) -> io::Result<bool> {
    let script = r#"kill -s "$0" "$1""#;
    let mut kill = Command::new("sh");
    kill.args(["-c", script, signal, &pid.to_string()]).stderr(Stdio::null()).status().map(|status| status.success())
}
