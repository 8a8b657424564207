//! The components that are composed with an observer into `pool-door.wasm`, which runs in any host of WASI 0.2 with
//! HTTP: the adapter provides the observer's imports by Supabase's Management API, the front exports one function.
//!
//! Components share no memory. The access token is the adapter's: the analysis gets handles and rows.
//!
//! It is empty unless compiled for WebAssembly.
#![cfg(target_arch = "wasm32")]

#[cfg(not(feature = "front"))]
mod api;
#[allow(unsafe_code, missing_docs, clippy::all, unreachable_pub, reason = "generated bindings")]
mod bindings;
#[cfg(not(feature = "front"))]
mod credentials;
#[cfg(not(feature = "front"))]
mod database;
#[cfg(feature = "front")]
mod front;
#[cfg(not(feature = "front"))]
mod http;
#[cfg(not(feature = "front"))]
mod pooler;

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The type that implements the exports.
struct Component;

#[allow(unsafe_code, reason = "the generated exports are `extern` functions")]
mod externs {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}
