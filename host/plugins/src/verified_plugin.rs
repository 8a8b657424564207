//! Verification of components: digest, policy file and signature.
//!
//! All three are read once and verified in memory, so that none can be exchanged in between, and the component is
//! compiled last: refused bytes never reach the compiler.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::digest::Digest;
use archon_pool_core::engine::Engine;
use archon_pool_core::plugin::Plugin;
use archon_pool_core::world::World;

use crate::policy_file::Approval;
use crate::signature::{KeyId, Signature, Trust};

/// Paths of a component, its policy file and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The component.
    pub component: PathBuf,
    /// Its policy file, which must exist if given.
    pub policy: Option<PathBuf>,
    /// Its signature, which may be missing.
    pub signature: PathBuf,
}

impl Files {
    /// Returns the paths of a component with its signature beside it, and a policy file from anywhere.
    pub fn of(component: &Path, policy: Option<&Path>) -> Self {
        Self {
            component: component.to_owned(),
            policy: policy.map(Path::to_owned),
            signature: Signature::path_of(component),
        }
    }
}

/// Conditions that a component must meet.
#[derive(Debug, Clone)]
pub struct TrustRequirements {
    /// The most powerful world that it may be of.
    pub most: World,
    /// The SHA-256 that its bytes must have.
    pub sha256: Option<Digest>,
    /// The keys of which one must have signed it; with none, no signature is required.
    pub trust: Trust,
}

impl Default for TrustRequirements {
    fn default() -> Self {
        Self { most: World::Manager, sha256: None, trust: Trust::default() }
    }
}

/// A component that met all conditions, with the approval under which it may run.
#[derive(Debug, Clone)]
pub struct VerifiedPlugin {
    plugin: Arc<Plugin>,
    approval: Option<Arc<Approval>>,
    signer: Option<KeyId>,
}

impl VerifiedPlugin {
    /// Reads, verifies and compiles a component. Compiling blocks the thread: call it in `spawn_blocking` where
    /// requests are served.
    ///
    /// Fails with `not-approved`, `policy-invalid`, `unsigned`, `signature-invalid`, and as
    /// [`Plugin::from_file`] does.
    pub fn load(engine: &Engine, files: &Files, requirements: &TrustRequirements) -> Result<Self, Fault> {
        Bundle::read(engine, files)?.verify(engine, requirements)
    }

    /// Loads a built-in component, which needs no signature, under an approval or none.
    pub fn built_in(engine: &Engine, world: World, approval: Option<Approval>) -> Result<Self, Fault> {
        let plugin = Plugin::built_in(engine, world)?;
        if let Some(approval) = &approval {
            approval.check(&plugin)?;
        }
        Ok(Self { plugin: Arc::new(plugin), approval: approval.map(Arc::new), signer: None })
    }

    /// Returns the component.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Returns its approval; none without a policy file.
    pub fn approval(&self) -> Option<&Approval> {
        self.approval.as_deref()
    }

    /// Returns the trusted key that signed it; none when no signature was required.
    pub fn signer(&self) -> Option<KeyId> {
        self.signer
    }
}

/// A component, its policy file and its signature as they were read, before verification.
pub(crate) struct Bundle {
    /// Name of the component in messages.
    pub(crate) name: String,
    pub(crate) component: Vec<u8>,
    pub(crate) policy: Option<Text>,
    pub(crate) signature: Option<Text>,
}

/// The SHA-256 of each part of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) component: Digest,
    pub(crate) policy: Option<Digest>,
    pub(crate) signature: Option<Digest>,
}

/// A small file's content with its name in messages.
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Text {
    fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

impl Bundle {
    /// Reads the files. Fails when one is too large, unreadable, or a policy file that others may write to.
    pub(crate) fn read(engine: &Engine, files: &Files) -> Result<Self, Fault> {
        let component = Plugin::bytes(engine, &files.component)?;
        let text = |path: &Path, bytes| Text { name: path.display().to_string(), bytes };
        let policy = match &files.policy {
            Some(path) => Some(text(path, Approval::bytes(path)?)),
            None => None,
        };
        let signature = Signature::bytes(&files.signature)?.map(|bytes| text(&files.signature, bytes));
        Ok(Self { name: files.component.display().to_string(), component, policy, signature })
    }

    /// Returns the SHA-256 of each part: bundles with equal digests are equal.
    pub(crate) fn digests(&self) -> Digests {
        let [policy, signature] = [&self.policy, &self.signature].map(|text| text.as_ref().map(Text::digest));
        Digests { component: Digest::of(&self.component), policy, signature }
    }

    /// Parses the policy file; none without one.
    pub(crate) fn approval(&self) -> Result<Option<Approval>, Fault> {
        self.policy.as_ref().map(|policy| Approval::read(&policy.name, &policy.bytes)).transpose()
    }

    /// Parses the signature without verifying it; none without one.
    pub(crate) fn claimed(&self) -> Result<Option<Signature>, Fault> {
        self.signature.as_ref().map(|text| Signature::read(&text.name, &text.bytes)).transpose()
    }

    /// Verifies the signature and returns its key; none when no signature is required.
    pub(crate) fn signer(&self, trust: &Trust) -> Result<Option<KeyId>, Fault> {
        if trust.is_empty() {
            return Ok(None);
        }
        let Digests { component, policy, .. } = self.digests();
        trust.check(&self.name, component, policy, self.claimed()?.as_ref())
    }

    /// Verifies the parts, and compiles the component if it meets all conditions.
    pub(crate) fn verify(&self, engine: &Engine, requirements: &TrustRequirements) -> Result<VerifiedPlugin, Fault> {
        let digest = Digest::of(&self.component);
        if let Some(wanted) = requirements.sha256.filter(|wanted| *wanted != digest) {
            let message = format!("{} has sha256 {digest}, and --sha256 asks for {wanted}", self.name);
            return Err(Fault::new(kind::NOT_APPROVED, message));
        }
        let signer = self.signer(&requirements.trust)?;
        let approval = self.approval()?;
        if let Some(approval) = &approval {
            approval.check_digest(&self.name, digest)?;
        }
        let plugin = Plugin::load(engine, &self.name, &self.component, requirements.most)?;
        if let Some(approval) = &approval {
            approval.check(&plugin)?;
        }
        Ok(VerifiedPlugin { plugin: Arc::new(plugin), approval: approval.map(Arc::new), signer })
    }
}
