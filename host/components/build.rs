//! Builds the plugin into its components, so that `cargo run` and `cargo test` need no separate step.
//!
//! Each world is the same crate with other features above the same analysis, compiled by a nested cargo with a target
//! directory of its own, since sharing the outer cargo's would wait for its lock. The directory is beside the `OUT_DIR`s,
//! so that builds with other features and clippy share it. A release is optimised across crates. The observer is then
//! composed with two further components into one for hosts of WASI.

#[path = "build/door.rs"]
mod door;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that names a wrapper of the compiler for the components, such as `clippy-driver`.
const LINTER: &str = "ARCHON_COMPONENT_LINTER";

/// A component's file, with the package and its feature that build it.
type Built = (&'static str, &'static str, Option<&'static str>);

const GUEST: &str = "archon-pool-guest";
const DOOR_GUEST: &str = "archon-pool-door-guest";

const OBSERVER: &str = "pool-observer.wasm";
const ADAPTER: &str = "door-adapter.wasm";
const FRONT: &str = "door-front.wasm";

const COMPONENTS: [Built; 5] = [
    ("pool-analyser.wasm", GUEST, None),
    (OBSERVER, GUEST, Some("observer")),
    ("pool-manager.wasm", GUEST, Some("manager")),
    (ADAPTER, DOOR_GUEST, None),
    (FRONT, DOOR_GUEST, Some("front")),
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let root = directory("CARGO_MANIFEST_DIR")?.join("../..");
    println!("cargo::rerun-if-env-changed={LINTER}");
    println!("cargo::rerun-if-env-changed=CARGO_HOME");
    for input in [
        "plugin/src",
        "plugin/Cargo.toml",
        "plugin/contract",
        "plugin/door",
        "plugin/guest",
        "plugin/query-endpoint",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
        ".cargo/config.toml",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    let out = directory("OUT_DIR")?;
    let shared = out.ancestors().nth(2).ok_or("OUT_DIR is no build script's")?.join("components");
    for (file, package, feature) in COMPONENTS {
        let built = component(&root, &shared, package, feature)?;
        std::fs::copy(&built, out.join(file)).map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    }
    let read = |file: &str| std::fs::read(out.join(file)).map_err(|error| format!("cannot read {file}: {error}"));
    let door = door::compose(&read(ADAPTER)?, &read(OBSERVER)?, &read(FRONT)?)
        .map_err(|why| format!("pool-door.wasm cannot be composed: {why}"))?;
    std::fs::write(out.join("pool-door.wasm"), door)
        .map_err(|error| format!("cannot write pool-door.wasm: {error}"))?;
    println!("cargo::metadata=directory={}", out.display());
    Ok(())
}

/// Builds one component and returns the file, which the next one of the same package overwrites.
fn component(root: &Path, target: &Path, package: &str, feature: Option<&str>) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile =
        if std::env::var_os("OPT_LEVEL").is_some_and(|level| level == "3") { "component" } else { "component-dev" };
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["rustc", "--package", package, "--lib", "--profile", profile]);
    command.args(["--crate-type", "cdylib", "--target", TARGET]).arg("--target-dir").arg(target);
    // The outer cargo resolved this very workspace, but dependencies of this target alone may still be missing.
    if root.join("Cargo.lock").exists() {
        command.arg("--locked");
    }
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-component-ld");
    // The variables that the outer cargo set for this crate and this target are wrong for the plugin.
    for (name, _) in std::env::vars_os() {
        let foreign = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_FEATURE_") || name.starts_with("CARGO_CFG_") || name.starts_with("CARGO_PROFILE_")
        });
        if foreign {
            command.env_remove(name);
        }
    }
    for name in ["RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    // CI lints the components while it compiles them.
    if let Some(linter) = std::env::var_os(LINTER) {
        command.env("RUSTC_WORKSPACE_WRAPPER", linter);
    }
    // It goes before the rustflags of every configuration file.
    command.env("CARGO_ENCODED_RUSTFLAGS", remapped(root)?);
    // The errors below are found by their text.
    command.env("CARGO_TERM_COLOR", "never");
    let output = command.output().map_err(|error| format!("cannot start cargo: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(target.join(TARGET).join(profile).join(package.replace('-', "_")).with_extension("wasm"));
    }
    if stderr.contains("E0463") || stderr.contains("may not be installed") {
        return Err(format!("the Rust target {TARGET} is not installed: run `rustup target add {TARGET}`"));
    }
    if stderr.contains("failed to download") || stderr.contains("failed to get") {
        return Err("a dependency of the plugin could not be downloaded: run `cargo fetch` while online".into());
    }
    // Cargo shows a build script's plain output only when it fails, which is now.
    println!("{stderr}");
    let first = stderr.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
    Err(format!("the plugin does not build for {TARGET}: {first}"))
}

/// Returns the compiler's flags that leave the folders of this machine out of the components, so that each build of the
/// same sources gives the same bytes.
fn remapped(root: &Path) -> Result<String, String> {
    let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
    let home = directory("CARGO_HOME").or_else(|_| directory("HOME").map(|home| home.join(".cargo")))?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    // Separated as in cargo's own variable.
    Ok([remap(&root, "/archon-pool"), remap(&home, "/cargo")].join("\u{1f}"))
}

fn directory(variable: &str) -> Result<PathBuf, String> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("{variable} is not set: run this by cargo"))
}
