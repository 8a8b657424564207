//! This user's folders (XDG Base Directory Specification). A relative path is ignored, as the specification says: it
//! would be a folder below the working directory.

use std::env;
use std::path::PathBuf;

/// Returns `$XDG_CACHE_HOME`, or `~/.cache`; none when neither variable has a full path.
pub fn cache() -> Option<PathBuf> {
    of("XDG_CACHE_HOME", ".cache")
}

/// Returns `$XDG_CONFIG_HOME`, or `~/.config`.
pub fn config() -> Option<PathBuf> {
    of("XDG_CONFIG_HOME", ".config")
}

/// Returns `$XDG_DATA_HOME`, or `~/.local/share`.
pub fn data() -> Option<PathBuf> {
    of("XDG_DATA_HOME", ".local/share")
}

/// Returns `$XDG_STATE_HOME`, or `~/.local/state`.
pub fn state() -> Option<PathBuf> {
    of("XDG_STATE_HOME", ".local/state")
}

fn of(name: &str, under_home: &str) -> Option<PathBuf> {
    chosen(env::var_os(name).map(PathBuf::from), env::var_os("HOME").map(PathBuf::from), under_home)
}

fn chosen(set: Option<PathBuf>, home: Option<PathBuf>, under_home: &str) -> Option<PathBuf> {
    let full = |path: &PathBuf| path.is_absolute();
    set.filter(full).or_else(|| Some(home.filter(full)?.join(under_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_is_ignored() {
        let path = |text: &str| Some(PathBuf::from(text));
        for (set, home, found) in [
            (path("/x"), path("/home/ann"), path("/x")),
            (path("."), path("/home/ann"), path("/home/ann/.config")),
            (path(""), path("/home/ann"), path("/home/ann/.config")),
            (None, path("/home/ann"), path("/home/ann/.config")),
            (path("x"), path("."), None),
            (None, path(""), None),
            (None, None, None),
        ] {
            assert_eq!(chosen(set.clone(), home.clone(), ".config"), found, "{set:?} {home:?}");
        }
    }
}
