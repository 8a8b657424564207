//! Settings of wasmtime that decide which machine code it makes of a component. The build script includes this file, so
//! that what it compiles fits the engine.

use wasmtime::Config;

/// Returns the settings of code that can be interrupted and that computes the same on every processor; `counted` if it
/// counts its instructions.
pub(crate) fn code_settings(counted: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(counted)
        .memory_init_cow(true)
        // The same input gives the same bytes on every processor.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}
