//! What an operator approved of one component: the policy file.
//!
//! ```toml
//! version = 1
//! approved-at = "2026-11-23T18:00:00Z"
//! approved-by = "archon-pool 1.0.0"
//!
//! [plugin]
//! name = "pool-manager.wasm"
//! sha256 = "…"
//! world = "manager"
//! skill-version = "1.0.0"
//!
//! [sql]
//! mode = "pinned"
//!
//! [[sql.statement]]
//! id = "server"
//! purpose = "version and capacity"
//! sha256 = "…"
//!
//! [signals]
//! apply = false
//! max-kill-percentage = 25
//! max-kills = 1000
//! max-kills-per-hour = 1000
//! resize = false
//! max-resizes-per-hour = 240
//! protected-roles = []
//! protected-applications = []
//! ```
//!
//! It is the operator's ceiling: a command line or a program can only lower it. [`Proposal`] writes it.

use std::fmt::Display;
use std::path::Path;

use archon_pool_contract::fault::{Fault, kind};

use crate::digest::Digest;
use crate::guarded_file::{self, Readers};
use crate::plugin::Plugin;
use crate::policy::{Policy, Sql};
use crate::world::World;

mod proposal;
mod terms;

pub use self::proposal::{Change, Proposal};
pub use self::terms::{Component, Signals, Statement};

use self::terms::Terms;

/// More than a thousand statements need.
const MOST_BYTES: usize = 1 << 20;

/// A policy file that was read and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    name: String,
    digest: Digest,
    terms: Terms,
}

impl Approval {
    /// Reads a policy file.
    ///
    /// Fails with `policy-invalid` when it does not exist, when others may have written it, and with the
    /// line and the key when it says anything that this version does not know.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        Self::read(&path.display().to_string(), &Self::bytes(path)?)
    }

    /// The bytes of a file that only root and we can have written.
    pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
        let read = guarded_file::read(path, Readers::Anyone, MOST_BYTES);
        read.map_err(|why| invalid(&path.display().to_string(), &why))
    }

    /// Understands what a policy file says; `name` stands for it in messages. Who wrote it is not looked at.
    ///
    /// Fails as [`Approval::load`] does.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let terms = Terms::parse(bytes).map_err(|why| invalid(name, &why))?;
        Ok(Self { name: name.to_owned(), digest: Digest::of(bytes), terms })
    }

    /// The SHA-256 of the file: what a signature covers, and a digest to pin.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What stands for the file in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which component it is about.
    pub fn component(&self) -> &Component {
        &self.terms.component
    }

    /// The approved statements. Empty unless they are pinned.
    pub fn statements(&self) -> &[Statement] {
        &self.terms.statements
    }

    /// What may be changed.
    pub fn signals(&self) -> &Signals {
        &self.terms.signals
    }

    /// Whether this is the component that was approved, with no more power than was approved; fails with
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

    /// Whether a caller asks for no more than was approved; fails with `not-approved` and the setting
    /// otherwise. For a caller who wants to be told rather than get less than was asked for.
    pub fn admits(&self, asked: &Policy) -> Result<(), Fault> {
        if asked.apply && !self.signals().apply {
            return Err(self.refuse("allows no changes: set its signals.apply = true, or plan only"));
        }
        // The catalogue is what is asked for when nothing is.
        if asked.sql != Sql::Catalogue && asked.sql != self.terms.sql {
            return Err(
                self.refuse("allows other SQL than is asked for: its sql.mode says which statements may be sent")
            );
        }
        Ok(())
    }

    /// The policy under which the component runs: of what was approved and what a caller asks for, the
    /// lesser. Which statements may be sent is said by the file alone.
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

fn invalid(name: &str, why: &str) -> Fault {
    Fault::new(kind::POLICY_INVALID, format!("policy file {name}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::limits::Limits;
    use std::os::unix::fs::PermissionsExt as _;

    fn approval(of: &[u8], world: &str, rest: &str) -> Approval {
        let text = format!(
            "version = 1\n[plugin]\nname = 'it.wasm'\nsha256 = '{}'\nworld = '{world}'\n{rest}",
            Digest::of(of)
        );
        Approval::read("it.policy.toml", text.as_bytes()).unwrap()
    }

    #[test]
    fn another_component_and_more_power_are_refused() {
        let engine = Engine::new(&Limits::default()).unwrap();
        let observer = Plugin::built_in(&engine, World::Observer).unwrap();
        let bytes = crate::components::embedded(World::Observer);
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
    fn a_caller_gets_the_lesser_of_the_two() {
        let statement = format!("[[sql.statement]]\nid = 'a'\npurpose = ''\nsha256 = '{}'", Digest::of(b"SELECT 1"));
        let signals =
            "[signals]\napply = true\nmax-kill-percentage = 10\nmax-kills-per-hour = 7\nprotected-roles = ['boss']";
        let approval = approval(b"", "manager", &format!("[sql]\nmode = 'pinned'\n{statement}\n{signals}"));
        let asked = Policy { protected_roles: vec!["me".into()], sql: Sql::Any, ..Policy::default() };
        let policy = approval.policy(&asked);
        assert_eq!((policy.apply, policy.max_kill_percentage, policy.max_kills_per_hour), (true, 10, 7));
        assert_eq!(policy.protected_roles, ["me", "boss"]);
        assert!(policy.sql.check("SELECT 1").is_ok());
        assert!(policy.sql.check("SELECT 2").unwrap_err().contains("SHA-256"));
        let asked = Policy { apply: false, max_kill_percentage: 5, ..Policy::default() };
        let policy = approval.policy(&asked);
        assert_eq!((policy.apply, policy.max_kill_percentage), (false, 5));
        assert!(asked.resize && !policy.resize, "what the file does not say is not allowed");
    }

    #[test]
    fn asking_for_more_is_refused_by_name() {
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
    fn a_file_that_others_may_write_to_is_refused() {
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
