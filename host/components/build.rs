//! Builds the plugin into its three components, so that `cargo run` and `cargo test` need no
//! separate step.
//!
//! Each world is the same crate with other features above the same analysis, compiled by a nested cargo with a target
//! directory of its own, since sharing the outer cargo's would wait for its lock. The directory is beside the `OUT_DIR`s,
//! so that builds with other features and clippy share it. A release is optimised across crates.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that names a wrapper of the compiler for the components, such as `clippy-driver`.
const LINTER: &str = "ARCHON_COMPONENT_LINTER";

/// World files, each with the feature that builds it.
const WORLDS: [(&str, Option<&str>); 3] =
    [("pool-analyser.wasm", None), ("pool-observer.wasm", Some("observer")), ("pool-manager.wasm", Some("manager"))];

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
    for input in [
        "plugin/src",
        "plugin/Cargo.toml",
        "plugin/contract",
        "plugin/guest",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
        ".cargo/config.toml",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    let out = directory("OUT_DIR")?;
    let shared = out.ancestors().nth(2).ok_or("OUT_DIR is no build script's")?.join("components");
    for (file, feature) in WORLDS {
        let built = component(&root, &shared, feature)?;
        std::fs::copy(&built, out.join(file)).map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    }
    println!("cargo::metadata=directory={}", out.display());
    Ok(())
}

/// Builds one world and returns the file, which the next world overwrites.
fn component(root: &Path, target: &Path, feature: Option<&str>) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile =
        if std::env::var_os("OPT_LEVEL").is_some_and(|level| level == "3") { "component" } else { "component-dev" };
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["rustc", "--package", "archon-pool-guest", "--lib", "--profile", profile]);
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
    // Empty and not unset: it goes before the rustflags of every configuration file.
    command.env("CARGO_ENCODED_RUSTFLAGS", "");
    // The errors below are found by their text.
    command.env("CARGO_TERM_COLOR", "never");
    let output = command.output().map_err(|error| format!("cannot start cargo: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(target.join(TARGET).join(profile).join("archon_pool_guest.wasm"));
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

fn directory(variable: &str) -> Result<PathBuf, String> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("{variable} is not set: run this by cargo"))
}
