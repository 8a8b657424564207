//! The three components that are built from the plugin and embedded in this library.

pub use crate::world::World;

/// Returns the built-in component of a world.
pub fn embedded(world: World) -> &'static [u8] {
    match world {
        World::Analyser => include_bytes!(concat!(env!("OUT_DIR"), "/pool-analyser.wasm")),
        World::Observer => include_bytes!(concat!(env!("OUT_DIR"), "/pool-observer.wasm")),
        World::Manager => include_bytes!(concat!(env!("OUT_DIR"), "/pool-manager.wasm")),
    }
}
