//! Compilation of components within a time limit.
//!
//! Compiling cannot be interrupted, and a crafted component can take hours. So a program may be configured that
//! compiles it first, in a process that can be killed; this process then takes the result from the cache, or compiles
//! again without one. Without such a program a thread compiles; one that exceeds the time keeps its processor, and
//! blocks other compilations but no call.

use std::env;
use std::fmt::Display;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmtime::component::Component;

use crate::engine::config;
use crate::limits::{LimitError, Limits};

/// Address space of a process that only compiles.
const ADDRESS_SPACE: u64 = 4 << 30;

/// Exit code of such a process when it cannot compile at all.
const UNABLE: i32 = 4;

/// Variables that such a process inherits: they locate the cache and writable folders. Others may hold secrets.
const ENVIRONMENT: [&str; 4] = ["HOME", "XDG_CACHE_HOME", "PATH", "TMPDIR"];

/// The argument that makes `archon-pool` compile a component from standard input.
const COMMAND: &str = "compile";

/// Compiles within a time limit.
#[derive(Debug)]
pub(crate) struct Compiler {
    program: Option<PathBuf>,
    time: Duration,
    turn: Arc<Turn>,
}

/// Serialises compilation in this process; none starts after one that cannot be ended.
#[derive(Debug, Default)]
struct Turn {
    taken: Mutex<bool>,
    given_back: Condvar,
}

impl Turn {
    /// Waits for the turn; none on timeout.
    fn take(self: &Arc<Self>, within: Duration) -> Option<Taken> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.given_back.wait_timeout_while(taken, within, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *taken, true) { None } else { Some(Taken(Arc::clone(self))) }
    }
}

/// The turn to compile, released on drop, also by a panic.
struct Taken(Arc<Turn>);

impl Drop for Taken {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.given_back.notify_one();
    }
}

impl Compiler {
    pub(crate) fn new(program: Option<PathBuf>, limits: &Limits) -> Self {
        Self { program, time: limits.compile_time, turn: Arc::default() }
    }

    /// Compiles a component that may be hostile; `name` identifies it in messages.
    pub(crate) fn compile(&self, engine: &wasmtime::Engine, name: &str, bytes: &[u8]) -> Result<Component, Fault> {
        if let Some(program) = &self.program {
            self.elsewhere(program, name, bytes)?;
        }
        let Some(turn) = self.turn.take(self.time) else {
            let message = "another component is still being compiled, which took longer than limit `compile_time`";
            return Err(Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) });
        };
        let (done, compiled) = channel();
        let (engine, bytes) = (engine.clone(), bytes.to_vec());
        let compiling = move || {
            let _turn = turn;
            // The receiver may be gone.
            let _ = done.send(Component::from_binary(&engine, &bytes));
        };
        thread::Builder::new().name("archon-pool-compile".into()).spawn(compiling).map_err(|error| failed(&error))?;
        match compiled.recv_timeout(self.time) {
            Ok(component) => component.map_err(|error| not_a_component(name, &format!("{error:#}"))),
            Err(RecvTimeoutError::Timeout) => Err(LimitError::CompileTime(self.time).into()),
            Err(RecvTimeoutError::Disconnected) => Err(not_a_component(name, "the compiler gave up")),
        }
    }

    /// Compiles a component into the cache, in another process.
    fn elsewhere(&self, program: &Path, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let mut command = Command::new(program);
        command.arg(COMMAND).arg(self.time.as_secs().max(1).to_string());
        command.env_clear().envs(ENVIRONMENT.into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let said = converse(&mut child, bytes.to_vec()).map_err(|error| failed(&error))?;
        let said = said.recv_timeout(self.time);
        if said.is_err() {
            // The process may have ended already, which is fine.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| failed(&error))?;
        match said {
            Err(_) => Err(LimitError::CompileTime(self.time).into()),
            Ok(_) if status.success() => Ok(()),
            Ok(said) if status.code() == Some(UNABLE) => Err(failed(&said.trim())),
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

/// Writes the bytes to a process; the receiver gets its output when it ends.
fn converse(child: &mut Child, bytes: Vec<u8>) -> std::io::Result<Receiver<String>> {
    let (mut input, mut output) = (child.stdin.take(), child.stdout.take());
    let (say, said) = channel();
    thread::Builder::new().name("archon-pool-compile".into()).spawn(move || {
        // A process that fails early does not read all input, and reports the reason.
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

/// Creates the fault of bytes that are no component; `name` identifies them in messages.
pub(crate) fn not_a_component(name: &str, why: &str) -> Fault {
    Fault::new(kind::NOT_A_COMPONENT, format!("{name} is not a WebAssembly component: {why}"))
}

fn failed(error: &dyn Display) -> Fault {
    Fault::new(kind::PLUGIN_TRAPPED, format!("the compiler does not start: {error}"))
}

/// Compiles the component on standard input into the cache, within a limit of processor time. This is the entry point
/// of the compiling process. Fails with the reason for which the input is no component.
pub fn compile_into_cache(seconds: u64) -> Result<(), Fault> {
    let processors = thread::available_parallelism().map_or(1, usize::from) as u64;
    for (resource, limit) in [(Resource::Cpu, seconds.saturating_mul(processors)), (Resource::As, ADDRESS_SPACE)] {
        // A limit set from outside must not be raised.
        let limit = Some(getrlimit(resource).maximum.map_or(limit, |most| most.min(limit)));
        setrlimit(resource, Rlimit { current: limit, maximum: limit }).map_err(|error| failed(&error))?;
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    // The cache key includes the settings, so they must equal those of every other engine.
    let settings = config::config(&Limits::default(), config::cache().as_ref().ok(), true);
    let engine = wasmtime::Engine::new(&settings).map_err(|error| failed(&format!("{error:#}")))?;
    let compiled = Component::from_binary(&engine, &bytes);
    compiled.map(drop).map_err(|error| Fault::new(kind::NOT_A_COMPONENT, format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// Returns a component that takes long to compile.
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
    fn a_compilation_over_the_time_limit_is_refused_and_blocks_the_next() {
        let engine = wasmtime::Engine::default();
        let limits = Limits { compile_time: Duration::from_millis(1), ..Limits::default() };
        let compiler = Compiler::new(None, &limits);
        let fault = compiler.compile(&engine, "it.wasm", &slow()).unwrap_err();
        assert!(fault.message.contains("`compile_time`"), "{fault}");
        // It ends at some time: until then no other compilation starts, and from then on any can.
        let fault = compiler.compile(&engine, "it.wasm", &slow()).unwrap_err();
        assert!([kind::OVERLOADED, kind::LIMIT_EXCEEDED].contains(&fault.kind.as_str()), "{fault}");
        assert!(compiler.turn.take(Duration::from_secs(60)).is_some());
        let patient = Compiler::new(None, &Limits::default());
        assert_eq!(patient.compile(&engine, "it.wasm", b"nonsense").unwrap_err().kind, kind::NOT_A_COMPONENT);
    }

    #[test]
    fn a_missing_compiler_program_is_an_error() {
        let limits = Limits::default();
        let compiler = Compiler::new(Some("/no/such/program".into()), &limits);
        let fault = compiler.compile(&wasmtime::Engine::default(), "it.wasm", b"").unwrap_err();
        assert!(fault.message.contains("does not start"), "{fault}");
    }
}
