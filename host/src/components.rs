//! The three components that are built from the plugin and embedded in this library.

use std::io;
use std::path::{Path, PathBuf};

use crate::guard_spec;
use crate::private_file;
pub use crate::world::World;

/// Returns the built-in component of a world.
pub fn embedded(world: World) -> &'static [u8] {
    match world {
        World::Analyser => include_bytes!(concat!(env!("OUT_DIR"), "/pool-analyser.wasm")),
        World::Observer => include_bytes!(concat!(env!("OUT_DIR"), "/pool-observer.wasm")),
        World::Manager => include_bytes!(concat!(env!("OUT_DIR"), "/pool-manager.wasm")),
    }
}

/// Writes the three components into a directory, which is created when it does not exist, and beside them
/// `guard.json`, with the guard's rules for hosts in other languages. Returns the paths.
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
