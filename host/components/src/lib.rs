//! The components that are built from the plugin: one for each world of `wit/`, and one for hosts of WASI.
//!
//! A crate of its own, so that the components are built while wasmtime is compiled.
//!
#![doc = include_str!("../../docs/distribution.md")]

/// The component that imports nothing.
pub const ANALYSER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pool-analyser.wasm"));
/// The component that can read.
pub const OBSERVER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pool-observer.wasm"));
/// The component that can also end sessions and resize pools.
pub const MANAGER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pool-manager.wasm"));
/// The observer with its imports provided by `wasi:http`, which exports one function.
pub const DOOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pool-door.wasm"));

/// The WIT package as one document: what the components import and export, with its documentation.
pub const WIT: &str = concat!(
    include_str!("../../../wit/types.wit"),
    "\n",
    include_str!("../../../wit/analysis.wit"),
    "\n",
    include_str!("../../../wit/credentials.wit"),
    "\n",
    include_str!("../../../wit/database.wit"),
    "\n",
    include_str!("../../../wit/pooler.wit"),
    "\n",
    include_str!("../../../wit/backends.wit"),
    "\n",
    include_str!("../../../wit/scaling.wit"),
    "\n",
    include_str!("../../../wit/pool-manager.wit"),
    "\n",
    include_str!("../../../wit/skill.wit"),
    "\n",
    include_str!("../../../wit/worlds.wit"),
);
