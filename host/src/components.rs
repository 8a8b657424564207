//! The components that are built from the plugin as files, with what proves their origin, and as an OCI image layout.

mod file;
mod oci_layout;

use std::io;
use std::path::{Path, PathBuf};

use archon_pool_core::digest::Digest;
use archon_pool_core::private_file;
use archon_pool_plugins::signature::SecretKey;

pub use archon_pool_core::components::{DOOR, WIT, World, embedded};

pub use self::oci_layout::write as write_oci_layout;
use crate::guard_spec;

/// Writes the components into a directory, which is created if needed, and `guard.json` with the guard's rules for
/// hosts in other languages. Returns their paths.
///
/// Beside each file `FILE` is its SHA-256, `FILE.sha256`, in the format of `sha256sum`, and, with a key, its
/// signature, `FILE.sig`, which [`Trust::check`](archon_pool_plugins::signature::Trust::check) verifies.
pub fn write_all(directory: &Path, key: Option<&SecretKey>) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let guard = guard_spec::text();
    let components = file::all();
    components
        .iter()
        .map(|file| (file.name, file.bytes))
        .chain([(guard_spec::FILE_NAME, guard.as_bytes())])
        .map(|(name, bytes)| {
            let (path, digest) = (directory.join(name), Digest::of(bytes));
            private_file::write(&path, bytes)?;
            let beside = |ending: &str| directory.join(format!("{name}.{ending}"));
            private_file::write(&beside("sha256"), format!("{digest}  {name}\n").as_bytes())?;
            if let Some(key) = key {
                private_file::write(&beside("sig"), key.sign(digest, None).to_string().as_bytes())?;
            }
            Ok(path)
        })
        .collect()
}
