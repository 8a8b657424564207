//! Compiles the built-in components to machine code, so that a program starts without compiling them.
//!
//! The code is for the oldest processor of the target's architecture, and without counting of instructions, which the
//! built-in components do without. Where wasmtime cannot compile for the target, the program does it when it starts.

#[path = "../src/engine/code_settings.rs"]
mod code_settings;

use std::fs;
use std::path::Path;

use code_settings::code_settings;
use sha2::{Digest as _, Sha256};

const COMPONENTS: [&str; 3] = ["pool-analyser", "pool-observer", "pool-manager"];

pub(super) fn write() {
    println!("cargo::rerun-if-changed=src/engine/code_settings.rs");
    let directory = variable("DEP_ARCHON_POOL_COMPONENTS_DIRECTORY");
    let out = variable("OUT_DIR");
    for name in COMPONENTS {
        let component = Path::new(&directory).join(name).with_extension("wasm");
        println!("cargo::rerun-if-changed={}", component.display());
        let bytes = fs::read(&component).unwrap_or_else(|error| panic!("{}: {error}", component.display()));
        let code = compile(&bytes, &variable("TARGET")).unwrap_or_else(|error| {
            println!("cargo::warning={name} is compiled when the program starts: {error:#}");
            Vec::new()
        });
        let file = Path::new(&out).join(name);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let source = format!("(&{digest:?}, include_bytes!({:?}))", file.with_extension("cwasm"));
        save(&file.with_extension("cwasm"), &code);
        save(&file.with_extension("rs"), source.as_bytes());
    }
}

fn compile(component: &[u8], target: &str) -> wasmtime::Result<Vec<u8>> {
    let mut settings = code_settings(false);
    // Without a target the code would be for the processor that builds.
    settings.target(target)?;
    wasmtime::Engine::new(&settings)?.precompile_component(component)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this by cargo"))
}

fn save(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
