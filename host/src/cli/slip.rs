//! A connection URL given where none is wanted: refused before any message can repeat it.

use std::ffi::OsString;

use archon_pool::Fault;
use archon_pool::connection_config::holds_connection_text;

/// The flags whose values may be or hold a connection URL, and never come back in a message.
const PLACES: [&str; 3] = ["--url", "--pooler", "--params"];

/// Refuses arguments with a connection URL in the wrong place.
pub(crate) fn check(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Fault> {
    let mut expected = false;
    for argument in arguments {
        let text = argument.to_string_lossy();
        let place = |name: &&str| text.strip_prefix(*name).is_some_and(|rest| rest.starts_with('='));
        if !expected && !PLACES.iter().any(place) && holds_connection_text(&text) {
            let message = "an argument is a connection URL where none is wanted: give it as --url, or better as \
                           DATABASE_URL in the environment";
            return Err(Fault::invalid(message));
        }
        expected = PLACES.contains(&&*text);
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
    fn a_url_has_its_places() {
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
