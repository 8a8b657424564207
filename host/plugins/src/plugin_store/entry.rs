//! A listing of a plugin folder: the plugins with their state, and the reasons for which some do not load.

use std::fmt;
use std::path::Path;

use archon_pool_contract::fault::Fault;
use archon_pool_core::digest::Digest;
use archon_pool_core::engine::Engine;
use archon_pool_core::world::World;

use super::folder::{check, components};
use super::name::Name;
use crate::signature::{KeyId, Trust};
use crate::verified_plugin::{Bundle, TrustRequirements};

/// A plugin in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name; the file's name when it cannot have one.
    pub name: String,
    /// The component's size in bytes, when it can be read.
    pub bytes: Option<usize>,
    /// The SHA-256 of the component, when it can be read.
    pub sha256: Option<Digest>,
    /// Its world, if it loads.
    pub world: Option<World>,
    /// Its policy file.
    pub policy: PolicyState,
    /// Its signature.
    pub signature: SignatureState,
    /// Reason for which it does not load; none if it does.
    pub trouble: Option<Fault>,
}

/// State of a plugin's policy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// There is none.
    No,
    /// It approves this component.
    Yes,
    /// It approves another component, or a lesser world.
    Mismatch,
    /// It cannot be parsed, or others may have written it.
    Invalid,
}

impl fmt::Display for PolicyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Mismatch => "does not match",
            Self::Invalid => "not valid",
        })
    }
}

/// State of a plugin's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureState {
    /// There is none.
    No,
    /// A trusted key signed it.
    By(KeyId),
    /// Its key id is not that of a trusted key, so it was not verified.
    Unchecked(KeyId),
    /// It is by no trusted key, or for other bytes.
    Invalid,
}

impl fmt::Display for SignatureState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::By(key) => write!(f, "by {key}"),
            Self::Unchecked(key) => write!(f, "by {key}, not checked"),
            Self::Invalid => f.write_str("not valid"),
        }
    }
}

/// Lists every plugin in a folder in the order of their names, verified as for service.
///
/// Compiles, and so blocks the thread. Fails when the folder cannot be listed, or others may write to it.
pub(super) fn list(engine: &Engine, folder: &Path, requirements: &TrustRequirements) -> Result<Vec<Entry>, Fault> {
    check(folder)?;
    let entry = |(name, parsed): (String, Result<Name, Fault>)| {
        let files = parsed.map(|parsed| parsed.files(folder));
        let mut entry = Entry {
            name,
            bytes: None,
            sha256: None,
            world: None,
            policy: PolicyState::No,
            signature: SignatureState::No,
            trouble: None,
        };
        let read = files.and_then(|files| {
            // An existing file that cannot be read is not absent.
            if files.policy.is_some() {
                entry.policy = PolicyState::Invalid;
            }
            Bundle::read(engine, &files)
        });
        match read {
            Ok(bundle) => entry.fill(&bundle, engine, requirements),
            Err(fault) => entry.trouble = Some(fault),
        }
        entry
    };
    Ok(components(folder)?.into_iter().map(entry).collect())
}

impl Entry {
    fn fill(&mut self, bundle: &Bundle, engine: &Engine, requirements: &TrustRequirements) {
        let digest = Digest::of(&bundle.component);
        self.bytes = Some(bundle.component.len());
        self.sha256 = Some(digest);
        self.signature = signature(bundle, &requirements.trust);
        let approval = bundle.approval();
        self.policy = match &approval {
            Ok(None) => PolicyState::No,
            Ok(Some(approval)) if approval.component().sha256 == digest => PolicyState::Yes,
            Ok(Some(_)) => PolicyState::Mismatch,
            Err(_) => PolicyState::Invalid,
        };
        match bundle.verify(engine, requirements) {
            Ok(verified) => self.world = Some(verified.plugin().world()),
            Err(fault) => self.trouble = Some(fault),
        }
    }
}

fn signature(bundle: &Bundle, trust: &Trust) -> SignatureState {
    match (bundle.claimed(), bundle.signer(trust)) {
        (Ok(None), _) => SignatureState::No,
        (_, Ok(Some(key))) => SignatureState::By(key),
        (Ok(Some(claimed)), Ok(None)) => SignatureState::Unchecked(claimed.key()),
        _ => SignatureState::Invalid,
    }
}
