//! Refreshing of the store when its folder changes. Events only trigger a refresh: digests decide which files are new,
//! so that a burst of events costs one refresh and no delay.

use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use archon_pool_contract::fault::{Fault, kind};
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::store::PluginStore;

/// Keeps the store current until it is dropped.
pub struct Watch {
    // Dropped first: it holds the sender for which the thread waits.
    watcher: Option<RecommendedWatcher>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watch of a plugin store")
    }
}

impl PluginStore {
    /// Keeps the store current from now on, on a thread of its own, which compiles new versions.
    ///
    /// The watch is on this folder, not on its name: a folder that is removed and created again is not noticed.
    /// Fails when the system cannot watch the folder.
    pub fn watch(&self) -> Result<Watch, Fault> {
        let folder = self.folder().to_owned();
        let failed = |why: &dyn fmt::Display| {
            Fault::new(kind::POLICY_INVALID, format!("plugin folder {} cannot be watched: {why}", folder.display()))
        };
        // One pending refresh covers all events before it.
        let (due, refreshes) = sync_channel::<()>(1);
        let mut watcher = notify::recommended_watcher(wake(due.clone())).map_err(|error| failed(&error))?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(|error| failed(&error))?;
        // Covers changes between the last refresh and the watch.
        let _ = due.try_send(());
        drop(due);
        let store = self.clone();
        let thread = std::thread::Builder::new()
            .name("archon-pool-plugin-store".into())
            .spawn(move || {
                while refreshes.recv().is_ok() {
                    store.refresh();
                }
            })
            .map_err(|error| failed(&error))?;
        Ok(Watch { watcher: Some(watcher), thread: Some(thread) })
    }
}

fn wake(due: SyncSender<()>) -> impl Fn(notify::Result<Event>) {
    move |event| {
        match event {
            // A refresh reads the folder, which is an event as well.
            Ok(Event { kind: EventKind::Access(access), .. }) if access != AccessKind::Close(AccessMode::Write) => {
                return;
            }
            Ok(_) => {}
            // Events may have been lost: refresh.
            Err(error) => tracing::warn!("the plugin folder's watch: {error}"),
        }
        // Full: a refresh is pending already, and will read this change.
        let _ = due.try_send(());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.watcher.take());
        if let Some(thread) = self.thread.take() {
            // Waits for a running refresh. It cannot panic, and a drop cannot return an error.
            let _ = thread.join();
        }
    }
}
