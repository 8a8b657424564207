//! Recording of calls into a cassette.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::digest::Digest;
use archon_pool_core::private_file;

use super::format::{Call, End, Header};
use super::normalise::Literals;
use super::recording::Recording;
use super::writer;

/// Writes the calls of one component into a file, each when it ends and in one piece, so that concurrent calls are not
/// interleaved and an interrupted call leaves nothing behind. Cheap to clone.
///
/// Only the owner can read the file, which contains all that the component received: statement texts, names and
/// addresses. It contains no credential's secret, since no component has one, and a statement's text that may contain
/// one is stored without its literals.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    digest: Digest,
    normalised: bool,
    written: Mutex<Written>,
}

struct Written {
    file: File,
    /// Bytes of complete calls.
    length: u64,
    trouble: Option<Fault>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recorder to {}", self.inner.path.display())
    }
}

impl Recorder {
    /// Creates the file, which must not exist: a recording may be the only trace of an incident. With `normalised`,
    /// literals are taken out of statement texts (see `--record-normalised`).
    pub fn create(path: &Path, component: &str, digest: Digest, normalised: bool) -> Result<Self, Fault> {
        let header = Header { normalised, ..Header::of(component, digest.to_string()) };
        let created = (|| {
            let mut file = private_file::create(path)?;
            let mut first = Vec::new();
            writer::header(&mut first, &header)?;
            file.write_all(&first)?;
            Ok(Written { file, length: first.len() as u64, trouble: None })
        })();
        let written = created.map_err(|error: io::Error| {
            let why = match error.kind() {
                ErrorKind::AlreadyExists => "it exists, and a recording is never overwritten: name another".to_owned(),
                _ => error.to_string(),
            };
            Fault::invalid(format!("--record {}: {why}", path.display()))
        })?;
        let (path, written) = (path.to_owned(), Mutex::new(written));
        Ok(Self { inner: Arc::new(Inner { path, digest, normalised, written }) })
    }

    /// Takes the error of a call that could not be written since the last call of this method, if any. The call itself
    /// succeeded.
    pub fn trouble(&self) -> Option<Fault> {
        self.locked().trouble.take()
    }

    /// Begins a call; none for another component than the cassette's.
    pub(crate) fn begin(&self, component: &str, digest: Digest, function: &str, input: &str) -> Option<Recording> {
        if digest != self.inner.digest {
            self.fail(&format!("a call of {component} is not in it: a cassette is of one component"));
            return None;
        }
        let literals = if self.inner.normalised { Literals::OfAll } else { Literals::OfSecrets };
        Some(Recording::begin(function, input, literals))
    }

    /// Writes a finished call.
    pub(crate) async fn end(&self, recording: Recording, end: End) {
        let this = self.clone();
        // It may be as large as all answers of the server.
        let writing = tokio::task::spawn_blocking(move || this.write(&recording.end(end)));
        if let Err(error) = writing.await {
            self.fail(&error.to_string());
        }
    }

    fn write(&self, call: &Call) {
        let mut lines = Vec::new();
        let written = writer::call(&mut lines, call).and_then(|()| {
            let Written { file, length, .. } = &mut *self.locked();
            let written = file.write_all(&lines);
            if written.is_ok() {
                *length += lines.len() as u64;
            } else {
                // An incomplete call would make the whole file unreadable; if even this fails, the error below is
                // sufficient.
                let _ = file.set_len(*length);
                let _ = io::Seek::seek(file, io::SeekFrom::Start(*length));
            }
            written
        });
        if let Err(error) = written {
            self.fail(&format!("a call is not in it: {error}"));
        }
    }

    fn fail(&self, why: &str) {
        let fault = Fault::new(kind::CASSETTE_FAILED, format!("--record {}: {why}", self.inner.path.display()));
        tracing::error!("{}", fault.message);
        self.locked().trouble.get_or_insert(fault);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Written> {
        self.inner.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Cassette;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const NAME: &str = "it.wasm";

    fn digest() -> Digest {
        Digest::of(b"a component")
    }

    fn create(path: &Path) -> Result<Recorder, Fault> {
        Recorder::create(path, NAME, digest(), false)
    }

    fn end() -> End {
        End::Returned("{}".into())
    }

    #[tokio::test]
    async fn concurrent_calls_are_recorded_separately() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.jsonl");
        let recorder = Recorder::create(&path, NAME, digest(), true).unwrap();
        let begin = |input| recorder.begin(NAME, digest(), "skill.run", input).unwrap();
        let (first, second, interrupted) = (begin("1"), begin("2"), begin("3"));
        recorder.end(second, end()).await;
        drop(interrupted);
        recorder.end(first, end()).await;
        let cassette = Cassette::from_file(&path).unwrap();
        let inputs: Vec<&str> = cassette.calls.iter().map(|call| call.input.as_str()).collect();
        assert_eq!((inputs, cassette.header.normalised), (vec!["2", "1"], true));
        assert_eq!(cassette.header.component.sha256, digest().to_string());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(recorder.trouble().is_none());
    }

    #[test]
    fn a_recording_is_never_overwritten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let fault = create(file.path()).unwrap_err();
        assert_eq!(fault.kind, kind::INVALID_PARAMS);
        assert!(fault.message.contains("--record") && fault.message.contains("never overwritten"), "{fault}");
    }

    #[tokio::test]
    async fn a_full_disk_is_reported_once_and_sets_the_flag() {
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let written = Mutex::new(Written { file, length: 0, trouble: None });
        let inner = Inner { path: "full.jsonl".into(), digest: digest(), normalised: false, written };
        let recorder = Recorder { inner: Arc::new(inner) };
        for _ in 0..2 {
            recorder.end(recorder.begin(NAME, digest(), "skill.run", "").unwrap(), end()).await;
        }
        let fault = recorder.trouble().unwrap();
        assert_eq!(fault.kind, kind::CASSETTE_FAILED);
        assert!(fault.message.starts_with("--record full.jsonl: a call is not in it: No space left"), "{fault}");
        assert!(recorder.trouble().is_none());
    }

    #[test]
    fn a_cassette_holds_calls_of_one_component() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = create(&folder.path().join("it.jsonl")).unwrap();
        assert!(recorder.begin("other.wasm", Digest::of(b"another"), "skill.run", "").is_none());
        assert!(recorder.trouble().unwrap().message.contains("a cassette is of one component"));
    }
}
