//! A file with the acts of the last hour, for all processes of one user that name the same folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json as json;

use crate::audit_sink::Place;
use crate::digest::Digest;
use crate::private_file::{self, Readers};

/// Time for which another process may hold the lock; it needs it for one write and two `fsync`s.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Room for 1,000 acts in each of 1,000 places.
const MOST_BYTES: usize = 16 << 20;

/// Times of acts, milliseconds since 1970, by the digest of their place.
type Book = BTreeMap<String, Vec<u64>>;

/// A folder with the file of a user's acts.
#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
}

impl Shared {
    /// Opens a folder of this user's alone, and creates it if needed; the error is the reason against its use.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        let shared = Self { folder: private_file::folder(folder)? };
        shared.read().map(|_| shared)
    }

    /// Takes as many places as are wanted and left of `most`.
    pub(super) fn take(&self, place: &Place, wanted: usize, most: u32) -> Result<usize, String> {
        self.change(place, |times| {
            let granted = wanted.min(left(times.len(), most));
            times.extend(std::iter::repeat_n(now(), granted));
            granted
        })
    }

    /// Returns the number of places left.
    pub(super) fn left(&self, place: &Place, most: u32) -> Result<usize, String> {
        let book = self.read()?;
        Ok(left(book.get(&key(place)).map_or(0, Vec::len), most))
    }

    /// Gives back places that were taken last.
    pub(super) fn give_back(&self, place: &Place, count: usize) -> Result<(), String> {
        self.change(place, |times| times.truncate(times.len().saturating_sub(count)))
    }

    fn change<T>(&self, place: &Place, change: impl FnOnce(&mut Vec<u64>) -> T) -> Result<T, String> {
        // The folder is the lock: the book itself is replaced by another file.
        let folder = File::open(&self.folder).map_err(|error| self.failed(&error))?;
        private_file::lock(&folder, LOCK_TIMEOUT).map_err(|error| self.failed(&error))?;
        let mut book = self.read()?;
        let changed = change(book.entry(key(place)).or_default());
        book.retain(|_, times| !times.is_empty());
        let text = json::to_vec(&book).map_err(|error| self.failed(&error.into()))?;
        private_file::write(&self.path(), &text).map_err(|error| self.failed(&error))?;
        Ok(changed)
    }

    /// Reads the acts of the last hour. A damaged file is an error: taking it as empty would reset the caps.
    fn read(&self) -> Result<Book, String> {
        let path = self.path();
        if !private_file::is_there(&path) {
            return Ok(Book::new());
        }
        let bytes = private_file::read(&path, Readers::Owner, MOST_BYTES).map_err(|why| self.damaged(&why))?;
        let mut book: Book =
            json::from_slice(&bytes).map_err(|_| self.damaged("it is not what this program writes: remove it"))?;
        let now = now();
        for times in book.values_mut() {
            // A clock that was set back does not remove entries.
            times.retain(|at| at.abs_diff(now) < HOUR_MS);
        }
        Ok(book)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("hour.json")
    }

    fn damaged(&self, why: &str) -> String {
        format!("{}: {why}", self.path().display())
    }

    fn failed(&self, error: &io::Error) -> String {
        self.damaged(&error.to_string())
    }
}

/// Returns the number of places left of `most`.
pub(super) fn left(spent: usize, most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(spent)
}

/// Returns the key of a place in the file, from which neither host nor database can be read.
fn key(place: &Place) -> String {
    let Place { act, server, database } = place;
    Digest::of(format!("{act:?}\0{server}\0{database}").as_bytes()).to_string()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_sink::Act;

    fn place(database: &str) -> Place {
        Place { act: Act::Order, server: "h:5432".into(), database: database.into() }
    }

    #[test]
    fn units_taken_by_one_process_are_seen_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (one, other) = (Shared::open(&path).unwrap(), Shared::open(&path).unwrap());
        assert_eq!(one.take(&place("d"), 3, 5), Ok(3));
        assert_eq!(other.take(&place("d"), 3, 5), Ok(2));
        assert_eq!(other.take(&place("e"), 3, 5), Ok(3));
        one.give_back(&place("d"), 1).unwrap();
        assert_eq!(other.left(&place("d"), 5), Ok(1));
        let text = std::fs::read_to_string(path.join("hour.json")).unwrap();
        assert!(!text.contains("h:5432"), "{text}");
        // Orders sent more than an hour ago do not count.
        let old = text.replace(&text[text.find('[').unwrap() + 1..][..13], "1000000000000");
        std::fs::write(path.join("hour.json"), old).unwrap();
        assert!(one.left(&place("d"), 5).unwrap() + one.left(&place("e"), 5).unwrap() > 3);
    }

    #[test]
    fn a_damaged_file_and_a_folder_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let shared = Shared::open(&path).unwrap();
        shared.take(&place("d"), 1, 5).unwrap();
        std::fs::write(path.join("hour.json"), "{").unwrap();
        assert!(shared.take(&place("d"), 1, 5).unwrap_err().contains("remove it"));
        assert!(Shared::open(&path).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Shared::open(&path).unwrap_err().contains("chmod 700"));
    }
}
