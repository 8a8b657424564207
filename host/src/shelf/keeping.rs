//! Putting plugins into a folder and taking them out, so that a shelf that watches never sees half.

use std::fs::{self, DirBuilder};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use archon_pool_contract::fault::{Fault, kind};

use super::entry::{self, Entry};
use super::{Name, Shelf, check};
use crate::engine::Engine;
use crate::guarded_file;
use crate::private_file;
use crate::signature::Signature;
use crate::vetted::{Bundle, Demands, Files, Vetted};

impl Shelf {
    /// Looks at every plugin in a folder as [`Shelf::open`] would, in the order of their names, and puts none
    /// into service.
    ///
    /// Compiles, and so blocks the thread. A folder that does not exist is empty; fails when it cannot be
    /// listed or others may write to it.
    pub fn list(engine: &Engine, folder: &Path, demands: &Demands) -> Result<Vec<Entry>, Fault> {
        if guarded_file::is_there(folder) { entry::list(engine, folder, demands) } else { Ok(Vec::new()) }
    }

    /// Puts a component into a folder under a name, with its signature and a policy file, and answers what
    /// it came to. The folder is created when it does not exist, for its owner alone.
    ///
    /// With `replace` it may take the place of another, whose policy file stays when no new one is given.
    /// Fails, and changes nothing, when the component does not pass as it would stand there.
    pub fn add(
        engine: &Engine,
        folder: &Path,
        name: &Name,
        files: &Files,
        demands: &Demands,
        replace: bool,
    ) -> Result<Vetted, Fault> {
        let not_written = |error: Error| not_changed(folder, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(not_written)?;
        check(folder)?;
        let place = name.files(folder);
        let taken = guarded_file::is_there(&place.component);
        if taken && !replace {
            let message = format!("plugin '{name}' is there already: --replace takes its place");
            return Err(Fault::invalid(message));
        }
        // A policy file of a component that is gone is nobody's: it is replaced, or it is in the way.
        let policy = files.policy.clone().or(place.policy.clone());
        let bundle = Bundle::read(engine, &Files { policy, ..files.clone() })?;
        let vetted = bundle.vet(engine, demands)?;

        // The component last: until then, what is there does not match and the old one stays in service.
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
        Ok(vetted)
    }

    /// Takes a plugin out of a folder, with its policy file and its signature.
    ///
    /// Fails with `plugin-not-found` when there is none of this name.
    pub fn remove(folder: &Path, name: &Name) -> Result<(), Fault> {
        let place = name.files(folder);
        if !guarded_file::is_there(&place.component) {
            return Err(not_found(folder, name));
        }
        check(folder)?;
        let not_removed = |error: Error| not_changed(folder, &error);
        // The component first: it must not stand there without its policy file for a moment.
        for path in [&place.component, &name.policy(folder), &Signature::path_of(&place.component)] {
            remove(path).map_err(not_removed)?;
        }
        Ok(())
    }

    /// Where a plugin of a folder stands. Fails with `plugin-not-found` when there is none of this name.
    pub fn find(folder: &Path, name: &Name) -> Result<Files, Fault> {
        let files = name.files(folder);
        if !guarded_file::is_there(&files.component) {
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
