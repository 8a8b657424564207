//! The components with the names and descriptions under which they are distributed.

use archon_pool_core::components::{DOOR, World, embedded};

/// A component as a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct ComponentFile {
    /// Its name, with the ending `.wasm`.
    pub(super) name: &'static str,
    /// One clause that describes it.
    pub(super) description: &'static str,
    /// Its bytes.
    pub(super) bytes: &'static [u8],
}

/// Returns the components.
pub(super) fn all() -> Vec<ComponentFile> {
    let of_world = |world: World| ComponentFile {
        name: world.file_name(),
        description: match world {
            World::Analyser => "Analyses a snapshot of PostgreSQL sessions; imports nothing",
            World::Observer => "Reads PostgreSQL sessions and finds leaks; has no import to change anything",
            World::Manager => "Finds leaked PostgreSQL sessions, ends them and resizes pools on request",
        },
        bytes: embedded(world),
    };
    let door = ComponentFile {
        name: "pool-door.wasm",
        description: "Finds leaked sessions of a Supabase project in any host of WASI with HTTP; changes nothing",
        bytes: DOOR,
    };
    World::ALL.map(of_world).into_iter().chain([door]).collect()
}
