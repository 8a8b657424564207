//! The components that are built from the plugin and embedded in this library, as WebAssembly; those of the three worlds
//! also as machine code.

use wasmtime::component::Component;

use crate::digest::Digest;

pub use crate::world::World;
pub use archon_pool_components::{DOOR, WIT};

/// Returns the built-in component of a world.
pub fn embedded(world: World) -> &'static [u8] {
    match world {
        World::Analyser => archon_pool_components::ANALYSER,
        World::Observer => archon_pool_components::OBSERVER,
        World::Manager => archon_pool_components::MANAGER,
    }
}

/// Loads the machine code of a built-in component; without the feature `precompiled` there is none.
#[cfg(not(feature = "precompiled"))]
pub(crate) fn precompiled(_: &wasmtime::Engine, _: World, _: Digest) -> Option<Component> {
    None
}

/// Loads the machine code of a built-in component with this digest, which the build script compiled for the oldest
/// processor of this kind; none where it could not, or where the engine has other settings than [`code_settings`].
///
/// [`code_settings`]: crate::engine::code_settings
#[cfg(feature = "precompiled")]
pub(crate) fn precompiled(engine: &wasmtime::Engine, world: World, wanted: Digest) -> Option<Component> {
    let (digest, code): (&[u8], &[u8]) = match world {
        World::Analyser => include!(concat!(env!("OUT_DIR"), "/pool-analyser.rs")),
        World::Observer => include!(concat!(env!("OUT_DIR"), "/pool-observer.rs")),
        World::Manager => include!(concat!(env!("OUT_DIR"), "/pool-manager.rs")),
    };
    if code.is_empty() || *digest != wanted.as_bytes()[..] {
        return None;
    }
    // SAFETY: the code is part of this program, and wasmtime of this version made it from the component with this
    // digest, in the same build. What wasmtime can check, it does: its version, the settings and the processor.
    #[allow(unsafe_code, reason = "wasmtime cannot verify machine code, which is as trusted as the program it is in")]
    let loaded = unsafe { Component::deserialize(engine, code) };
    loaded.inspect_err(|error| tracing::debug!("the built-in component is compiled anew: {error:#}")).ok()
}

#[cfg(all(test, feature = "precompiled"))]
mod tests {
    use super::*;
    use crate::engine::{Engine, Metering};
    use crate::limits::Limits;

    #[test]
    fn the_built_in_components_are_loaded_without_compiling_them() {
        let limits = Limits::default();
        for engine in
            [Engine::builder(&limits), Engine::builder(&limits).pooled(2)].map(|engine| engine.build().unwrap())
        {
            for world in World::ALL {
                let digest = Digest::of(embedded(world));
                assert!(precompiled(engine.wasmtime_of(Metering::TimeOnly), world, digest).is_some(), "{world}");
                // Code that counts its instructions is other code, which the compile cache keeps.
                assert!(precompiled(engine.wasmtime_of(Metering::Counted), world, digest).is_none(), "{world}");
            }
        }
    }
}
