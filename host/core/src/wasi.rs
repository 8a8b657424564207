//! WASI 0.2 without capabilities: no files, no network, no environment, no arguments.
//!
//! The built-in components import none of it. Those in JavaScript, Python or Go cannot be loaded without, because their
//! language's runtime imports it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::call_state::CallState;

pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// Creates the empty context of one call; output goes to the log, up to a number of bytes.
fn context(output_bytes: usize) -> WasiCtx {
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

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Created on first use: the built-in components never use it.
        let output_bytes = self.context.limits.output_bytes;
        WasiCtxView { ctx: self.wasi.get_or_insert_with(|| context(output_bytes)), table: &mut self.table }
    }
}

/// Standard output or error as log events. Output beyond the limit is dropped silently: a full log is no reason to end
/// a component.
#[derive(Clone)]
struct Log {
    stream: &'static str,
    left: Arc<AtomicUsize>,
}

impl Log {
    fn log(&self, bytes: &[u8]) {
        // A line costs more than its bytes.
        const LINE: usize = 100;
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(bytes.len() + LINE)));
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
        // Needed by WASI 0.3 alone, which is not linked.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::credential_source::NoCredentials;
    use crate::engine::Engine;
    use crate::host::Host;
    use crate::limits::Limits;
    use crate::plugin::Plugin;
    use crate::policy::Policy;

    /// Traps unless its environment is empty.
    const EMPTY: &str = r#"(component
        (import "wasi:cli/environment@0.2.0" (instance $environment
            (export "get-environment" (func (result (list (tuple string string)))))))
        (core module $memory
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
        (core instance $memory (instantiate $memory))
        (core func $get (canon lower (func $environment "get-environment")
            (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
        (core module $m
            (import "it" "memory" (memory 1))
            (import "it" "get" (func $get (param i32)))
            (data (i32.const 16) "{\"ok\":true}")
            (func (export "run") (param i32 i32) (result i32)
                (call $get (i32.const 0))
                (if (i32.load (i32.const 4)) (then (unreachable)))
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const 11))
                (i32.const 0)))
        (core instance $i (instantiate $m (with "it" (instance
            (export "memory" (memory $memory "memory")) (export "get" (func $get))))))
        (func $run (param "input" string) (result string)
            (canon lift (core func $i "run") (memory (core memory $memory "memory"))
                (realloc (core func $memory "realloc"))))
        (instance $skill (export "run" (func $run)))
        (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#;

    #[tokio::test]
    async fn a_component_that_imports_wasi_gets_an_empty_environment() {
        let limits = Limits::default();
        let host = Host::new(Engine::new(&limits).unwrap(), NoCredentials, Policy::default(), limits);
        let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &wat::parse_str(EMPTY).unwrap()).unwrap();
        assert_eq!(host.run(&plugin, json!({})).await.unwrap().to_value(), json!({ "ok": true }));
    }
}
