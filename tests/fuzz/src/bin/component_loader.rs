//! Fuzzes the component loader: any bytes are a component of one of the worlds, or rejected. Text is parsed as WAT; a
//! first byte of 0, 1 or 2 selects a built-in component, and each three of the other bytes change one byte of it.
#![no_main]

use std::sync::LazyLock;

use archon_pool::components::{World, embedded};
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use libfuzzer_sys::fuzz_target;

/// Limit that admits the built-in components, and little more.
const MOST_BYTES: u64 = 1 << 20;
/// Range at either end of a built-in component in which bytes are changed: its types, imports and exports. Changes to
/// the code between them would be compiled, which takes a second and tests only wasmtime.
const MARGIN: usize = 8 << 10;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let limits = Limits { component_bytes: MOST_BYTES, ..Limits::default() };
    Engine::new(&limits).expect("an engine")
});

fuzz_target!(|data: &[u8]| {
    let made = match data {
        [b'(', ..] => wat::parse_bytes(data).ok().map(|bytes| bytes.into_owned()),
        [world @ 0..=2, changes @ ..] => Some(changed(World::ALL[usize::from(*world)], changes)),
        _ => None,
    };
    let bytes = made.as_deref().unwrap_or(data);
    match Plugin::from_bytes(&ENGINE, "fuzzed", bytes) {
        Ok(plugin) => assert!(bytes.len() as u64 <= MOST_BYTES && !plugin.world().name().is_empty()),
        Err(fault) => assert!(!fault.kind.is_empty() && !fault.message.is_empty()),
    }
});

fn changed(world: World, changes: &[u8]) -> Vec<u8> {
    let mut bytes = embedded(world).to_vec();
    for change in changes.chunks_exact(3) {
        let offset = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let from_start = (offset / 2) % MARGIN;
        let at = if offset % 2 == 0 { from_start } else { bytes.len() - 1 - from_start };
        bytes[at] = change[2];
    }
    bytes
}
