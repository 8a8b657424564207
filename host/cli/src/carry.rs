//! State between runs, in a file. The plugin owns its content, and trusts it as little as any other input; this program
//! only stores it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use archon_pool::{Fault, private_file};
use serde_json::Value;

use super::terminal::Terminal;

/// Maximum size of the file; the contract's limit is 64 KiB, so a much larger file is a mistake.
const MOST_BYTES: u64 = 1 << 20;

/// State of the previous run, and the file for the state of the next.
pub(crate) struct Carry {
    file: Option<PathBuf>,
    memory: Option<Value>,
}

impl Carry {
    /// Reads the file; a missing one is an empty state. A file that is not JSON is refused, because it would be
    /// overwritten.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Fault> {
        let memory = match file {
            None => None,
            Some(path) => read(path).map_err(|why| Fault::invalid(format!("--carry {}: {why}", path.display())))?,
        };
        Ok(Self { file: file.map(Path::to_owned), memory })
    }

    /// Disables writing, for replayed calls.
    pub(crate) fn only_read(self, only: bool) -> Self {
        Self { file: self.file.filter(|_| !only), ..self }
    }

    /// Returns the state for the next call.
    pub(crate) fn memory(&self) -> Option<&Value> {
        self.memory.as_ref()
    }

    /// Stores the carry of an answer. A file that cannot be written does not affect the answer.
    pub(crate) fn keep(&mut self, memory: Option<Value>, terminal: &mut Terminal) {
        if let Some(warning) = self.store(memory) {
            terminal.complain(&warning);
        }
    }

    /// Stores the carry of an answer, and returns a warning if the file could not be written.
    pub(crate) fn store(&mut self, memory: Option<Value>) -> Option<String> {
        let memory = memory?;
        let written = self.file.as_ref().map(|path| (path, private_file::write(path, memory.to_string().as_bytes())));
        self.memory = Some(memory);
        match written {
            Some((path, Err(error))) => Some(format!("warning: --carry {}: not written: {error}", path.display())),
            Some((_, Ok(()))) | None => None,
        }
    }
}

fn read(path: &Path) -> Result<Option<Value>, String> {
    // Checked before it is opened: opening a pipe would wait for its writer.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err("it is no regular file".into());
    }
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err("this file is too large for a memory of archon-pool".into());
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|_| "this file is no memory of archon-pool: it is not JSON".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::terminal::tests::captured;
    use super::*;

    #[test]
    fn a_written_carry_is_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("memory.json");
        let (mut terminal, _, stderr) = captured(false, anstream::ColorChoice::Never);
        let mut carry = Carry::load(Some(&path)).expect("no file is an empty memory");
        assert_eq!(carry.memory(), None);
        carry.keep(Some(json!({"version": 1})), &mut terminal);
        carry.keep(None, &mut terminal);
        assert_eq!(Carry::load(Some(&path)).expect("read").memory(), Some(&json!({"version": 1})));
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1);
        assert_eq!(stderr.text(), "");
    }

    #[test]
    fn a_symbolic_link_is_not_written_through() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let directory = tempfile::tempdir().expect("a directory");
        let (path, precious) = (directory.path().join("memory.json"), directory.path().join("precious"));
        fs::write(&precious, "{}").expect("written");
        // Under the file's own name, and under the temporary name of earlier versions.
        let fresh = directory.path().join(format!("memory.json.{}.new", std::process::id()));
        for link in [&path, &fresh] {
            symlink(&precious, link).expect("linked");
        }
        let (mut terminal, _, stderr) = captured(false, anstream::ColorChoice::Never);
        Carry::load(Some(&path)).expect("read").keep(Some(json!({"version": 1})), &mut terminal);
        assert_eq!(fs::read_to_string(&precious).expect("read"), "{}");
        let metadata = fs::symlink_metadata(&path).expect("there");
        assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600);
        assert_eq!(stderr.text(), "");
    }

    #[test]
    fn a_file_that_is_no_carry_is_not_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notes.txt");
        fs::write(&path, "do not touch").expect("written");
        let fault = Carry::load(Some(&path)).map(|_| ()).expect_err("refused");
        assert_eq!(fault.kind, "invalid-params");
        assert!(fault.message.ends_with("it is not JSON"), "{}", fault.message);
    }

    #[test]
    fn a_carry_that_cannot_be_written_is_only_a_warning() {
        let (mut terminal, _, stderr) = captured(false, anstream::ColorChoice::Never);
        let mut carry = Carry::load(Some(Path::new("/nonexistent/memory.json"))).expect("an empty memory");
        carry.keep(Some(json!(1)), &mut terminal);
        assert!(stderr.text().starts_with("warning: --carry /nonexistent/memory.json: not written: "));
        assert_eq!(carry.memory(), Some(&json!(1)));
    }
}
