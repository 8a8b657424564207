//! `components`: writes the built-in components as files and as an OCI image layout, and prints their interfaces.

use std::env;
use std::io;
use std::path::Path;

use archon_pool::Fault;
use archon_pool::components;
use archon_pool::signature::SecretKey;
use jiff::Timestamp;

use super::args::Writing;
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Time in what is written, seconds since the Unix epoch; the same in all tools that build reproducibly.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Does what the flags ask for, each on its own.
pub(crate) fn components(flags: &Writing, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let key = flags.key.as_deref().map(SecretKey::load).transpose()?;
    if let Some(directory) = &flags.directory {
        let written = components::write_all(directory, key.as_ref()).map_err(|error| not_written(directory, &error))?;
        for path in written {
            terminal.data(&path.display().to_string())?;
        }
    }
    if let Some(directory) = &flags.oci {
        let created = created(env::var(SOURCE_DATE_EPOCH).ok().as_deref())?;
        let written =
            components::write_oci_layout(directory, &created).map_err(|error| not_written(directory, &error))?;
        for (name, digest) in written {
            terminal.data(&format!("oci:{}:{name} sha256:{digest}", directory.display()))?;
        }
    }
    if flags.wit {
        terminal.data(components::WIT.trim_end())?;
    }
    Ok(Exit::Healthy)
}

/// Returns the time of the layout: the one of the environment, else the Unix epoch, so that the digests depend on the
/// components alone.
fn created(epoch: Option<&str>) -> Result<String, Fault> {
    let wrong = || Fault::invalid(format!("{SOURCE_DATE_EPOCH} must be a number of seconds since 1970"));
    let seconds = epoch.map_or(Ok(0), |text| text.trim().parse().map_err(|_| wrong()))?;
    Ok(Timestamp::from_second(seconds).map_err(|_| wrong())?.to_string())
}

fn not_written(directory: &Path, error: &io::Error) -> Fault {
    let message = format!("the components could not be written to {}: {error}", directory.display());
    Fault::new("file-not-written", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_epoch_unless_the_environment_names_another() {
        assert_eq!(created(None).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(created(Some("1764514800")).unwrap(), "2025-11-30T15:00:00Z");
        for wrong in ["", "today", "99999999999999999"] {
            assert!(created(Some(wrong)).unwrap_err().message.contains(SOURCE_DATE_EPOCH), "{wrong}");
        }
    }
}
