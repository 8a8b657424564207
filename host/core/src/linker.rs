//! The imports for a linker, one by one: for an embedder with a store and a linker of its own.
//!
//! Each function links one interface of the WIT package; all but [`add_types`] need it. A [`Host`](crate::host::Host)
//! links those of the component's world.

use wasmtime::component::Linker;

use crate::bindings::{backends, credentials, database, pooler, scaling, types};
use crate::context::HasContext;
use crate::intercepted::{HasIntercepted, Intercepted};
use crate::world::World;

/// Links `types`.
pub fn add_types<T: HasContext + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, HasIntercepted>(linker, |data| Intercepted(data.context()))
}

/// Links `credentials`.
pub fn add_credentials<T: HasContext + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    credentials::add_to_linker::<T, HasIntercepted>(linker, |data| Intercepted(data.context()))
}

/// Links `database`.
pub fn add_database<T: HasContext + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    database::add_to_linker::<T, HasIntercepted>(linker, |data| Intercepted(data.context()))
}

/// Links `pooler`.
pub fn add_pooler<T: HasContext + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    pooler::add_to_linker::<T, HasIntercepted>(linker, |data| Intercepted(data.context()))
}

/// Links `backends`.
pub fn add_backends<T: HasContext + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    backends::add_to_linker::<T, HasIntercepted>(linker, |data| Intercepted(data.context()))
}

/// Links `scaling`.
pub fn add_scaling<T: HasContext + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    scaling::add_to_linker::<T, HasIntercepted>(linker, |data| Intercepted(data.context()))
}

/// Links all imports of a world but WASI.
pub fn add_world<T: HasContext + 'static>(linker: &mut Linker<T>, world: World) -> wasmtime::Result<()> {
    if world >= World::Observer {
        add_types(linker)?;
        add_credentials(linker)?;
        add_database(linker)?;
        add_pooler(linker)?;
    }
    if world >= World::Manager {
        add_backends(linker)?;
        add_scaling(linker)?;
    }
    Ok(())
}
