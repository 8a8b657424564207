//! The store's data of one call of a [`Host`](crate::host::Host).

use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use crate::context::{CallContext, ContextView, HasContext};
use crate::limits::Memory;

/// All data of one call. Dropping it closes every session.
pub(crate) struct CallState {
    pub(crate) context: CallContext,
    pub(crate) table: ResourceTable,
    /// None until the component uses WASI.
    pub(crate) wasi: Option<WasiCtx>,
    pub(crate) memory: Memory,
}

impl CallState {
    /// Creates the data of a call; `memories` is the number of memories, and of tables, that the engine allows a call.
    pub(crate) fn new(context: CallContext, memories: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(context.limits.handles);
        let memory = Memory::new(&context.limits, memories);
        Self { context, table, wasi: None, memory }
    }
}

impl HasContext for CallState {
    fn context(&mut self) -> ContextView<'_> {
        ContextView { context: &mut self.context, table: &mut self.table }
    }
}
