//! A parsed policy file, and the checks of components and policies against it.

use std::fmt::Display;
use std::path::Path;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::digest::Digest;
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use archon_pool_core::policy::{Policy, Sql};
use archon_pool_core::private_file::{self, Readers};
use archon_pool_core::world::World;

use super::format::{Component, Signals, Statement, Terms};

/// Enough for more than a thousand statements.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// A parsed policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    name: String,
    digest: Digest,
    pub(super) terms: Terms,
}

impl Approval {
    /// Reads a policy file.
    ///
    /// Fails with `policy-invalid` when it does not exist, when others may have written it, and with the line and the
    /// key when it contains anything unknown to this version.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        Self::read(&path.display().to_string(), &Self::bytes(path)?)
    }

    /// Reads a file that only root and this user can have written.
    pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
        let read = private_file::read(path, Readers::Anyone, MOST_BYTES);
        read.map_err(|why| invalid(&path.display().to_string(), &why))
    }

    /// Parses a policy file; `name` identifies it in messages. Its owner is not checked.
    ///
    /// Fails as [`Approval::load`] does.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let terms = Terms::parse(bytes).map_err(|why| invalid(name, &why))?;
        Ok(Self { name: name.to_owned(), digest: Digest::of(bytes), terms })
    }

    /// Returns the SHA-256 of the file, which a signature covers and which can be pinned.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the file's name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the approved component.
    pub fn component(&self) -> &Component {
        &self.terms.component
    }

    /// Returns the approved statements; none unless they are pinned.
    pub fn statements(&self) -> &[Statement] {
        &self.terms.statements
    }

    /// Returns the approved changes.
    pub fn signals(&self) -> &Signals {
        &self.terms.signals
    }

    /// Checks that this is the approved component, of a world no more powerful than the approved one; fails with
    /// `not-approved` otherwise.
    pub fn check(&self, plugin: &Plugin) -> Result<(), Fault> {
        self.check_digest(plugin.name(), plugin.digest())?;
        self.check_world(plugin.name(), plugin.world())
    }

    pub(crate) fn check_digest(&self, plugin: &str, digest: Digest) -> Result<(), Fault> {
        let Component { name, sha256, .. } = self.component();
        if digest == *sha256 {
            return Ok(());
        }
        Err(self.refuse(format_args!(
            "approves {} (sha256 {sha256}) and not {plugin} (sha256 {digest}): approve it with `archon-pool approve`",
            name.escape_debug()
        )))
    }

    fn check_world(&self, plugin: &str, world: World) -> Result<(), Fault> {
        let most = self.component().world;
        if world <= most {
            return Ok(());
        }
        Err(self.refuse(format_args!("approves the world {most} at the most, and {plugin} is of the world {world}")))
    }

    /// Checks that a policy requests no more than was approved; fails with `not-approved` and the setting otherwise.
    /// [`Approval::policy`] reduces the request instead.
    pub fn admits(&self, asked: &Policy) -> Result<(), Fault> {
        if asked.apply && !self.signals().apply {
            return Err(self.refuse("allows no changes: set its signals.apply = true, or plan only"));
        }
        // The catalogue is the default.
        if asked.sql != Sql::Catalogue && asked.sql != self.terms.sql {
            return Err(
                self.refuse("allows other SQL than is asked for: its sql.mode says which statements may be sent")
            );
        }
        Ok(())
    }

    /// Returns the policy under which the component runs: the lesser of the approved and the requested one. The file
    /// alone decides about statements.
    pub fn policy(&self, asked: &Policy) -> Policy {
        let signals = self.signals();
        let mut policy = asked.clone();
        policy.sql = self.terms.sql.clone();
        policy.apply &= signals.apply;
        policy.max_kill_percentage = policy.max_kill_percentage.min(signals.max_kill_percentage);
        policy.max_kills = policy.max_kills.min(signals.max_kills);
        policy.max_kills_per_hour = policy.max_kills_per_hour.min(signals.max_kills_per_hour);
        policy.resize &= signals.resize;
        policy.max_resizes_per_hour = policy.max_resizes_per_hour.min(signals.max_resizes_per_hour);
        policy.protected_roles.extend_from_slice(&signals.protected_roles);
        policy.protected_applications.extend_from_slice(&signals.protected_applications);
        policy
    }

    fn refuse(&self, why: impl Display) -> Fault {
        Fault::new(kind::NOT_APPROVED, format!("policy file {} {why}", self.name))
    }
}

/// Returns a host with its policy lowered to an approval; unchanged without one.
pub fn lowered(host: &Host, approval: Option<&Approval>) -> Host {
    approval.map_or_else(|| host.clone(), |approval| host.with_policy(approval.policy(host.policy())))
}

/// Creates the fault of a policy file that cannot be used.
pub(super) fn invalid(name: &str, why: &str) -> Fault {
    Fault::new(kind::POLICY_INVALID, format!("policy file {name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use archon_pool_core::engine::Engine;
    use archon_pool_core::limits::Limits;
    use archon_pool_core::policy::StatementRules;
    use std::os::unix::fs::PermissionsExt as _;

    fn approval(of: &[u8], world: &str, rest: &str) -> Approval {
        let text = format!(
            "version = 1\n[plugin]\nname = 'it.wasm'\nsha256 = '{}'\nworld = '{world}'\n{rest}",
            Digest::of(of)
        );
        Approval::read("it.policy.toml", text.as_bytes()).unwrap()
    }

    fn rules(policy: &Policy) -> StatementRules {
        StatementRules::new(policy.sql.clone(), None)
    }

    #[test]
    fn another_component_and_more_power_are_refused() {
        let engine = Engine::new(&Limits::default()).unwrap();
        let observer = Plugin::built_in(&engine, World::Observer).unwrap();
        let bytes = archon_pool_core::components::embedded(World::Observer);
        let sql = "[sql]\nmode = 'catalogue'";
        approval(bytes, "observer", sql).check(&observer).unwrap();
        approval(bytes, "manager", sql).check(&observer).unwrap();
        for (approval, word) in [
            (approval(b"another", "observer", sql), "archon-pool approve"),
            (approval(bytes, "analyser", sql), "analyser"),
        ] {
            let fault = approval.check(&observer).unwrap_err();
            assert_eq!(fault.kind, kind::NOT_APPROVED);
            assert!(fault.message.starts_with("policy file it.policy.toml") && fault.message.contains(word), "{fault}");
        }
    }

    #[test]
    fn the_stricter_of_policy_file_and_request_applies() {
        let statement = format!("[[sql.statement]]\nid = 'a'\npurpose = ''\nsha256 = '{}'", Digest::of(b"SELECT 1"));
        let signals =
            "[signals]\napply = true\nmax-kill-percentage = 10\nmax-kills-per-hour = 7\nprotected-roles = ['boss']";
        let approval = approval(b"", "manager", &format!("[sql]\nmode = 'pinned'\n{statement}\n{signals}"));
        let asked = Policy { protected_roles: vec!["me".into()], sql: Sql::Any, ..Policy::default() };
        let policy = approval.policy(&asked);
        assert_eq!((policy.apply, policy.max_kill_percentage, policy.max_kills_per_hour), (true, 10, 7));
        assert_eq!(policy.protected_roles, ["me", "boss"]);
        assert!(rules(&policy).check("SELECT 1").is_ok());
        assert!(rules(&policy).check("SELECT 2").unwrap_err().contains("SHA-256"));
        let asked = Policy { apply: false, max_kill_percentage: 5, ..Policy::default() };
        let policy = approval.policy(&asked);
        assert_eq!((policy.apply, policy.max_kill_percentage), (false, 5));
        assert!(asked.resize && !policy.resize, "what the file does not say is not allowed");
    }

    #[test]
    fn a_request_beyond_the_policy_file_is_refused_with_the_setting() {
        let approval = approval(b"", "manager", "[sql]\nmode = 'catalogue'");
        let plan = Policy { apply: false, ..Policy::default() };
        approval.admits(&plan).unwrap();
        assert!(!approval.policy(&Policy::default()).apply);
        for (asked, setting) in [(Policy::default(), "signals.apply"), (Policy { sql: Sql::Any, ..plan }, "sql.mode")] {
            let fault = approval.admits(&asked).unwrap_err();
            assert!(fault.kind == kind::NOT_APPROVED && fault.message.contains(setting), "{fault}");
        }
    }

    #[test]
    fn a_file_that_others_can_write_to_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "version = 1\n[plugin]\nname = 'x'\nsha256 = '{}'\nworld = 'observer'\n[sql]\nmode = 'any'",
            Digest::of(b"")
        );
        std::fs::write(file.path(), text).unwrap();
        for (mode, allowed) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let loaded = Approval::load(file.path());
            assert_eq!(loaded.is_ok(), allowed, "{mode:o}");
            if let Err(fault) = loaded {
                assert!(fault.kind == kind::POLICY_INVALID && fault.message.contains("chmod go-w"), "{fault}");
            }
        }
        assert!(Approval::load(Path::new("/no/such")).unwrap_err().message.contains("does not exist"));
    }
}
