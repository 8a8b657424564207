//! The plans of this user on disk, so that a person can apply one with a command of their own.

use std::fs;
use std::path::{Path, PathBuf};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::private_file::{self, Readers};
use archon_pool_core::xdg;

use crate::plan::{LASTING, Plan, is_id};

/// Most bytes of a plan: some thousand sessions.
const MOST_BYTES: usize = 4 << 20;

/// Most plans in the folder; the oldest leave first.
const MOST_PLANS: usize = 64;

/// Ending of the files.
const ENDING: &str = "json";

/// A folder of this user alone, with one file a plan.
#[derive(Debug, Clone)]
pub struct PlanFolder(PathBuf);

impl PlanFolder {
    /// Opens `archon-pool/plans` under `$XDG_STATE_HOME` or `~/.local/state`, and creates it for this user alone.
    pub fn of_user() -> Result<Self, Fault> {
        let state = xdg::state().ok_or_else(|| unusable("neither XDG_STATE_HOME nor HOME is set"))?;
        Self::open(&state.join("archon-pool").join("plans"))
    }

    /// Opens a folder, and creates it for this user alone.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        private_file::folder(path).map(Self).map_err(|why| unusable(&why))
    }

    /// Keeps a plan. Those that can no longer be applied are removed.
    pub fn keep(&self, plan: &Plan) -> Result<(), Fault> {
        self.clear();
        let text = serde_json::to_vec(plan).map_err(|error| unusable(&error.to_string()))?;
        private_file::write(&self.path(&plan.id()), &text).map_err(|error| unusable(&error.to_string()))
    }

    /// Returns a plan that can still be applied.
    pub fn read(&self, id: &str) -> Result<Plan, Fault> {
        if !is_id(id) {
            return Err(Fault::invalid("PLAN-ID: a plan's id has 16 letters of 0-9 and a-f"));
        }
        let gone = || {
            let minutes = LASTING.as_secs() / 60;
            let message =
                format!("plan {id} is not there: it was applied, or is older than {minutes} minutes; plan again");
            Fault::invalid(message)
        };
        let path = self.path(id);
        if !private_file::is_there(&path) {
            return Err(gone());
        }
        let changed = |why: &str| unusable(&format!("{}: {why}", path.display()));
        let bytes = private_file::read(&path, Readers::Owner, MOST_BYTES).map_err(|why| changed(&why))?;
        let plan: Plan = serde_json::from_slice(&bytes).map_err(|_| changed("it is not a plan"))?;
        if plan.id() != id {
            return Err(changed("it was changed since it was made"));
        }
        if plan.is_within(LASTING) { Ok(plan) } else { Err(gone()) }
    }

    /// Removes a plan before it is applied. Of several that try, one succeeds.
    pub fn take(&self, plan: &Plan) -> Result<(), Fault> {
        fs::remove_file(self.path(&plan.id()))
            .map_err(|_| Fault::invalid(format!("plan {} was applied already", plan.id())))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(id).with_extension(ENDING)
    }

    /// Removes the files that are too old, and the oldest of too many.
    fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        let mut files: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|ending| ending == ENDING))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        let spare = files.len().saturating_sub(MOST_PLANS - 1);
        for (index, (modified, path)) in files.into_iter().enumerate() {
            if index < spare || modified.elapsed().is_ok_and(|age| age > LASTING) {
                // Another process may have removed it.
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn unusable(why: &str) -> Fault {
    let message = format!("plans cannot be kept: {why}: set XDG_STATE_HOME to a folder of this user alone");
    Fault::new(kind::POLICY_INVALID, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::plan::{Change, now_ms};

    fn plan(salt: u64) -> Plan {
        let change = Change::Resize { pool: None, from: 1, to: 2, reason: "busy".into() };
        let (author, credential) = ("mcp:test".into(), None);
        Plan { made_at_ms: now_ms(), salt, author, credential, options: serde_json::Map::new(), change }
    }

    fn folder() -> (tempfile::TempDir, PlanFolder) {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = PlanFolder::open(&parent.path().join("plans")).expect("a folder");
        (parent, folder)
    }

    #[test]
    fn a_plan_is_kept_for_its_owner_and_taken_once() {
        let (_parent, folder) = folder();
        let plan = plan(1);
        folder.keep(&plan).expect("kept");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder.0), mode(&folder.path(&plan.id()))), (0o700, 0o600));
        assert_eq!(folder.read(&plan.id()).expect("read"), plan);
        folder.take(&plan).expect("taken");
        assert!(folder.take(&plan).is_err() && folder.read(&plan.id()).is_err());
    }

    #[test]
    fn a_changed_or_old_plan_is_refused() {
        let (_parent, folder) = folder();
        let plan = plan(1);
        folder.keep(&plan).expect("kept");
        let path = folder.path(&plan.id());
        let text = fs::read_to_string(&path).expect("read");
        private_file::write(&path, text.replace("\"to\":2", "\"to\":90").as_bytes()).expect("written");
        assert!(folder.read(&plan.id()).expect_err("refused").message.contains("it was changed"));
        let old = Plan { made_at_ms: now_ms() - 901_000, ..plan };
        folder.keep(&old).expect("kept");
        assert!(folder.read(&old.id()).expect_err("refused").message.contains("older than 15 minutes"));
        assert_eq!(folder.read("../../secret").expect_err("refused").kind, kind::INVALID_PARAMS);
    }

    #[test]
    fn the_folder_does_not_grow() {
        let (_parent, folder) = folder();
        for salt in 0..70 {
            folder.keep(&plan(salt)).expect("kept");
        }
        assert_eq!(fs::read_dir(&folder.0).expect("listed").count(), MOST_PLANS);
    }
}
