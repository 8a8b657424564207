//! The components as an OCI image layout, which `skopeo` copies to a registry and `wkg` reads from there.
//!
//! Format: the image layout of the OCI image specification 1.1, and for each component the manifest, configuration and
//! layer of the CNCF's "Wasm OCI Artifact" guidance, which the crate `oci-wasm` implements for `wkg`. The same
//! components give the same digests: the time is the caller's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use archon_pool_core::digest::Digest;
use archon_pool_core::interfaces::Interfaces;
use archon_pool_core::private_file;
use serde::Serialize;

use super::file::{self, ComponentFile};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

type Annotations = BTreeMap<&'static str, &'static str>;

/// Reference to a blob.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
    annotations: BTreeMap<&'static str, &'a str>,
}

/// Configuration of an artifact with one component.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    author: Option<&'a str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Target,
}

/// Interfaces of a component.
#[derive(Serialize)]
struct Target {
    exports: Vec<String>,
    imports: Vec<String>,
    /// Name of a published world; the format allows none.
    target: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: &'static str,
}

/// Writes the layout into a directory, which is created if needed. `created` is a time in the format of RFC 3339.
/// Returns the name by which each component is found in the layout, with the digest of its manifest.
///
/// Other blobs in the directory stay; its index is replaced.
pub fn write(directory: &Path, created: &str) -> io::Result<Vec<(&'static str, Digest)>> {
    let layout = Layout { blobs: directory.join("blobs").join("sha256"), created };
    std::fs::create_dir_all(&layout.blobs)?;
    let (mut manifests, mut written) = (Vec::new(), Vec::new());
    for file in file::all() {
        let name = file.name.trim_end_matches(".wasm");
        let (mut manifest, digest) = layout.add(&file, name)?;
        manifest.annotations.insert("org.opencontainers.image.ref.name", name);
        manifests.push(manifest);
        written.push((name, digest));
    }
    let index = Index { schema_version: 2, media_type: INDEX, manifests };
    private_file::write(&directory.join("index.json"), &json(&index)?)?;
    let version = Version { image_layout_version: "1.0.0" };
    // Last: a directory without it is no layout.
    private_file::write(&directory.join("oci-layout"), &json(&version)?)?;
    Ok(written)
}

struct Layout<'a> {
    blobs: PathBuf,
    created: &'a str,
}

impl Layout<'_> {
    /// Writes a component with its configuration and manifest.
    fn add(&self, file: &ComponentFile, name: &str) -> io::Result<(Descriptor, Digest)> {
        let Interfaces { imports, exports } = Interfaces::of(file.bytes).map_err(io::Error::other)?;
        let (layer, _) = self.blob(LAYER, file.bytes)?;
        let config = Config {
            created: self.created,
            author: None,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [layer.digest.clone()],
            component: Target { exports, imports, target: None },
        };
        let (config, _) = self.blob(CONFIG, &json(&config)?)?;
        let annotations = BTreeMap::from([
            ("org.opencontainers.image.created", self.created),
            ("org.opencontainers.image.description", file.description),
            ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE")),
            ("org.opencontainers.image.title", name),
            ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
        ]);
        let manifest = Manifest { schema_version: 2, media_type: MANIFEST, config, layers: [layer], annotations };
        self.blob(MANIFEST, &json(&manifest)?)
    }

    fn blob(&self, media_type: &'static str, bytes: &[u8]) -> io::Result<(Descriptor, Digest)> {
        let digest = Digest::of(bytes);
        private_file::write(&self.blobs.join(digest.to_string()), bytes)?;
        let descriptor = Descriptor {
            media_type,
            digest: format!("sha256:{digest}"),
            size: bytes.len(),
            annotations: Annotations::new(),
        };
        Ok((descriptor, digest))
    }
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Reads a blob, after a check of its digest and size.
    fn blob(directory: &Path, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let bytes = std::fs::read(directory.join("blobs/sha256").join(digest)).unwrap();
        assert_eq!(
            (Digest::of(&bytes).to_string().as_str(), descriptor["size"].as_u64()),
            (digest, Some(bytes.len() as u64))
        );
        bytes
    }

    #[test]
    fn each_component_is_found_from_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let written = write(folder.path(), "1970-01-01T00:00:00Z").unwrap();
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index: Value = serde_json::from_slice(&read("index.json")).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), written.len());
        for ((descriptor, (name, digest)), file) in manifests.iter().zip(&written).zip(file::all()) {
            assert_eq!(descriptor["annotations"]["org.opencontainers.image.ref.name"], *name);
            assert_eq!(descriptor["digest"], format!("sha256:{digest}"));
            let manifest: Value = serde_json::from_slice(&blob(folder.path(), descriptor)).unwrap();
            assert_eq!(manifest["config"]["mediaType"], CONFIG);
            let layer = &manifest["layers"][0];
            assert_eq!((&layer["mediaType"], blob(folder.path(), layer).as_slice()), (&LAYER.into(), file.bytes));
            let config: Value = serde_json::from_slice(&blob(folder.path(), &manifest["config"])).unwrap();
            assert_eq!((&config["os"], &config["layerDigests"][0]), (&"wasip2".into(), &layer["digest"]));
            let is_named = |list: &Value, word: &str| {
                list.as_array().unwrap().iter().any(|it| it.as_str().unwrap().contains(word))
            };
            assert_eq!(is_named(&config["component"]["imports"], "/backends@"), *name == "pool-manager");
        }
    }

    #[test]
    fn the_same_components_give_the_same_digests() {
        let [first, second, later] = ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-11-30T00:00:00Z"]
            .map(|created| write(tempfile::tempdir().unwrap().path(), created).unwrap());
        assert_eq!(first, second);
        assert_ne!(first, later);
    }
}
