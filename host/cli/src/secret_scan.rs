//! Scan of the command line for a connection URL in the wrong place, before any message can repeat it.

use std::ffi::OsString;

use archon_pool::Fault;
use archon_pool::secret_scan::holds_connection_text;

/// Flags whose values may be or hold a connection URL, and are never repeated in a message.
const FLAGS: [&str; 3] = ["--url", "--pooler", "--params"];

/// Refuses arguments with a connection URL in the wrong place.
pub(crate) fn check(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Fault> {
    let mut expected = false;
    for argument in arguments {
        let text = argument.to_string_lossy();
        let place = |name: &&str| text.strip_prefix(*name).is_some_and(|rest| rest.starts_with('='));
        if !expected && !FLAGS.iter().any(place) && holds_connection_text(&text) {
            let message = "an argument is a connection URL where none is wanted: give it as --url, or better as \
                           DATABASE_URL in the environment";
            return Err(Fault::invalid(message));
        }
        expected = FLAGS.contains(&&*text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgres://u:hunter2@h/d";

    fn checked(arguments: &[&str]) -> Result<(), Fault> {
        check(arguments.iter().map(OsString::from))
    }

    #[test]
    fn refuses_a_url_outside_its_flags() {
        let flag = format!("--url={URL}");
        let params = format!(r#"--params={{"supabaseUrl":"{URL}"}}"#);
        for right in [&["monitor", "--url", URL][..], &["monitor", &flag], &["run", "x", &params], &["monitor"]] {
            assert_eq!(checked(right), Ok(()));
        }
        let slipped = format!("--ulr={URL}");
        for wrong in [&[URL][..], &["monitor", URL], &["monitor", "--credential", URL], &["monitor", &slipped]] {
            let fault = checked(wrong).expect_err("refused");
            assert!(!fault.message.contains("hunter2"), "{fault}");
        }
    }
}
