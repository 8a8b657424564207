//! The plugins of a folder that are in service.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::engine::Engine;

use super::folder::{check, components};
use super::name::Name;
use crate::verified_plugin::{Bundle, Digests, TrustRequirements, VerifiedPlugin};

/// The plugins of a folder. Cheap to clone: all clones share the same state.
#[derive(Clone)]
pub struct PluginStore {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    folder: PathBuf,
    requirements: TrustRequirements,
    slots: RwLock<BTreeMap<String, Slot>>,
    /// Held during a refresh, so that an older one never overwrites a newer one.
    refreshing: Mutex<()>,
}

/// The state of one name.
#[derive(Default)]
struct Slot {
    /// The component in service, and the digests of the files that it came from.
    current: Option<(Arc<VerifiedPlugin>, Digests)>,
    /// The digests that were verified last, with or without success.
    checked: Option<Digests>,
    trouble: Option<Fault>,
}

/// Reason for which a file of the folder is not in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The plugin's name, or that of an invalid file or of the folder.
    pub name: String,
    /// The reason.
    pub fault: Fault,
}

impl fmt::Debug for PluginStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin store {}", self.inner.folder.display())
    }
}

impl PluginStore {
    /// Puts all plugins of the folder into service. A plugin that is not verified is a [`Rejection`] and no error.
    ///
    /// Compiles, and so blocks the thread: call it in `spawn_blocking` where requests are served. Fails with
    /// `policy-invalid` when the folder does not exist or others may write to it.
    pub fn open(engine: Engine, folder: &Path, requirements: TrustRequirements) -> Result<Self, Fault> {
        check(folder)?;
        let (slots, refreshing) = (RwLock::default(), Mutex::default());
        let store =
            Self { inner: Arc::new(Inner { engine, folder: folder.to_owned(), requirements, slots, refreshing }) };
        store.refresh();
        Ok(store)
    }

    /// Returns the plugin that is in service under a name.
    pub fn get(&self, name: &str) -> Option<Arc<VerifiedPlugin>> {
        self.read().get(name)?.current.as_ref().map(|(verified, _)| Arc::clone(verified))
    }

    /// Returns the names of the plugins in service.
    pub fn names(&self) -> Vec<String> {
        let slots = self.read();
        slots.iter().filter(|(_, slot)| slot.current.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// Returns the files of the folder that are not in service, with the reason.
    pub fn troubles(&self) -> Vec<Rejection> {
        let slots = self.read();
        let troubles = slots.iter().filter_map(|(name, slot)| Some((name, slot.trouble.as_ref()?)));
        troubles.map(|(name, fault)| Rejection { name: name.clone(), fault: fault.clone() }).collect()
    }

    /// Returns the folder.
    pub(super) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Reads the folder now. Files with the same bytes as before are skipped; the others are verified and compiled, on
    /// this thread.
    pub fn refresh(&self) {
        let _refreshing = self.inner.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.inner.folder.display().to_string();
        let found = check(&self.inner.folder).and_then(|()| components(&self.inner.folder));
        let found = match found {
            Ok(found) => found,
            // The folder could not be listed, so nothing counts as removed.
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
                Ok(parsed) => self.check_files(&name, &parsed),
                Err(fault) => self.note(&name, fault),
            }
        }
    }

    fn check_files(&self, name: &str, parsed: &Name) {
        // Others were compiled since the folder was listed: a policy file may have been added or removed in between. It
        // is looked up before and after the component is read, and the component is installed last.
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
            if slot.checked == Some(digests) {
                return;
            }
            let current = slot.current.as_ref().map(|(_, digests)| *digests);
            if current == Some(digests) {
                // The files are again those of the version in service.
                (slot.checked, slot.trouble) = (Some(digests), None);
                return;
            }
            current.is_some_and(|digests| digests.policy.is_some())
        };
        let checked = if was_approved && digests.policy.is_none() {
            let message = format!("{} has lost its policy file: remove the component, too, to begin anew", bundle.name);
            Err(Fault::new(kind::NOT_APPROVED, message))
        } else {
            // A component that makes the compiler panic must not stop the other plugins from loading.
            let verifying = AssertUnwindSafe(|| bundle.verify(&self.inner.engine, &self.inner.requirements));
            catch_unwind(verifying).unwrap_or_else(|_| {
                let message = format!("{} made the compiler panic: it is not put into service", bundle.name);
                Err(Fault::new(kind::NOT_A_COMPONENT, message))
            })
        };
        let verified = match checked {
            Ok(verified) => verified,
            Err(fault) => {
                self.note(name, fault);
                self.write().entry(name.to_owned()).or_default().checked = Some(digests);
                return;
            }
        };
        tracing::info!(plugin = name, digest = %digests.component, "the plugin is in service");
        let current = Some((Arc::new(verified), digests));
        self.write().insert(name.to_owned(), Slot { current, checked: Some(digests), trouble: None });
    }

    /// Stores a rejection, and logs it once. The files are verified again at the next refresh.
    fn note(&self, name: &str, fault: Fault) {
        let mut slots = self.write();
        let slot = slots.entry(name.to_owned()).or_default();
        if slot.trouble.as_ref() != Some(&fault) {
            let stays =
                if slot.current.is_some() { "the old version stays in service" } else { "it is not in service" };
            tracing::warn!(plugin = name, "{fault}; {stays}");
        }
        slot.checked = None;
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
