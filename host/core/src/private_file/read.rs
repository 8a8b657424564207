//! Reading of files that configure permissions: only when no other user can have written them.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Users that may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone: the file holds a secret.
    Owner,
    /// Anyone.
    Anyone,
}

/// Reads a file of at most `most_bytes` that only root and this user can have written; the error is the reason against
/// it.
///
/// The bytes are not moved while they are read, so that a caller can wipe all copies of a secret.
pub fn read(path: &Path, readers: Readers, most_bytes: usize) -> Result<Vec<u8>, String> {
    let (file, metadata) = open(path)?;
    check(&metadata, rustix::process::geteuid().as_raw(), readers)?;
    read_open(file, &metadata, most_bytes)
}

/// Reads a file of at most `most_bytes` that any user may have written: its content is verified by other means.
pub fn read_from_anyone(path: &Path, most_bytes: usize) -> Result<Vec<u8>, String> {
    let (file, metadata) = open(path)?;
    read_open(file, &metadata, most_bytes)
}

/// Returns true if a name exists, also as a broken link; a file that cannot be examined counts as existing.
pub fn is_there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Checks that only root and this user can have changed a folder's content; the error is the reason against it.
pub fn check_folder(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        return Err("it is no folder".into());
    }
    check_owner(&metadata, rustix::process::geteuid().as_raw(), Readers::Anyone)
}

/// Opens a regular file. The metadata are read from the open file, so that it cannot be exchanged between the check and
/// the reading.
fn open(path: &Path) -> Result<(File, Metadata), String> {
    let error = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => "it does not exist".to_owned(),
        _ => error.to_string(),
    };
    // Checked before it is opened, too: opening a device may have effects. A pipe put there since does not block.
    let regular =
        |metadata: &Metadata| if metadata.is_file() { Ok(()) } else { Err("it is no regular file".to_owned()) };
    regular(&fs::metadata(path).map_err(error)?)?;
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    regular(&metadata)?;
    Ok((file, metadata))
}

fn read_open(file: File, metadata: &Metadata, most_bytes: usize) -> Result<Vec<u8>, String> {
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    // More than the size: the bytes are never copied to a larger buffer.
    let mut bytes = Vec::with_capacity(size.min(most_bytes).saturating_add(64));
    let most = u64::try_from(most_bytes).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > most_bytes {
        return Err(format!("it is larger than {most_bytes} bytes"));
    }
    Ok(bytes)
}

/// Checks that only root and this user can have written the file, and that only the given users can read it.
fn check(metadata: &Metadata, user: u32, readers: Readers) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is no regular file".into());
    }
    check_owner(metadata, user, readers)
}

/// Checks that only root and this user can have written to an open file; the error is the reason against it.
pub fn check_log(metadata: &Metadata) -> Result<(), String> {
    check_owner(metadata, rustix::process::geteuid().as_raw(), Readers::Anyone)
}

fn check_owner(metadata: &Metadata, user: u32, readers: Readers) -> Result<(), String> {
    if metadata.uid() != user && metadata.uid() != 0 {
        return Err("it belongs to another user: change its owner".into());
    }
    let mode = metadata.mode() & 0o777;
    match readers {
        Readers::Owner if mode & 0o077 != 0 => {
            Err(format!("others may read it (mode {mode:04o}): run `chmod 600` on it"))
        }
        Readers::Anyone if mode & 0o022 != 0 => {
            Err(format!("others may write to it (mode {mode:04o}): run `chmod go-w` on it"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "text").unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn secrets_must_be_unreadable_and_other_files_unwritable_for_others() {
        for (mode, private, public) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o644, false, true),
            (0o664, false, false),
            (0o602, false, false),
        ] {
            let file = file(mode);
            assert_eq!(read(file.path(), Readers::Owner, 10).is_ok(), private, "{mode:o}");
            assert_eq!(read(file.path(), Readers::Anyone, 10).is_ok(), public, "{mode:o}");
        }
        let metadata = file(0o644).as_file().metadata().unwrap();
        let stranger = metadata.uid() + 1;
        let allowed = check(&metadata, stranger, Readers::Anyone);
        assert_eq!(allowed.is_ok(), metadata.uid() == 0, "root's files are for everyone");
    }

    #[test]
    fn large_and_special_files_are_refused() {
        let file = file(0o600);
        assert_eq!(read(file.path(), Readers::Owner, 4).unwrap(), b"text");
        assert!(read(file.path(), Readers::Owner, 3).unwrap_err().contains("3 bytes"));
        assert_eq!(read(Path::new("/"), Readers::Anyone, 3).unwrap_err(), "it is no regular file");
        assert_eq!(read_from_anyone(Path::new("/no/such"), 3).unwrap_err(), "it does not exist");
        assert!(check_folder(file.path()).is_err());
    }
}
