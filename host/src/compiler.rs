//! Components become machine code here: once, in advance, and within a time.
//!
//! Compiling cannot be interrupted, and a component can be made so that it takes hours. So a program may
//! be named that compiles it first, in a process that can be ended; what it made is in the cache when this
//! process then asks for it. Without such a program a thread compiles, and one that takes too long keeps
//! its processor, but nobody waits for it and it is the last one.

use std::env;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use archon_pool_plugin::fault::{Fault, kind};
use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::component::Component;

use crate::engine::Engine;
use crate::limits::{Limits, Reached};
use crate::plugin::not_a_component;

/// Address space of a process that only compiles.
const ADDRESS_SPACE: u64 = 4 << 30;

/// All that such a process gets of this one's environment: where the cache is and where to write. The rest
/// may hold secrets.
const ENVIRONMENT: [&str; 4] = ["HOME", "XDG_CACHE_HOME", "PATH", "TMPDIR"];

/// The argument that makes `archon-pool` such a process.
const COMMAND: &str = "compile";

/// Compiles within a time.
#[derive(Debug)]
pub(crate) struct Compiler {
    program: Option<PathBuf>,
    time: Duration,
    /// Set while a thread is busy with a component that nobody waits for any more.
    stuck: Arc<AtomicBool>,
}

impl Compiler {
    pub(crate) fn new(program: Option<PathBuf>, limits: &Limits) -> Self {
        Self { program, time: limits.compile_time, stuck: Arc::default() }
    }

    /// Compiles a component that may be hostile; `name` stands for it in messages.
    pub(crate) fn compile(&self, engine: &wasmtime::Engine, name: &str, bytes: &[u8]) -> Result<Component, Fault> {
        if let Some(program) = &self.program {
            self.elsewhere(program, name, bytes)?;
        }
        if self.stuck.load(Ordering::SeqCst) {
            let message = "another component is still being compiled, which took longer than limit `compile_time`";
            return Err(Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) });
        }
        let (done, compiled) = channel();
        let (engine, bytes, stuck) = (engine.clone(), bytes.to_vec(), Arc::clone(&self.stuck));
        let compiling = move || {
            // Nobody may be there any more to take it.
            let _ = done.send(Component::from_binary(&engine, &bytes));
            stuck.store(false, Ordering::SeqCst);
        };
        thread::Builder::new().name("archon-pool-compile".into()).spawn(compiling).map_err(|error| failed(&error))?;
        match compiled.recv_timeout(self.time) {
            Ok(component) => component.map_err(|error| not_a_component(name, &format!("{error:#}"))),
            Err(RecvTimeoutError::Timeout) => {
                self.stuck.store(true, Ordering::SeqCst);
                // It may have come to its end in between.
                compiled.try_recv().map_or_else(
                    |_| Err(Reached::CompileTime(self.time).into()),
                    |component| {
                        self.stuck.store(false, Ordering::SeqCst);
                        component.map_err(|error| not_a_component(name, &format!("{error:#}")))
                    },
                )
            }
            Err(RecvTimeoutError::Disconnected) => Err(not_a_component(name, "the compiler gave up")),
        }
    }

    /// Has it compiled into the cache by another process.
    fn elsewhere(&self, program: &Path, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let mut command = Command::new(program);
        command.arg(COMMAND).arg(self.time.as_secs().max(1).to_string());
        command.env_clear().envs(ENVIRONMENT.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let said = converse(&mut child, bytes.to_vec()).map_err(|error| failed(&error))?;
        let said = said.recv_timeout(self.time);
        if said.is_err() {
            // It may be gone already, which is as good.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| failed(&error))?;
        match said {
            Err(_) => Err(Reached::CompileTime(self.time).into()),
            Ok(_) if status.success() => Ok(()),
            Ok(said) if status.code().is_some() => Err(not_a_component(name, said.trim())),
            Ok(_) => {
                let message = format!(
                    "the component was not compiled with {} s of processor time and {} MiB of memory: \
                     limit `compile_time`",
                    self.time.as_secs(),
                    ADDRESS_SPACE >> 20
                );
                Err(Fault::new(kind::LIMIT_EXCEEDED, message))
            }
        }
    }
}

/// Hands the bytes to a process and promises what it says until its end.
fn converse(child: &mut Child, bytes: Vec<u8>) -> std::io::Result<Receiver<String>> {
    let (mut input, mut output) = (child.stdin.take(), child.stdout.take());
    let (say, said) = channel();
    thread::Builder::new().name("archon-pool-compile".into()).spawn(move || {
        // A process that ends early does not read it all, and says why.
        if let Some(mut input) = input.take() {
            let _ = input.write_all(&bytes);
        }
        let mut text = Vec::new();
        if let Some(output) = &mut output {
            let _ = output.read_to_end(&mut text);
        }
        let _ = say.send(String::from_utf8_lossy(&text).into_owned());
    })?;
    Ok(said)
}

fn failed(error: &std::io::Error) -> Fault {
    Fault::new(kind::PLUGIN_TRAPPED, format!("the compiler does not start: {error}"))
}

/// The other process's part: compiles the component on its standard input into the cache, with no more
/// than so many seconds of processor time. Fails with why it is no component.
pub fn compile_into_cache(seconds: u64) -> Result<(), Fault> {
    let processors = thread::available_parallelism().map_or(1, usize::from) as u64;
    for (resource, limit) in [(Resource::Cpu, seconds.saturating_mul(processors)), (Resource::As, ADDRESS_SPACE)] {
        let limit = Some(limit);
        setrlimit(resource, Rlimit { current: limit, maximum: limit }).map_err(|error| failed(&error.into()))?;
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    let engine = Engine::new(&Limits::default())?;
    let compiled = Component::from_binary(engine.wasmtime(), &bytes);
    compiled.map(drop).map_err(|error| Fault::new(kind::NOT_A_COMPONENT, format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// A component with one function that takes a while.
    fn slow() -> Vec<u8> {
        let mut body = String::new();
        for _ in 0..20_000 {
            body.push_str("(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (local.get 0)))");
        }
        let mut functions = String::new();
        for _ in 0..8 {
            write!(functions, "(func (param i32) {body})").unwrap();
        }
        wat::parse_str(format!("(component (core module {functions}))")).unwrap()
    }

    #[test]
    fn what_takes_too_long_is_refused_and_blocks_the_next() {
        let engine = wasmtime::Engine::default();
        let limits = Limits { compile_time: Duration::from_millis(1), ..Limits::default() };
        let compiler = Compiler::new(None, &limits);
        let fault = compiler.compile(&engine, "it.wasm", &slow()).unwrap_err();
        assert!(fault.message.contains("`compile_time`"), "{fault}");
        while compiler.stuck.load(Ordering::SeqCst) {
            let fault = compiler.compile(&engine, "it.wasm", &[]).unwrap_err();
            // It may come to its end just now.
            assert!(fault.kind == kind::OVERLOADED || !compiler.stuck.load(Ordering::SeqCst), "{fault}");
            thread::yield_now();
        }
        let patient = Compiler::new(None, &Limits::default());
        assert_eq!(patient.compile(&engine, "it.wasm", b"nonsense").unwrap_err().kind, kind::NOT_A_COMPONENT);
    }

    #[test]
    fn a_program_that_is_not_there_is_no_reason_to_go_without() {
        let limits = Limits::default();
        let compiler = Compiler::new(Some("/no/such/program".into()), &limits);
        let fault = compiler.compile(&wasmtime::Engine::default(), "it.wasm", b"").unwrap_err();
        assert!(fault.message.contains("does not start"), "{fault}");
    }
}
