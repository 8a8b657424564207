//! wasmtime, configured once: interruptible, deterministic, with compiled components cached on disk.

pub(crate) mod code_settings;
pub(crate) mod config;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use wasmtime::component::Linker;
use wasmtime::{Cache, Config, EngineWeak, InstanceAllocationStrategy};

use self::config::{PER_CALL, cache, config, pool};
use crate::call_state::CallState;
use crate::compiler::Compiler;
use crate::cpu_scheduler::CpuScheduler;
use crate::limits::Limits;
use crate::linker::add_world;
use crate::wasi;
use crate::world::World;

/// Interval at which a running component is interrupted. A limit on time is exceeded by at most one tick.
const TICK: Duration = Duration::from_millis(2);

/// Compiles components and links the imports of each world. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    // Dropped, and so stopped, before the engine.
    _ticker: Ticker,
    metered: Runtime,
    unmetered: Runtime,
    cpu_scheduler: CpuScheduler,
    compiler: Compiler,
    built_in: Metering,
    component_bytes: u64,
    cache_trouble: Option<String>,
}

/// One configuration of wasmtime, with the imports of each world linked.
struct Runtime {
    wasmtime: wasmtime::Engine,
    linkers: [Linker<CallState>; 3],
}

/// Bounds on the computing of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metering {
    /// Its instructions are counted as well: [`Limits::fuel`]. For components from elsewhere, and for the built-in ones
    /// of an engine whose `fuel` is not the default.
    Counted,
    /// Time only. For the built-in components, which are an eighth faster without counting.
    TimeOnly,
}

impl Engine {
    /// Creates an engine for one call at a time, or for a few; [`Engine::builder`] has more options.
    ///
    /// [`Limits::component_bytes`], [`Limits::compile_time`] and [`Limits::stack`] hold for all of its components, and
    /// [`Limits::fuel`], if it is not the default, for the built-in ones as well. They are compiled every time where
    /// `archon-pool/compiled` under `$XDG_CACHE_HOME` (`~/.cache`) is not a folder of this user's alone (mode 0700), and a
    /// warning is logged once.
    pub fn new(limits: &Limits) -> Result<Self, Fault> {
        Self::builder(limits).build()
    }

    /// Configures an engine.
    pub fn builder(limits: &Limits) -> Builder {
        Builder { limits: limits.clone(), calls: None, compiler: None }
    }

    /// Returns the reason for which compiled components are not cached; none when they are.
    pub fn cache_trouble(&self) -> Option<&str> {
        self.inner.cache_trouble.as_deref()
    }

    /// Returns the engine of wasmtime, for an embedder that links components to a store of its own. It counts
    /// instructions, so that the store needs fuel.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        self.wasmtime_of(Metering::Counted)
    }

    /// Returns the engine of wasmtime for components that are bounded so.
    pub fn wasmtime_of(&self, metering: Metering) -> &wasmtime::Engine {
        &self.runtime(metering).wasmtime
    }

    /// Returns what bounds the built-in components.
    pub fn built_in_metering(&self) -> Metering {
        self.inner.built_in
    }

    pub(crate) fn linker(&self, metering: Metering, world: World) -> &Linker<CallState> {
        &self.runtime(metering).linkers[world as usize]
    }

    fn runtime(&self, metering: Metering) -> &Runtime {
        match metering {
            Metering::Counted => &self.inner.metered,
            Metering::TimeOnly => &self.inner.unmetered,
        }
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.inner.compiler
    }

    /// Returns the scheduler of the processors, for meters of its calls.
    pub fn cpu_scheduler(&self) -> &CpuScheduler {
        &self.inner.cpu_scheduler
    }

    /// Returns the number of memories, and of tables, that one call may have.
    pub(crate) fn memories(&self) -> usize {
        if self.wasmtime().get_pooling_config().is_some() { PER_CALL as usize } else { usize::MAX }
    }

    pub(crate) fn component_bytes(&self) -> u64 {
        self.inner.component_bytes
    }
}

/// Configures an [`Engine`].
#[derive(Debug, Clone)]
pub struct Builder {
    limits: Limits,
    calls: Option<u32>,
    compiler: Option<PathBuf>,
}

impl Builder {
    /// Pools memories and stacks for this number of concurrent calls; one more is refused as `overloaded`. A memory has
    /// [`Limits::memory`] bytes at most, whatever the limits of a call are, and a call has four memories and four
    /// tables.
    ///
    /// There are two such pools: one for the built-in components, and one for others. Each reserves address space, some
    /// 16 GiB for each call, and no memory. Where a process may not reserve so much (`ulimit -v`), the engine is created
    /// without them, and a warning is logged.
    pub fn pooled(mut self, calls: u32) -> Self {
        self.calls = Some(calls);
        self
    }

    /// Compiles components in a process of their own, which is ended when it takes too long or too much memory. The
    /// program is `archon-pool`. Without it they are compiled in this process, and one that takes too long is refused,
    /// but keeps a processor busy until it is done.
    pub fn compile_with(mut self, program: impl Into<PathBuf>) -> Self {
        self.compiler = Some(program.into());
        self
    }

    /// Creates the engine. Fails when the settings contradict each other.
    pub fn build(self) -> Result<Engine, Fault> {
        let cache = cache();
        if let Some(calls) = self.calls {
            let pool = InstanceAllocationStrategy::Pooling(pool(&self.limits, calls));
            match self.with(Some(&pool), &cache) {
                Ok(engine) => return Ok(engine),
                Err(error) => tracing::warn!("memories are not pooled: {error:#}"),
            }
        }
        self.with(None, &cache).map_err(|error| {
            Fault::new(kind::PLUGIN_TRAPPED, format!("the WebAssembly engine does not start: {error:#}"))
        })
    }

    fn with(
        &self,
        pool: Option<&InstanceAllocationStrategy>,
        cache: &Result<Cache, String>,
    ) -> wasmtime::Result<Engine> {
        let runtime = |metering| {
            let mut config = config(&self.limits, cache.as_ref().ok(), metering == Metering::Counted);
            if let Some(pool) = pool {
                config.allocation_strategy(pool.clone());
            }
            Runtime::new(&config)
        };
        let (metered, unmetered) = (runtime(Metering::Counted)?, runtime(Metering::TimeOnly)?);
        let ticker = Ticker::start([metered.wasmtime.weak(), unmetered.wasmtime.weak()])?;
        let inner = Inner {
            _ticker: ticker,
            metered,
            unmetered,
            cpu_scheduler: CpuScheduler::default(),
            compiler: Compiler::new(self.compiler.clone(), &self.limits),
            built_in: if self.limits.fuel == Limits::default().fuel { Metering::TimeOnly } else { Metering::Counted },
            component_bytes: self.limits.component_bytes,
            cache_trouble: cache.as_ref().err().cloned(),
        };
        Ok(Engine { inner: Arc::new(inner) })
    }
}

impl Runtime {
    fn new(config: &Config) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(config)?;
        let [analyser, observer, manager] = World::ALL.map(|world| linker(&wasmtime, world));
        Ok(Self { linkers: [analyser?, observer?, manager?], wasmtime })
    }
}

/// Links the imports of one world. Imports of other worlds are not linked.
fn linker(engine: &wasmtime::Engine, world: World) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    add_world(&mut linker, world)?;
    Ok(linker)
}

/// Advances the epoch in a plain thread: a timer of the executor would not fire while a component keeps the executor's
/// threads busy.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engines: [EngineWeak; 2]) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("archon-pool-epoch".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                for engine in engines.iter().filter_map(EngineWeak::upgrade) {
                    engine.increment_epoch();
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and a drop cannot report an error.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_built_without_address_space_for_a_pool() {
        // More than a processor can address.
        let engine = Engine::builder(&Limits::default()).pooled(100_000).build().unwrap();
        assert!(engine.wasmtime().get_pooling_config().is_none());
        let engine = Engine::builder(&Limits::default()).pooled(10).build().unwrap();
        assert!(engine.wasmtime().get_pooling_config().is_some());
    }
}
