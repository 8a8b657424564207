//! wasmtime, configured once: interruptible, deterministic, with compiled components cached on disk.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use archon_pool_plugin::fault::{Fault, kind};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, EngineWeak};

use crate::bindings::{backends, credentials, database, pooler, scaling, types};
use crate::components::World;
use crate::limits::Limits;
use crate::state::State;
use crate::wasi;

/// How often a running component is looked at. A limit on time is overrun by one tick at the most.
const TICK: Duration = Duration::from_millis(10);

/// Compiles components and lends each world its imports. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    // Stopped before the engine goes.
    _ticker: Ticker,
    wasmtime: wasmtime::Engine,
    linkers: [Linker<State>; 3],
    component_bytes: u64,
}

impl Engine {
    /// An engine that accepts components up to [`Limits::component_bytes`].
    ///
    /// Without a usable cache directory it compiles every time, and says so in the log.
    pub fn new(limits: &Limits) -> Result<Self, Fault> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .memory_init_cow(true)
            // The same input gives the same bytes on every processor.
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true)
            .cache(cache());
        Self::with(&config, limits).map_err(|error| {
            Fault::new(kind::PLUGIN_TRAPPED, format!("the WebAssembly engine does not start: {error:#}"))
        })
    }

    fn with(config: &Config, limits: &Limits) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(config)?;
        let ticker = Ticker::start(wasmtime.weak())?;
        let [analyser, observer, manager] = World::ALL.map(|world| linker(&wasmtime, world));
        let linkers = [analyser?, observer?, manager?];
        let inner = Inner { _ticker: ticker, wasmtime, linkers, component_bytes: limits.component_bytes };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }

    pub(crate) fn linker(&self, world: World) -> &Linker<State> {
        &self.inner.linkers[world as usize]
    }

    pub(crate) fn component_bytes(&self) -> u64 {
        self.inner.component_bytes
    }
}

/// The imports of one world. What a world lacks is not there to be called.
fn linker(engine: &wasmtime::Engine, world: World) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    if world >= World::Observer {
        types::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        credentials::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        database::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        pooler::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    }
    if world >= World::Manager {
        backends::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        scaling::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    }
    Ok(linker)
}

fn cache() -> Option<Cache> {
    Cache::new(CacheConfig::new())
        .inspect_err(|error| tracing::warn!("components are compiled anew each time: no cache: {error:#}"))
        .ok()
}

/// Advances the epoch. A plain thread: a timer of the executor would stand still just when a
/// component keeps the executor's threads busy.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("archon-pool-epoch".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and a drop has nobody to tell.
            let _ = thread.join();
        }
    }
}
