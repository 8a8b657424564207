//! Writing of files: for this user alone, whole or not at all, and not through a link.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rand::random;
use rustix::fs::OFlags;

/// Mode bits that let other users write.
const OTHERS_WRITE: u32 = 0o022;
/// Mode bit of a folder in which users replace only their own files.
const STICKY: u32 = 0o1000;

/// Replaces a file in one step: readers get the old content or the new one, never half of it, also after a crash. A
/// link under the name is replaced, and nothing is written through it.
///
/// The new file has mode 0600. Fails when others may write to its folder.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let mut fresh = OsString::from(".");
    fresh.push(name);
    fresh.push(format!(".{:016x}.new", random::<u64>()));
    let fresh = folder.join(fresh);
    let mut file = create(&fresh)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written?;
    // The new name is on disk once its folder is.
    File::open(folder)?.sync_all()
}

/// Creates a file of mode 0600 where there is nothing, not even a link. Fails when others may write to its folder.
pub fn create(path: &Path) -> io::Result<File> {
    let folder = folder_of(path);
    check_shared(&fs::metadata(folder)?)
        .map_err(|why| io::Error::new(ErrorKind::PermissionDenied, format!("folder {}: {why}", folder.display())))?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(nofollow()).open(path)
}

/// Creates a folder of this user's alone, mode 0700, unless it exists, and returns its path without links; the error is
/// the reason against its use.
///
/// Other users must not be able to write to it or to a folder above it, or read it.
pub fn folder(path: &Path) -> Result<PathBuf, String> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| error.to_string())?;
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let about = |folder: &Path| fs::symlink_metadata(folder).map_err(|error| error.to_string());
    let own = about(&path)?;
    let user = rustix::process::geteuid().as_raw();
    if !own.is_dir() || own.uid() != user || own.mode() & 0o077 != 0 {
        return Err(format!("{} is not a folder of this user's alone: run `chmod 700` on it", path.display()));
    }
    for above in path.ancestors().skip(1) {
        let metadata = about(above)?;
        if metadata.uid() != user && metadata.uid() != 0 {
            return Err(format!("{} belongs to another user", above.display()));
        }
        check_shared(&metadata).map_err(|why| format!("{}: {why}", above.display()))?;
    }
    Ok(path)
}

/// Returns the flags of `open` that refuse a link as the last part of a path.
pub fn nofollow() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

/// Checks that other users cannot replace a file of this user.
fn check_shared(folder: &Metadata) -> Result<(), String> {
    let mode = folder.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(format!("others may write to it (mode {mode:04o}): run `chmod go-w` on it"));
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_is_replaced_with_private_mode_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it");
        for text in ["one", "two"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("no/such"), b"").is_err());
    }

    #[test]
    fn links_and_folders_that_others_can_write_to_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "mine").unwrap();
        symlink(&target, &link).unwrap();
        assert!(create(&link).is_err());
        write(&link, b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
        for (mode, allowed) in [(0o777, false), (0o770, false), (0o1777, true), (0o755, true)] {
            set_mode(folder.path(), mode);
            let written = write(&folder.path().join("it"), b"");
            assert_eq!(written.is_ok(), allowed, "{mode:o}: {written:?}");
        }
    }

    #[test]
    fn a_private_folder_and_its_parents_are_not_writable_by_others() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/b");
        let own = folder(&path).unwrap();
        assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
        let link = above.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(folder(&link).unwrap(), own, "its path without links");
        for (of, mode) in [(&*own, 0o750), (&*own, 0o777), (above.path(), 0o777), (above.path(), 0o770)] {
            set_mode(of, mode);
            assert!(folder(&path).unwrap_err().contains("chmod"), "{} {mode:o}", of.display());
            set_mode(of, 0o700);
        }
        folder(&path).unwrap();
    }
}
