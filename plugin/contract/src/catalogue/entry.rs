//! A statement of the catalogue.

use sha2::{Digest, Sha256};

/// A statement of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name in notes and in `describe`.
    pub id: &'static str,
    /// Purpose.
    pub purpose: &'static str,
    /// The text.
    pub sql: &'static str,
}

impl Entry {
    /// SHA-256 of the text, hexadecimal.
    pub fn sha256(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
