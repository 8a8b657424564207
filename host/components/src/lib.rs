//! The three components that are built from the plugin, one for each world of `wit/`.
//!
//! A crate of its own, so that the components are built while wasmtime is compiled.

/// The component that imports nothing.
pub const ANALYSER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pool-analyser.wasm"));
/// The component that can read.
pub const OBSERVER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pool-observer.wasm"));
/// The component that can also end sessions and resize pools.
pub const MANAGER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pool-manager.wasm"));
