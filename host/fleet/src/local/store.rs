//! The folder of a fleet's files: a state and a report for each target.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use archon_pool_core::private_file::{self, Readers};
use serde::de::DeserializeOwned;

use crate::error::BoardError;
use crate::report::FleetReport;
use crate::state::State;

/// Largest size of a file, bytes: of a carry, which has at most 64 KiB, findings and events.
const MOST_BYTES: usize = 1 << 20;

/// Time to wait for another process to end.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

const STATES: &str = "state";
const REPORTS: &str = "reports";

/// A folder of this user's alone. Each file is replaced as a whole.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Held by the process that writes.
    _lock: Option<File>,
}

impl Store {
    /// Opens the folder for writing; it is created if it does not exist.
    ///
    /// # Errors
    ///
    /// Fails if others may read or write there, or another process writes there.
    pub fn open(folder: &Path) -> Result<Self, BoardError> {
        let folder = private_file::folder(folder).map_err(|why| failed(folder, why))?;
        for name in [STATES, REPORTS] {
            private_file::folder(&folder.join(name)).map_err(|why| failed(&folder, why))?;
        }
        let lock = File::options().create(true).append(true).open(folder.join("lock"));
        let lock = lock.map_err(|error| failed(&folder, error.to_string()))?;
        private_file::lock(&lock, LOCK_TIMEOUT)
            .map_err(|error| failed(&folder, format!("another `fleet run` may use it: {error}")))?;
        Ok(Self { folder, _lock: Some(lock) })
    }

    /// Opens the folder for reading, beside the process that writes.
    pub fn read_only(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _lock: None }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads the state of a target; that of a new one where there is none.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read.
    pub fn state(&self, id: &str) -> Result<State, BoardError> {
        let path = self.path(STATES, id);
        Ok(read(&path)?.unwrap_or_default())
    }

    /// Replaces the state of a target.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub fn write_state(&self, id: &str, state: &State) -> Result<(), BoardError> {
        let path = self.path(STATES, id);
        let text = serde_json::to_string(state).map_err(|error| failed(&path, error.to_string()))?;
        replace(&path, text.as_bytes()).map_err(|error| failed(&path, error.to_string()))
    }

    /// Reads the last report of a target; none before its first round.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read.
    pub fn report(&self, id: &str) -> Result<Option<FleetReport>, BoardError> {
        read(&self.path(REPORTS, id))
    }

    /// Replaces the report of a target.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub fn write_report(&self, report: &FleetReport) -> Result<(), BoardError> {
        let path = self.path(REPORTS, &report.id);
        replace(&path, report.to_json().as_bytes()).map_err(|error| failed(&path, error.to_string()))
    }

    /// Reads the last reports of all targets, by name.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read.
    pub fn reports(&self) -> Result<Vec<FleetReport>, BoardError> {
        let folder = self.folder.join(REPORTS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&folder, error.to_string())),
        };
        let mut reports = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| failed(&folder, error.to_string()))?.path();
            // Others are files that are being written.
            if path.extension().is_some_and(|extension| extension == "json") {
                reports.extend(read::<FleetReport>(&path)?);
            }
        }
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(reports)
    }

    /// Removes the files of targets that are not among these.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read or a file cannot be removed.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) -> Result<(), BoardError> {
        for folder in [STATES, REPORTS].map(|name| self.folder.join(name)) {
            let in_folder = |error: io::Error| failed(&folder, error.to_string());
            for entry in fs::read_dir(&folder).map_err(in_folder)? {
                let path = entry.map_err(in_folder)?.path();
                let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
                if name.is_some_and(|name| !is_kept(name)) {
                    fs::remove_file(&path).map_err(|error| failed(&path, error.to_string()))?;
                }
            }
        }
        Ok(())
    }

    fn path(&self, folder: &str, id: &str) -> PathBuf {
        self.folder.join(folder).join(format!("{id}.json"))
    }
}

/// Replaces a file in one step. It is not flushed to the disk: that would take most of the time of a round, and what a
/// power failure loses is computed again. One process writes, and one round of a target at a time.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private_file::create(&fresh)?.write_all(bytes)?;
    fs::rename(&fresh, path)
}

/// Reads a file; none where there is no such file. One of another form counts as none: it only held what is computed
/// again.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, BoardError> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = private_file::read(path, Readers::Owner, MOST_BYTES).map_err(|why| failed(path, why))?;
    let parsed = serde_json::from_slice(&bytes);
    if let Err(error) = &parsed {
        tracing::warn!("{} is set aside: {error}", path.display());
    }
    Ok(parsed.ok())
}

fn failed(path: &Path, why: impl Into<String>) -> BoardError {
    BoardError::File { path: path.to_owned(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::state::tests::report;

    #[test]
    fn states_and_reports_are_private_and_outlive_the_process() {
        let above = tempfile::tempdir().expect("a folder");
        let folder = above.path().join("fleet");
        let store = Store::open(&folder).expect("opened");
        let (state, report) = State::default().after("shop", Ok(&report()), Some(serde_json::json!({ "v": 4 })));
        store.write_state("shop", &state).expect("written");
        store.write_report(&report).expect("written");
        drop(store);
        let store = Store::open(&folder).expect("opened again");
        assert_eq!(store.state("shop"), Ok(state));
        assert_eq!(Store::read_only(&folder).reports(), Ok(vec![report]));
        for path in [folder.clone(), folder.join("state/shop.json")] {
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
        store.retain(|name| name == "other").expect("removed");
        assert_eq!(store.state("shop"), Ok(State::default()));
        assert_eq!(store.report("shop"), Ok(None));
    }

    #[test]
    fn one_process_writes_at_a_time() {
        let above = tempfile::tempdir().expect("a folder");
        let folder = above.path().join("fleet");
        let _first = Store::open(&folder).expect("opened");
        let error = Store::open(&folder).expect_err("refused").to_string();
        assert!(error.contains("--state") && error.contains("another"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let above = tempfile::tempdir().expect("a folder");
        let store = Store::open(&above.path().join("fleet")).expect("opened");
        private_file::write(&store.path(STATES, "shop"), b"{\"round\": 7").expect("written");
        assert_eq!(store.state("shop"), Ok(State::default()));
    }
}
