//! A folder of plugins, each in service under its name, and replaced while others run.
//!
//! `NAME.wasm` is a component, `NAME.policy.toml` its policy file and `NAME.wasm.sig` its signature. What
//! the folder holds is in service once it passed: a new version that does not load, or that does not
//! match its policy file or its signature, leaves the old one in service and is a [`Trouble`].
//!
//! A call keeps the component that it began with; the next call gets the new one. A policy file that
//! goes while its component stays does not set the component free: what was approved stays in service.
//!
#![doc = include_str!("../docs/plugins.md")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use archon_pool_contract::fault::{Fault, kind};

use crate::engine::Engine;
use crate::guarded_file;
use crate::vetted::{Bundle, Demands, Digests, Vetted};

mod entry;
mod keeping;
mod name;
mod watch;

pub use self::entry::{Entry, PolicyState, SignatureState};
pub use self::name::Name;
pub use self::watch::Watch;

/// The plugins of a folder. Cheap to clone: all clones are the same shelf.
#[derive(Clone)]
pub struct Shelf {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    folder: PathBuf,
    demands: Demands,
    slots: RwLock<BTreeMap<String, Slot>>,
    /// Held while the folder is looked at, so that an older look never overwrites a newer one.
    looking: Mutex<()>,
}

/// A place on the shelf.
#[derive(Default)]
struct Slot {
    /// What is in service, and the bytes that it came from.
    current: Option<(Arc<Vetted>, Digests)>,
    /// The bytes that were judged last, whether they passed or not.
    judged: Option<Digests>,
    trouble: Option<Fault>,
}

/// Why what stands in the folder is not in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The plugin's name, or that of a file or folder that is none.
    pub name: String,
    /// Why.
    pub fault: Fault,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shelf {}", self.inner.folder.display())
    }
}

impl Shelf {
    /// Puts everything that the folder holds into service. A plugin that does not pass is a
    /// [`Trouble`] and no error.
    ///
    /// Compiles, and so blocks the thread: on a serving path it belongs into `spawn_blocking`. Fails with
    /// `policy-invalid` when the folder does not exist or others may write to it.
    pub fn open(engine: Engine, folder: &Path, demands: Demands) -> Result<Self, Fault> {
        check(folder)?;
        let (slots, looking) = (RwLock::default(), Mutex::default());
        let shelf = Self { inner: Arc::new(Inner { engine, folder: folder.to_owned(), demands, slots, looking }) };
        shelf.refresh();
        Ok(shelf)
    }

    /// The plugin that is in service under a name.
    pub fn get(&self, name: &str) -> Option<Arc<Vetted>> {
        self.read().get(name)?.current.as_ref().map(|(vetted, _)| Arc::clone(vetted))
    }

    /// The names under which something is in service.
    pub fn names(&self) -> Vec<String> {
        let slots = self.read();
        slots.iter().filter(|(_, slot)| slot.current.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// Everything in the folder that is not in service, and why.
    pub fn troubles(&self) -> Vec<Trouble> {
        let slots = self.read();
        let troubles = slots.iter().filter_map(|(name, slot)| Some((name, slot.trouble.as_ref()?)));
        troubles.map(|(name, fault)| Trouble { name: name.clone(), fault: fault.clone() }).collect()
    }

    /// Looks at the folder now. What has the same bytes as before is left alone; the rest is judged and
    /// compiled, on this thread.
    pub fn refresh(&self) {
        let _looking = self.inner.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.inner.folder.display().to_string();
        let found = check(&self.inner.folder).and_then(|()| components(&self.inner.folder));
        let found = match found {
            Ok(found) => found,
            // Nothing was seen, so nothing is known to have gone.
            Err(fault) => return self.note(&folder, fault),
        };
        self.write().retain(|name, slot| {
            let there = found.contains_key(name);
            if !there && slot.current.is_some() {
                tracing::info!(plugin = name, "the plugin was removed");
            }
            there
        });
        for (name, file) in found {
            match file {
                Ok(parsed) => self.judge(&name, &parsed),
                Err(fault) => self.note(&name, fault),
            }
        }
    }

    fn judge(&self, name: &str, parsed: &Name) {
        // Others were compiled since the folder was listed: a policy file may have come, or gone, in between. It is
        // looked for before and after the component is read, and the component is the last to be put in place.
        let files = parsed.files(&self.inner.folder);
        let bundle = match Bundle::read(&self.inner.engine, &files) {
            Ok(bundle) => bundle,
            Err(fault) => return self.note(name, fault),
        };
        if files.policy.is_none() && parsed.files(&self.inner.folder) != files {
            let message = format!("{} was given a policy file while it was read: it is looked at again", bundle.name);
            return self.note(name, Fault { retryable: true, ..Fault::new(kind::NOT_APPROVED, message) });
        }
        let digests = bundle.digests();
        let was_approved = {
            let mut slots = self.write();
            let slot = slots.entry(name.to_owned()).or_default();
            if slot.judged == Some(digests) {
                return;
            }
            let current = slot.current.as_ref().map(|(_, digests)| *digests);
            if current == Some(digests) {
                // Back to what is in service.
                (slot.judged, slot.trouble) = (Some(digests), None);
                return;
            }
            current.is_some_and(|digests| digests.policy.is_some())
        };
        let judged = if was_approved && digests.policy.is_none() {
            let message = format!("{} has lost its policy file: remove the component, too, to begin anew", bundle.name);
            Err(Fault::new(kind::NOT_APPROVED, message))
        } else {
            // Whatever a stranger's bytes do to the compiler, the other plugins are still looked at.
            let vetting = AssertUnwindSafe(|| bundle.vet(&self.inner.engine, &self.inner.demands));
            catch_unwind(vetting).unwrap_or_else(|_| {
                let message = format!("{} made the compiler panic: it is not put into service", bundle.name);
                Err(Fault::new(kind::NOT_A_COMPONENT, message))
            })
        };
        let vetted = match judged {
            Ok(vetted) => vetted,
            Err(fault) => {
                self.note(name, fault);
                self.write().entry(name.to_owned()).or_default().judged = Some(digests);
                return;
            }
        };
        tracing::info!(plugin = name, digest = %digests.component, "the plugin is in service");
        let current = Some((Arc::new(vetted), digests));
        self.write().insert(name.to_owned(), Slot { current, judged: Some(digests), trouble: None });
    }

    /// Keeps a trouble, and says it once. What was read is judged anew when it can be read again.
    fn note(&self, name: &str, fault: Fault) {
        let mut slots = self.write();
        let slot = slots.entry(name.to_owned()).or_default();
        if slot.trouble.as_ref() != Some(&fault) {
            let stays =
                if slot.current.is_some() { "the old version stays in service" } else { "it is not in service" };
            tracing::warn!(plugin = name, "{fault}; {stays}");
        }
        slot.judged = None;
        slot.trouble = Some(fault);
    }

    // Nothing that holds the lock can panic halfway through a change.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Slot>> {
        self.inner.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Slot>> {
        self.inner.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever may write to the folder decides what runs.
fn check(folder: &Path) -> Result<(), Fault> {
    guarded_file::check_folder(folder)
        .map_err(|why| Fault::new(kind::POLICY_INVALID, format!("plugin folder {}: {why}", folder.display())))
}

/// The components of a folder under their names; under its file's name, one that cannot have a name.
fn components(folder: &Path) -> Result<BTreeMap<String, Result<Name, Fault>>, Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::new(kind::POLICY_INVALID, format!("plugin folder {}: {error}", folder.display()))
    };
    let mut components = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.file_name();
        let file = file.to_string_lossy();
        // What is still being written has a name that begins with a dot.
        let Some(stem) = file.strip_suffix(".wasm").filter(|stem| !stem.starts_with('.')) else { continue };
        match stem.parse::<Name>() {
            Ok(name) => components.insert(stem.to_owned(), Ok(name)),
            Err(fault) => components.insert(file.clone().into_owned(), Err(fault)),
        };
    }
    Ok(components)
}

#[cfg(test)]
mod tests;
