//! Faults about connection settings. None repeats a value: it may be a misplaced secret.

use archon_pool_contract::fault::{Fault, kind};

/// Creates the fault of a credential or connection setting that cannot be used.
pub fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(kind::CREDENTIAL_INVALID, message)
}

/// Creates the fault of a parameter that would change the session's security or kind and is not supported.
pub(super) fn refused(name: &str, reason: &str) -> Fault {
    invalid(format!("connection parameter '{name}' is refused: {reason}"))
}

/// Creates the fault of a parameter without a value.
pub(super) fn without_value(name: &str) -> Fault {
    invalid(format!("connection parameter '{name}' has no value: write it as {name}=…"))
}

/// Creates the fault of a raw separator in a part of a URL that messages repeat: a password may follow it.
pub(super) fn separator_in_url(part: &str) -> Fault {
    invalid(format!(
        "a '&', ';' or '=' in the {part}: parameters begin with '?'; percent-encode '&' (%26), ';' (%3B) and '=' (%3D) \
         in a name"
    ))
}

/// Creates the fault of an unquoted separator in a part of key=value text that messages repeat: a password may follow.
pub(super) fn separator_in_pairs(part: &str) -> Fault {
    invalid(format!(
        "a '&', ';' or '=' in the {part}: parameters are separated by blanks; quote a value that holds one, as in \
         dbname='a;b'"
    ))
}

/// Creates the fault of a value that is not one of a parameter's words.
pub(super) fn not_one_of(name: &str, words: &str) -> Fault {
    invalid(format!("connection parameter '{name}' must be one of {words}"))
}
