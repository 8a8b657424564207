//! Recording of rounds that begins and ends while they run.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use archon_pool::cassette::Cassette;
use archon_pool::{Fault, private_file};

/// Cassette that is being written: a call each time one has ended.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    file: File,
    /// Bytes of complete calls.
    length: u64,
}

impl Recording {
    /// Creates the file, which must not exist. Only its owner can read it.
    pub(super) fn create(path: &Path) -> Result<Self, Fault> {
        let file = private_file::create(path).map_err(|error| {
            let why = match error.kind() {
                ErrorKind::AlreadyExists => "it exists, and a recording is never overwritten: name another".to_owned(),
                _ => error.to_string(),
            };
            Fault::invalid(format!("--record {}: {why}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), file, length: 0 })
    }

    /// Creates a file in the current folder, named after the target and the time.
    pub(super) fn create_for(target: &str) -> Result<Self, Fault> {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = target.chars().map(plain).take(64).collect();
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
        Self::create(Path::new(&format!("archon-pool-{name}-{time}.jsonl")))
    }

    /// Returns the file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the calls of a cassette, and its header before the first.
    pub(super) fn add(&mut self, cassette: &Cassette) -> io::Result<()> {
        let mut bytes = Vec::new();
        if self.length == 0 { cassette.write(&mut bytes) } else { cassette.write_calls(&mut bytes) }?;
        let written = self.file.write_all(&bytes);
        match written {
            Ok(()) => self.length += bytes.len() as u64,
            // An incomplete call would make the whole file unreadable.
            Err(_) => {
                let _ = self.file.set_len(self.length);
                let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.length));
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use archon_pool::cassette::{Call, End, Header, RUN};

    use super::*;

    fn cassette(input: &str) -> Cassette {
        let call =
            Call { function: RUN.into(), input: input.into(), exchanges: Vec::new(), end: End::Returned("{}".into()) };
        Cassette { header: Header::of("it.wasm", "00"), calls: vec![call] }
    }

    #[test]
    fn calls_are_added_to_one_cassette() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.jsonl");
        let mut recording = Recording::create(&path).expect("created");
        for input in ["1", "2", "3"] {
            recording.add(&cassette(input)).expect("written");
        }
        let read = Cassette::from_file(&path).expect("a cassette");
        assert_eq!(read.calls.iter().map(|call| call.input.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert!(Recording::create(&path).expect_err("it exists").message.contains("never overwritten"));
    }
}
