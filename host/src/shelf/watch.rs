//! Picks up what changes in the folder. Events only say when to look: whether anything is new is
//! decided by the bytes, so that a burst of events costs one look and no waiting.

use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use archon_pool_contract::fault::{Fault, kind};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::Shelf;

/// The shelf is kept current while this lives.
pub struct Watch {
    // Dropped first: it holds the sender for which the thread waits.
    watcher: Option<RecommendedWatcher>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watch of a shelf")
    }
}

impl Shelf {
    /// Keeps the shelf current from now on, on a thread of its own: a new version is compiled there, never
    /// where calls are served.
    ///
    /// It is this folder that is watched, not its name: one that is removed and made again is not noticed.
    /// Fails when the system cannot watch the folder.
    pub fn watch(&self) -> Result<Watch, Fault> {
        let folder = self.inner.folder.clone();
        let failed = |why: &dyn fmt::Display| {
            Fault::new(kind::POLICY_INVALID, format!("plugin folder {} cannot be watched: {why}", folder.display()))
        };
        // One look that is due stands for all that happened before it.
        let (due, looks) = sync_channel::<()>(1);
        let mut watcher = notify::recommended_watcher(wake(due.clone())).map_err(|error| failed(&error))?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(|error| failed(&error))?;
        // What changed between the last look and the watch.
        let _ = due.try_send(());
        drop(due);
        let shelf = self.clone();
        let thread = std::thread::Builder::new()
            .name("archon-pool-shelf".into())
            .spawn(move || {
                while looks.recv().is_ok() {
                    shelf.refresh();
                }
            })
            .map_err(|error| failed(&error))?;
        Ok(Watch { watcher: Some(watcher), thread: Some(thread) })
    }
}

fn wake(due: SyncSender<()>) -> impl Fn(notify::Result<Event>) {
    move |event| {
        match event {
            // Reading the folder is an event, too, and our own looks are no news.
            Ok(Event { kind: EventKind::Access(access), .. }) if access != AccessKind::Close(AccessMode::Write) => {
                return;
            }
            Ok(_) => {}
            // Events may have been lost: look.
            Err(error) => tracing::warn!("the plugin folder's watch: {error}"),
        }
        // Full: a look is due already, and will see this, too.
        let _ = due.try_send(());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.watcher.take());
        if let Some(thread) = self.thread.take() {
            // A look that goes on is waited for; it cannot panic, and a drop has nobody to tell.
            let _ = thread.join();
        }
    }
}
