//! Signatures, as an operator creates and requires them: nothing that was replaced afterwards runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use archon_pool_tests::Cluster;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};

use crate::actions::{OPERATOR, cluster};
use crate::cli::{HEALTHY, NOT_RUN, code, command, text};
use crate::policy_file::Workspace;

const MONITOR: &str = r#"{"action":"monitor","options":{"sampleMs":0}}"#;
const WASM: &str = "pool-observer.wasm";
const POLICY: &str = "pool-observer.policy.toml";

/// Writes `NAME.pem` and `NAME.pub.pem`, as openssl would.
fn key(workspace: &Workspace, name: &str, seed: u8) -> Result<()> {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let secret = workspace.path(&format!("{name}.pem"));
    fs::write(&secret, key.to_pkcs8_pem(LineEnding::LF)?.as_bytes())?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    fs::write(workspace.path(&format!("{name}.pub.pem")), key.verifying_key().to_public_key_pem(LineEnding::LF)?)?;
    Ok(())
}

/// Component that was approved and signed by `ours`, with the server on which it runs.
struct Signed {
    cluster: Cluster,
    workspace: Workspace,
}

impl Signed {
    async fn new() -> Result<Self> {
        let signed = Self { cluster: cluster().await?, workspace: Workspace::new()? };
        key(&signed.workspace, "ours", 1)?;
        key(&signed.workspace, "theirs", 2)?;
        signed.must(&["approve", &signed.workspace.file(WASM)]).await?;
        signed.sign("ours").await?;
        Ok(signed)
    }

    async fn must(&self, arguments: &[&str]) -> Result<()> {
        let output = self.workspace.run(&self.cluster, arguments).await?;
        assert_eq!(code(&output), HEALTHY, "{}", text(&output.stderr));
        Ok(())
    }

    async fn sign(&self, name: &str) -> Result<()> {
        let (wasm, policy, key) =
            (self.workspace.file(WASM), self.workspace.file(POLICY), self.workspace.file(&format!("{name}.pem")));
        self.must(&["sign", &wasm, "--policy", &policy, "--key", &key]).await
    }

    /// Runs it under its policy file with the key `ours` trusted. Returns standard error, which is empty if it ran.
    async fn load_error(&self) -> Result<String> {
        let (policy, trusted) = (self.workspace.file(POLICY), self.workspace.file("ours.pub.pem"));
        self.run(&["--policy", &policy, "--trust", &trusted]).await
    }

    async fn run(&self, more: &[&str]) -> Result<String> {
        let wasm = self.workspace.file(WASM);
        let output =
            self.workspace.run(&self.cluster, &[&["run", &wasm, "--params", MONITOR, "-q"], more].concat()).await?;
        assert!([HEALTHY, NOT_RUN].contains(&code(&output)), "{}", text(&output.stderr));
        Ok(text(&output.stderr))
    }
}

#[tokio::test]
async fn only_signed_components_run() -> Result<()> {
    let signed = Signed::new().await?;
    assert_eq!(signed.load_error().await?, "");
    let workspace = &signed.workspace;

    // Without the policy file that was signed with it.
    let bare = signed.run(&["--trust", &workspace.file("ours.pub.pem")]).await?;
    assert!(bare.contains("signature-invalid") && bare.contains("without a policy file"), "{bare}");

    // With a policy file that allows more.
    let policy = fs::read(workspace.path(POLICY))?;
    workspace.edit(POLICY, "apply = false", "apply = true")?;
    assert!(signed.load_error().await?.contains("signature-invalid"));
    fs::write(workspace.path(POLICY), &policy)?;
    assert_eq!(signed.load_error().await?, "");

    // With another component, even an approved one.
    let component = fs::read(workspace.path(WASM))?;
    workspace.tamper(WASM)?;
    assert!(signed.load_error().await?.contains("signature-invalid"));
    signed.must(&["approve", &workspace.file(WASM), "--replace"]).await?;
    assert!(signed.load_error().await?.contains("signature-invalid"));
    assert_eq!(signed.run(&["--policy", &workspace.file(POLICY)]).await?, "", "nobody asks for a signature");
    fs::write(workspace.path(WASM), component)?;
    fs::write(workspace.path(POLICY), policy)?;
    assert_eq!(signed.load_error().await?, "");

    // With another key, without a signature, and with half of one.
    signed.sign("theirs").await?;
    let other = signed.load_error().await?;
    assert!(other.contains("signature-invalid") && other.contains("not trusted"), "{other}");
    let both = ["ours.pub.pem", "theirs.pub.pem"].map(|key| workspace.file(key));
    let policy = workspace.file(POLICY);
    assert_eq!(signed.run(&["--policy", &policy, "--trust", &both[0], "--trust", &both[1]]).await?, "");
    workspace.edit("pool-observer.wasm.sig", "version = 1\n", "")?;
    assert!(signed.load_error().await?.contains("signature-invalid"));
    fs::remove_file(workspace.path("pool-observer.wasm.sig"))?;
    assert!(signed.load_error().await?.contains("unsigned"));
    Ok(())
}

#[tokio::test]
async fn a_signature_cannot_be_moved_to_another_policy_file() -> Result<()> {
    let signed = Signed::new().await?;
    let (wasm, other) = (signed.workspace.file(WASM), signed.workspace.file("other.toml"));
    fs::copy(signed.workspace.path(POLICY), signed.workspace.path("other.toml"))?;
    let trusted = signed.workspace.file("ours.pub.pem");
    assert_eq!(signed.run(&["--policy", &other, "--trust", &trusted]).await?, "", "the same bytes under another name");
    signed.workspace.edit("other.toml", "max-kill-percentage = 25", "max-kill-percentage = 26")?;
    let moved = signed.run(&["--policy", &other, "--trust", &trusted]).await?;
    assert!(moved.contains("signature-invalid"), "{moved}");

    // A component and the policy file of another one are not signed together.
    let manager = signed.workspace.file("pool-manager.wasm");
    let key = signed.workspace.file("ours.pem");
    let refused = signed.workspace.run(&signed.cluster, &["sign", &manager, "--policy", &other, "--key", &key]).await?;
    assert!(code(&refused) == NOT_RUN && text(&refused.stderr).contains("not-approved"), "{}", text(&refused.stderr));
    assert!(!signed.workspace.path("pool-manager.wasm.sig").exists());

    // The private key must be readable by its owner only.
    fs::set_permissions(signed.workspace.path("ours.pem"), fs::Permissions::from_mode(0o644))?;
    let shared = signed.workspace.run(&signed.cluster, &["sign", &wasm, "--key", &key]).await?;
    assert!(code(&shared) == NOT_RUN && text(&shared.stderr).contains("key-invalid"), "{}", text(&shared.stderr));
    Ok(())
}

#[tokio::test]
async fn the_environment_can_require_signatures_and_the_built_in_component_needs_none() -> Result<()> {
    let signed = Signed::new().await?;
    let workspace = &signed.workspace;
    let list = format!("{}:{}", workspace.file("theirs.pub.pem"), workspace.file("ours.pub.pem"));
    let url = signed.cluster.url(OPERATOR, "postgres");
    let run = async |arguments: &[&str], trusted: &str| -> Result<String> {
        let mut command = command(&url, workspace.folder(), arguments)?;
        command.env("ARCHON_POOL_TRUST", trusted);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        Ok(text(&output.stderr))
    };
    let (wasm, policy) = (workspace.file(WASM), workspace.file(POLICY));
    let run_it = ["run", &wasm, "--params", MONITOR, "--policy", &policy, "-q"];
    assert_eq!(run(&run_it, &list).await?, "");
    assert!(run(&run_it, &workspace.file("theirs.pub.pem")).await?.contains("not trusted"));
    assert!(run(&run_it, "/no/such.pem").await?.contains("key-invalid"), "what cannot be read trusts nobody");
    assert_eq!(run(&["monitor", "--sample-ms", "0", "-q"], &list).await?, "");
    let manager = workspace.file("pool-manager.wasm");
    let plugged = run(&["kill-idle", "--plugin", &manager, "--sample-ms", "0", "-q"], &list).await?;
    assert!(plugged.contains("unsigned"), "{plugged}");
    let zeros = "0".repeat(64);
    assert!(run(&["monitor", "--sha256", &zeros], "").await?.contains("not-approved"));
    Ok(())
}
