//! The component loader: any bytes are a component of one of the worlds, or refused. Text is taken for WAT.
#![no_main]

use std::sync::LazyLock;

use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use libfuzzer_sys::fuzz_target;

/// Small, so that mutations and not their compilation take the time.
const MOST_BYTES: u64 = 32 << 10;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let limits = Limits { component_bytes: MOST_BYTES, ..Limits::default() };
    Engine::new(&limits).expect("an engine")
});

fuzz_target!(|data: &[u8]| {
    let parsed = if data.starts_with(b"(") { wat::parse_bytes(data).ok() } else { None };
    let bytes = parsed.as_deref().unwrap_or(data);
    match Plugin::from_bytes(&ENGINE, "fuzzed", bytes) {
        Ok(plugin) => assert!(bytes.len() as u64 <= MOST_BYTES && !plugin.world().name().is_empty()),
        Err(fault) => assert!(!fault.kind.is_empty() && !fault.message.is_empty()),
    }
});
