//! WASI 0.2 with nothing in it: no files, no network, no environment, no arguments.
//!
//! Our own components import none of it. Those that others write in JavaScript, Python or Go cannot
//! be loaded without, because their language's runtime does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::state::State;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// The empty context of one call; output goes to the log, up to a number of bytes.
pub(crate) fn context(output_bytes: usize) -> WasiCtx {
    let left = Arc::new(AtomicUsize::new(output_bytes));
    let mut builder = WasiCtx::builder();
    builder
        .stdout(Log { stream: "stdout", left: Arc::clone(&left) })
        .stderr(Log { stream: "stderr", left })
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    builder.build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Standard output or error as log events. What goes over the limit is dropped in silence: a full
/// log is no reason to end a component.
#[derive(Clone)]
struct Log {
    stream: &'static str,
    left: Arc<AtomicUsize>,
}

impl Log {
    fn log(&self, bytes: &[u8]) {
        let taken =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes.len())));
        let left = taken.unwrap_or(0).min(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..left]);
        let text = text.trim_end();
        if !text.is_empty() {
            tracing::info!(target: "plugin", stream = self.stream, "{}", text.escape_debug());
        }
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Asked for by WASI 0.3 alone, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

impl OutputStream for Log {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(4_096)
    }
}
