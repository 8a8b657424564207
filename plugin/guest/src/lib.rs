//! The components' WIT interface: exports call the analysis in [`archon_pool_plugin`], imports reach the host, records are
//! converted between both sides. A crate of its own, so that the analysis is compiled once for the three worlds.
//!
//! It is empty unless compiled for WebAssembly.
#![cfg(target_arch = "wasm32")]

#[allow(unsafe_code, missing_docs, clippy::all, unreachable_pub, reason = "generated bindings")]
mod bindings;
mod convert;
mod exports;
#[cfg(feature = "observer")]
mod imports;

/// Faster than Rust's own allocator for WebAssembly, which takes as long for a row's texts as the analysis of the row.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
