//! Adding and removing plugins of a folder, so that a store that watches it never reads an incomplete one.

use std::fs::{self, DirBuilder};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::engine::Engine;
use archon_pool_core::private_file;

use super::entry::{self, Entry};
use super::folder::check;
use super::name::Name;
use super::store::PluginStore;
use crate::signature::Signature;
use crate::verified_plugin::{Bundle, Files, TrustRequirements, VerifiedPlugin};

impl PluginStore {
    /// Lists every plugin in a folder in the order of their names, verified as [`PluginStore::open`] does, and puts
    /// none into service.
    ///
    /// Compiles, and so blocks the thread. A folder that does not exist is empty; fails when it cannot be
    /// listed or others may write to it.
    pub fn list(engine: &Engine, folder: &Path, requirements: &TrustRequirements) -> Result<Vec<Entry>, Fault> {
        if private_file::is_there(folder) { entry::list(engine, folder, requirements) } else { Ok(Vec::new()) }
    }

    /// Adds a component to a folder under a name, with its signature and a policy file, and returns it as it was
    /// verified. The folder is created when it does not exist, for its owner alone.
    ///
    /// With `replace` it may replace another, whose policy file stays when no new one is given.
    /// Fails, and changes nothing, when the component would not be put into service there.
    pub fn add(
        engine: &Engine,
        folder: &Path,
        name: &Name,
        files: &Files,
        requirements: &TrustRequirements,
        replace: bool,
    ) -> Result<VerifiedPlugin, Fault> {
        let not_written = |error: Error| not_changed(folder, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(not_written)?;
        check(folder)?;
        let place = name.files(folder);
        let taken = private_file::is_there(&place.component);
        if taken && !replace {
            let message = format!("plugin '{name}' is there already: --replace takes its place");
            return Err(Fault::invalid(message));
        }
        // A policy file without a component is replaced by a new one, or must match this component.
        let policy = files.policy.clone().or(place.policy.clone());
        let bundle = Bundle::read(engine, &Files { policy, ..files.clone() })?;
        let verified = bundle.verify(engine, requirements)?;

        // The component last: until then, the files do not match and the old version stays in service.
        if files.policy.is_some()
            && let Some(policy) = &bundle.policy
        {
            private_file::write(&name.policy(folder), &policy.bytes).map_err(not_written)?;
        }
        match &bundle.signature {
            Some(signature) => private_file::write(&place.signature, &signature.bytes).map_err(not_written)?,
            None => remove(&place.signature).map_err(not_written)?,
        }
        private_file::write(&place.component, &bundle.component).map_err(not_written)?;
        Ok(verified)
    }

    /// Removes a plugin from a folder, with its policy file and its signature.
    ///
    /// Fails with `plugin-not-found` when there is none of this name.
    pub fn remove(folder: &Path, name: &Name) -> Result<(), Fault> {
        let place = name.files(folder);
        if !private_file::is_there(&place.component) {
            return Err(not_found(folder, name));
        }
        check(folder)?;
        let not_removed = |error: Error| not_changed(folder, &error);
        // The component first: it must never be there without its policy file.
        for path in [&place.component, &name.policy(folder), &Signature::path_of(&place.component)] {
            remove(path).map_err(not_removed)?;
        }
        Ok(())
    }

    /// Returns the paths of a plugin of a folder. Fails with `plugin-not-found` when there is none of this name.
    pub fn find(folder: &Path, name: &Name) -> Result<Files, Fault> {
        let files = name.files(folder);
        if !private_file::is_there(&files.component) {
            return Err(not_found(folder, name));
        }
        check(folder)?;
        Ok(files)
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn not_found(folder: &Path, name: &Name) -> Fault {
    let message = format!("there is no file and no plugin '{name}' in {}", folder.display());
    Fault::new(kind::PLUGIN_NOT_FOUND, message)
}

fn not_changed(folder: &Path, error: &Error) -> Fault {
    Fault::new("file-not-written", format!("plugin folder {} could not be changed: {error}", folder.display()))
}
