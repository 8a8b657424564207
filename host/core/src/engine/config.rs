//! Settings of wasmtime: interruption of components, their memory, and the cache of compiled components.

use std::path::PathBuf;
use std::sync::Once;

use wasmtime::{Cache, CacheConfig, Config, Enabled, PoolingAllocationConfig};

use super::code_settings::code_settings;
use crate::limits::Limits;
use crate::private_file;
use crate::xdg;

/// Room on a call's stack for the host's own functions, above the component's.
const HOST_STACK: usize = 1 << 20;

/// Memories, and tables, that a pool holds for each call, and so the most that it may have. The built-in components
/// have one memory and two tables; those from other languages have hardly more.
pub(crate) const PER_CALL: u32 = 4;

/// Elements of a table in a pool.
const TABLE_ELEMENTS: usize = 100_000;

/// Bytes of a memory, of a table and of a stack that stay in the pool when a call ends. They are wiped; the rest goes
/// back to the system, which gives it out again page by page, and that takes longer than a small call computes. It is
/// what such a call uses and not much more: the host wipes what was used, and keeps it for every place of the pool.
const KEPT_MEMORY: usize = 256 << 10;
const KEPT_TABLE: usize = 4 << 10;
const KEPT_STACK: usize = 32 << 10;

/// Returns the settings of an engine without a pool, which counts instructions if `counted`.
pub(crate) fn config(limits: &Limits, cache: Option<&Cache>, counted: bool) -> Config {
    let mut config = code_settings(counted);
    config
        .max_wasm_stack(limits.stack)
        .async_stack_size(limits.stack.saturating_add(HOST_STACK))
        // Wiped, so that the next call cannot read the stack or memory of the one before.
        .async_stack_zeroing(true)
        .cache(cache.cloned());
    config
}

/// Returns the settings of a pool for this number of calls.
pub(super) fn pool(limits: &Limits, calls: u32) -> PoolingAllocationConfig {
    let instances = u32::try_from(limits.instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_stacks(calls)
        // These are only counted; memories and tables take address space.
        .total_core_instances(calls.saturating_mul(instances))
        .total_memories(calls.saturating_mul(PER_CALL))
        .total_tables(calls.saturating_mul(PER_CALL))
        .max_memories_per_module(PER_CALL)
        .max_tables_per_module(PER_CALL)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(limits.memory)
        .linear_memory_keep_resident(KEPT_MEMORY)
        .table_keep_resident(KEPT_TABLE)
        .async_stack_keep_resident(KEPT_STACK)
        // The used part is not at the beginning: a stack that grows down comes first.
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Opens the cache of compiled components. They run unchecked, so a user who could write there would bypass every
/// signature: there is no cache unless the folder belongs to this user alone.
pub(crate) fn cache() -> Result<Cache, String> {
    static TOLD: Once = Once::new();
    let opened = cache_folder().and_then(|folder| {
        let mut config = CacheConfig::new();
        config.with_directory(folder);
        Cache::new(config).map_err(|error| format!("{error:#}"))
    });
    opened.inspect_err(|why| {
        TOLD.call_once(|| tracing::warn!("components are compiled anew each time, without a cache: {why}"));
    })
}

/// Returns `archon-pool/compiled` under `$XDG_CACHE_HOME` or `~/.cache`; the error is the reason against its use.
fn cache_folder() -> Result<PathBuf, String> {
    let caches = xdg::cache().ok_or("neither XDG_CACHE_HOME nor HOME is the full path of a folder")?;
    private_file::folder(&caches.join("archon-pool").join("compiled"))
}
