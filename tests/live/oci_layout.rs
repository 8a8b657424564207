//! The OCI image layout of the components, with the tools that copy images, and what proves the origin of their files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result};
use archon_pool::digest::Digest;
use archon_pool_tests::OciRegistry;
use archon_pool_tests::oci_registry::skopeo;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use serde_json::Value;

use crate::cli::{HEALTHY, NOT_RUN, USAGE, code, run_at, text};

/// Runs `components` with these arguments.
async fn components(home: &Path, arguments: &[&str]) -> Result<Output> {
    run_at("", home, &[&["components"], arguments].concat()).await
}

#[tokio::test]
async fn a_registry_keeps_the_digests() -> Result<()> {
    let (folder, registry) = (tempfile::tempdir()?, OciRegistry::start().await?);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let output = components(folder.path(), &["--oci", &path("out")]).await?;
    assert_eq!(code(&output), HEALTHY, "{}", text(&output.stderr));
    let mut copied = 0;
    for line in text(&output.stdout).lines() {
        let (from, digest) = line.split_once(" sha256:").context("a line has an address and a digest")?;
        let name = from.rsplit(':').next().unwrap_or_default();
        let image = registry.image(&format!("archon/{name}:1.0.0"));
        skopeo(&["copy", "--preserve-digests", "--dest-tls-verify=false", from, &image]).await?;
        let manifest = skopeo(&["inspect", "--raw", "--tls-verify=false", &image]).await?;
        assert_eq!(Digest::of(&manifest).to_string(), digest, "{name} in the registry");
        let back = format!("oci:{}:{name}", path("back"));
        skopeo(&["copy", "--preserve-digests", "--src-tls-verify=false", &image, &back]).await?;
        let manifest: Value = serde_json::from_slice(&manifest)?;
        let layer = manifest["layers"][0]["digest"].as_str().unwrap_or_default().replace("sha256:", "");
        let of = |folder: &str| fs::read(folder_of_blobs(&path(folder)).join(&layer));
        assert_eq!(of("out")?, of("back")?, "{name} after its return");
        copied += 1;
    }
    assert!(copied >= 3, "{}", text(&output.stdout));
    Ok(())
}

fn folder_of_blobs(layout: &str) -> std::path::PathBuf {
    Path::new(layout).join("blobs/sha256")
}

#[tokio::test]
async fn files_are_written_with_digests_and_signatures() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = SigningKey::from_bytes(&[3; 32]);
    fs::write(path("key.pem"), key.to_pkcs8_pem(LineEnding::LF)?.as_bytes())?;
    fs::set_permissions(path("key.pem"), fs::Permissions::from_mode(0o600))?;
    fs::write(path("public.pem"), key.verifying_key().to_public_key_pem(LineEnding::LF)?)?;
    let written = components(folder.path(), &[&path("out"), "--key", &path("key.pem")]).await?;
    assert_eq!(code(&written), HEALTHY, "{}", text(&written.stderr));
    for file in text(&written.stdout).lines() {
        let digest = Digest::of(&fs::read(file)?);
        let name = Path::new(file).file_name().and_then(|name| name.to_str()).context("a file name")?;
        assert_eq!(fs::read_to_string(format!("{file}.sha256"))?, format!("{digest}  {name}\n"));
        assert!(fs::read_to_string(format!("{file}.sig"))?.contains("signature = "), "{name}");
    }
    let (observer, trusted) = (path("out/pool-observer.wasm"), path("public.pem"));
    let describe = async || run_at("", folder.path(), &["describe", &observer, "--trust", &trusted]).await;
    assert_eq!(code(&describe().await?), HEALTHY);
    fs::copy(path("out/pool-manager.wasm"), &observer)?;
    let swapped = describe().await?;
    assert_eq!(code(&swapped), NOT_RUN);
    assert!(text(&swapped.stderr).contains("signature-invalid"), "{}", text(&swapped.stderr));
    Ok(())
}

#[tokio::test]
async fn nothing_to_write_is_a_usage_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for arguments in [&[][..], &["--key", "key.pem", "--wit"], &["--oci"]] {
        assert_eq!(code(&components(folder.path(), arguments).await?), USAGE, "{arguments:?}");
    }
    Ok(())
}
