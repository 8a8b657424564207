//! The three components that are built from the plugin and travel inside this library.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::guard_file;
use crate::private_file;

/// How much power a component asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum World {
    /// Judges a snapshot; imports nothing.
    Analyser,
    /// Reads a live server.
    Observer,
    /// Reads a live server, ends sessions and resizes pools.
    Manager,
}

impl World {
    /// All of them, from no power to all of it.
    pub const ALL: [Self; 3] = [Self::Analyser, Self::Observer, Self::Manager];

    /// The world's name in the WIT package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Analyser => "analyser",
            Self::Observer => "observer",
            Self::Manager => "manager",
        }
    }

    /// The name of the built-in component's file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Analyser => "pool-analyser.wasm",
            Self::Observer => "pool-observer.wasm",
            Self::Manager => "pool-manager.wasm",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The built-in component of a world.
pub fn embedded(world: World) -> &'static [u8] {
    match world {
        World::Analyser => include_bytes!(concat!(env!("OUT_DIR"), "/pool-analyser.wasm")),
        World::Observer => include_bytes!(concat!(env!("OUT_DIR"), "/pool-observer.wasm")),
        World::Manager => include_bytes!(concat!(env!("OUT_DIR"), "/pool-manager.wasm")),
    }
}

/// Writes the three components into a directory, which is created when it does not exist, and beside them
/// `guard.json`, by which hosts in other languages guard as this one does. Returns the paths.
pub fn write_all(directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let guard = guard_file::text();
    let components = World::ALL.map(|world| (world.file_name(), embedded(world)));
    components
        .into_iter()
        .chain([(guard_file::FILE_NAME, guard.as_bytes())])
        .map(|(name, bytes)| {
            let path = directory.join(name);
            private_file::write(&path, bytes)?;
            Ok(path)
        })
        .collect()
}
