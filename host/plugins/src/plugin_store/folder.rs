//! The folder of plugins: its permissions, and the components in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::private_file;

use super::name::Name;

/// Checks that no other user may write to the folder, because its content decides which code runs.
pub(super) fn check(folder: &Path) -> Result<(), Fault> {
    private_file::check_folder(folder)
        .map_err(|why| Fault::new(kind::POLICY_INVALID, format!("plugin folder {}: {why}", folder.display())))
}

/// Returns the components of a folder by name; by file name, if that is not a valid name.
pub(super) fn components(folder: &Path) -> Result<BTreeMap<String, Result<Name, Fault>>, Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::new(kind::POLICY_INVALID, format!("plugin folder {}: {error}", folder.display()))
    };
    let mut components = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.file_name();
        let file = file.to_string_lossy();
        // The name of a file that is still being written begins with a dot.
        let Some(stem) = file.strip_suffix(".wasm").filter(|stem| !stem.starts_with('.')) else { continue };
        match stem.parse::<Name>() {
            Ok(name) => components.insert(stem.to_owned(), Ok(name)),
            Err(fault) => components.insert(file.clone().into_owned(), Err(fault)),
        };
    }
    Ok(components)
}
