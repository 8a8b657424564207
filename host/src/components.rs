//! The three components that are built from the plugin, and the files for hosts in other languages.

use std::io;
use std::path::{Path, PathBuf};

use archon_pool_core::private_file;

pub use archon_pool_core::components::{World, embedded};

use crate::guard_spec;

/// Writes the three components into a directory, which is created if needed, and `guard.json` with the guard's rules
/// for hosts in other languages. Returns the paths.
pub fn write_all(directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let guard = guard_spec::text();
    let components = World::ALL.map(|world| (world.file_name(), embedded(world)));
    components
        .into_iter()
        .chain([(guard_spec::FILE_NAME, guard.as_bytes())])
        .map(|(name, bytes)| {
            let path = directory.join(name);
            private_file::write(&path, bytes)?;
            Ok(path)
        })
        .collect()
}
