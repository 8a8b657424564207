//! Builds the hostile component for the live tests, as `host/components/build.rs` builds the good ones: by a
//! nested cargo in the same target directory.

use std::path::PathBuf;
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that names a wrapper of the compiler for the component, such as `clippy-driver`.
const LINTER: &str = "ARCHON_COMPONENT_LINTER";

fn main() {
    println!("cargo::rerun-if-env-changed={LINTER}");
    let root = directory("CARGO_MANIFEST_DIR").join("..");
    for input in ["tests/build.rs", "tests/hostile", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    let out = directory("OUT_DIR");
    let target = out.ancestors().nth(2).expect("a build script's folder").join("components");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args([
        "build",
        "--package",
        "archon-pool-hostile",
        "--profile",
        "component-dev",
        "--locked",
    ]);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(&target);
    // What the outer cargo set for this crate and this machine is wrong for the component.
    for (name, _) in std::env::vars_os() {
        let foreign = ["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PROFILE_"];
        if name.to_str().is_some_and(|name| foreign.iter().any(|prefix| name.starts_with(prefix))) {
            cargo.env_remove(name);
        }
    }
    for name in ["RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER", "CARGO_TARGET_DIR"] {
        cargo.env_remove(name);
    }
    // CI lints the component while it compiles it.
    if let Some(linter) = std::env::var_os(LINTER) {
        cargo.env("RUSTC_WORKSPACE_WRAPPER", linter);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-component-ld");
    match cargo.output() {
        Ok(output) if output.status.success() => {
            let file = target.join(TARGET).join("component-dev").join("archon_pool_hostile.wasm");
            println!("cargo::rustc-env=HOSTILE_COMPONENT={}", file.display());
        }
        Ok(output) => {
            println!("{}", String::from_utf8_lossy(&output.stderr));
            println!("cargo::error=the hostile component does not build for {TARGET}");
        }
        Err(error) => println!("cargo::error=cannot start cargo: {error}"),
    }
}

fn directory(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).expect("cargo sets it"))
}
