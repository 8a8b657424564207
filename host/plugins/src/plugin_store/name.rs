//! Names of plugins.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use archon_pool_contract::fault::Fault;
use archon_pool_core::private_file;

use crate::verified_plugin::Files;

const LONGEST: usize = 64;

/// A plugin's name: `[a-z0-9][a-z0-9._-]*`, at most 64 letters. It is never a path, whatever it is joined to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Returns the paths of a plugin of this name; its policy file only when there is one.
    pub fn files(&self, folder: &Path) -> Files {
        let policy = self.policy(folder);
        let component = folder.join(format!("{self}.wasm"));
        Files::of(&component, private_file::is_there(&policy).then_some(&*policy))
    }

    /// Returns the path of its policy file, whether it exists or not.
    pub fn policy(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{self}.policy.toml"))
    }
}

impl FromStr for Name {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let begins = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        let goes_on = |letter: u8| begins(letter) || b"._-".contains(&letter);
        let valid = text.len() <= LONGEST && text.bytes().next().is_some_and(begins) && text.bytes().all(goes_on);
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(Fault::invalid(format!(
            "plugin name '{}': a name begins with a-z or 0-9 and goes on with a-z, 0-9, '.', '_' and '-', {LONGEST} at the most",
            text.escape_debug()
        )))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_be_a_path() {
        for name in ["a", "0", "pool-manager", "a.b_c-1", &"a".repeat(64)] {
            assert_eq!(name.parse::<Name>().unwrap().to_string(), name);
        }
        let long = "a".repeat(65);
        for name in
            ["", ".", "..", ".a", "-a", "_a", "a/b", "../a", "/a", "a\\b", "A", "aB", "a b", "a\n", "a\0", "é", &long]
        {
            assert_eq!(name.parse::<Name>().unwrap_err().kind, "invalid-params", "{name:?}");
        }
    }
}
