//! Service files of libpq: sections of parameters that a connection names.

use std::path::{Path, PathBuf};

use archon_pool_contract::fault::Fault;
use archon_pool_core::private_file;
use secrecy::zeroize::Zeroizing;

use super::fault::invalid;
use super::parts::{Parts, Source};

/// Enough for thousands of services.
const MOST_BYTES: usize = 1 << 20;

/// Files to search, in order; a named file must exist.
pub(super) struct Files {
    pub(super) named: Option<PathBuf>,
    pub(super) others: Vec<PathBuf>,
}

impl Files {
    /// Fills unset settings from the first file that has the service.
    pub(super) fn fill(&self, service: &str, parts: &mut Parts) -> Result<(), Fault> {
        for path in self.named.iter().chain(&self.others) {
            if self.named.as_ref() != Some(path) && !private_file::is_there(path) {
                continue;
            }
            let bytes = private_file::read_from_anyone(path, MOST_BYTES).map(Zeroizing::new);
            let bytes = bytes.map_err(|why| invalid(format!("service file {}: {why}", path.display())))?;
            let text = String::from_utf8_lossy(&bytes);
            if section(&Zeroizing::new(text.into_owned()), path, service, parts)? {
                return Ok(());
            }
        }
        let tried = self.named.iter().chain(&self.others).map(|path| path.display().to_string()).collect::<Vec<_>>();
        let tried = if tried.is_empty() { "no service file".to_owned() } else { tried.join(", ") };
        Err(invalid(format!("service {} not found; tried: {tried}", shown(service))))
    }
}

/// Reads the section of a service; false where the file has none.
fn section(text: &str, path: &Path, service: &str, parts: &mut Parts) -> Result<bool, Fault> {
    let mut found = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let place = || format!("service file {}, line {}", path.display(), index + 1);
        if let Some(name) = line.strip_prefix('[') {
            if found {
                break;
            }
            found = name.split_once(']').is_some_and(|(name, _)| name == service);
        } else if found && !line.is_empty() && !line.starts_with('#') {
            if line.starts_with("ldap") {
                return Err(invalid(format!("{}: LDAP is not supported; write the parameters there", place())));
            }
            let (name, value) =
                line.split_once('=').ok_or_else(|| invalid(format!("{}: it must be name=value", place())))?;
            let name = name.trim();
            if matches!(name, "service" | "servicefile") {
                return Err(invalid(format!("{}: a service cannot name another service", place())));
            }
            parts.fallback(name, value.trim(), &Source::ServiceFile(place()))?;
        }
    }
    Ok(found)
}

/// Quotes a service name; a text of another form may be a misplaced secret and is not repeated.
fn shown(service: &str) -> String {
    let is_name = service.len() <= 64
        && service.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | ' '));
    if is_name { format!("'{service}'") } else { "that is no plain name".to_owned() }
}
