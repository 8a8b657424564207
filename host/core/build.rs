//! With the feature `precompiled`, compiles the built-in components.

#[cfg(feature = "precompiled")]
#[path = "build/precompiled.rs"]
mod precompiled;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    #[cfg(feature = "precompiled")]
    precompiled::write();
}
