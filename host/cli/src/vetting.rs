//! Requirements of components, and the locations of their files.

use std::env;
use std::path::{Path, PathBuf};

use archon_pool::Fault;
use archon_pool::components::{World, embedded};
use archon_pool::digest::Digest;
use archon_pool::engine::Engine;
use archon_pool::plugin_store::{Name, PluginStore};
use archon_pool::policy_file::Approval;
use archon_pool::signature::Trust;
use archon_pool::verified_plugin::{Files, TrustRequirements, VerifiedPlugin};
use archon_pool::xdg;
use archon_pool_contract::fault::kind;
use clap::Args as Group;

/// Requirements of an operator for a component.
#[derive(Debug, Group)]
#[command(next_help_heading = "Plugins")]
pub(crate) struct Vetting {
    /// Run the component under this policy file, as `archon-pool approve` writes it
    ///
    /// A different component, SQL or change that it does not approve is refused. A component of the plugin folder runs
    /// under the policy file beside it.
    #[arg(long, global = true, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Refuse a component with another SHA-256
    #[arg(long, global = true, value_name = "HEX", value_parser = digest)]
    sha256: Option<Digest>,

    /// Refuse a component without a signature by this public key over it and its policy file; repeatable
    ///
    /// The built-in components need no signature. Default: the files in $ARCHON_POOL_TRUST, separated by colons.
    #[arg(long, global = true, value_name = "PUBKEY.pem")]
    trust: Vec<PathBuf>,

    /// Folder of named components
    ///
    /// Default: $ARCHON_POOL_PLUGINS, or archon-pool/plugins under $XDG_DATA_HOME (~/.local/share).
    #[arg(long, global = true, value_name = "DIR")]
    plugins_dir: Option<PathBuf>,
}

impl Vetting {
    /// Returns the policy file that was given.
    pub(crate) fn policy(&self) -> Option<&Path> {
        self.policy.as_deref()
    }

    /// Returns true if the requirements are those of one component alone: its policy file or its digest.
    #[cfg(feature = "mcp")]
    pub(crate) fn names_component(&self) -> bool {
        self.policy.is_some() || self.sha256.is_some()
    }

    /// Loads and verifies a component of a file or of the plugin folder.
    pub(crate) fn load(&self, engine: &Engine, component: &Path, most: World) -> Result<VerifiedPlugin, Fault> {
        VerifiedPlugin::load(engine, &self.files(component)?, &TrustRequirements { most, ..self.requirements()? })
    }

    /// Loads a built-in component, which needs no signature.
    pub(crate) fn built_in(&self, engine: &Engine, world: World) -> Result<VerifiedPlugin, Fault> {
        let digest = Digest::of(embedded(world));
        if let Some(wanted) = self.sha256.filter(|wanted| *wanted != digest) {
            let message = format!("the built-in {world} has sha256 {digest}, and --sha256 asks for {wanted}");
            return Err(Fault::new(kind::NOT_APPROVED, message));
        }
        let approval = self.policy().map(Approval::load).transpose()?;
        VerifiedPlugin::built_in(engine, world, approval)
    }

    /// Returns the requirements of a component.
    pub(crate) fn requirements(&self) -> Result<TrustRequirements, Fault> {
        let trusted = if self.trust.is_empty() {
            set("ARCHON_POOL_TRUST").map(|list| env::split_paths(&list).collect()).unwrap_or_default()
        } else {
            self.trust.clone()
        };
        Ok(TrustRequirements { sha256: self.sha256, trust: Trust::load(&trusted)?, ..TrustRequirements::default() })
    }

    /// Returns the requirements of a component that is to be approved, and signed after that.
    pub(crate) fn unsigned(&self) -> TrustRequirements {
        TrustRequirements { sha256: self.sha256, ..TrustRequirements::default() }
    }

    /// Returns the files of a component: a path if it contains a slash, otherwise a name in the plugin folder.
    pub(crate) fn files(&self, component: &Path) -> Result<Files, Fault> {
        let Some(name) = name(component)? else { return Ok(Files::of(component, self.policy())) };
        let mut files = PluginStore::find(&self.folder()?, &name)?;
        match (self.policy(), &files.policy) {
            (Some(_), Some(own)) => {
                let own = own.display();
                Err(Fault::invalid(format!("--policy: plugin '{name}' runs under its own policy file {own}")))
            }
            (named, None) => {
                files.policy = named.map(Path::to_owned);
                Ok(files)
            }
            (None, Some(_)) => Ok(files),
        }
    }

    /// Returns the path of a component's policy file, which need not exist.
    pub(crate) fn policy_of(&self, component: &Path) -> Result<PathBuf, Fault> {
        match (self.policy(), name(component)?) {
            (Some(policy), _) => Ok(policy.to_owned()),
            (None, Some(name)) => Ok(name.policy(&self.folder()?)),
            (None, None) => Ok(component.with_extension("policy.toml")),
        }
    }

    /// Returns the plugin folder, which need not exist.
    pub(crate) fn folder(&self) -> Result<PathBuf, Fault> {
        let usual = || Some(xdg::data()?.join("archon-pool").join("plugins"));
        let folder = self.plugins_dir.clone().or_else(|| set("ARCHON_POOL_PLUGINS")).or_else(usual);
        folder.ok_or_else(|| Fault::invalid("--plugins-dir: neither it nor HOME says where the plugin folder is"))
    }
}

/// Parses an argument as a name, unless it is a path. A bare name never means a file of the working directory, which
/// any user may have put there.
fn name(component: &Path) -> Result<Option<Name>, Fault> {
    let text = component.to_string_lossy();
    if text.contains('/') {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|fault: Fault| {
        Fault::invalid(format!("{}; a path needs a slash: ./{}", fault.message, text.escape_debug()))
    })
}

fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

pub(crate) fn digest(text: &str) -> Result<Digest, archon_pool::digest::NoDigest> {
    text.parse()
}
