//! Faults of a Management API that answers with another status than success.

use archon_pool_contract::fault::{Fault, kind};
use serde_json::Value as Json;

/// Address of the Management API for hosted projects.
pub const HOSTED: &str = "https://api.supabase.com";

/// Seconds for which an exceeded rate closes the API when it names no time; the length of its window.
const WINDOW_SECONDS: u32 = 60;
/// Characters of the API's own message that are repeated.
const SAID: usize = 400;

/// A request that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer.
    pub body: &'a [u8],
    /// The permission that a fine-grained token needs for the request.
    pub scope: &'a str,
    /// The token, which no message repeats.
    pub token: &'a str,
}

/// Failed request, with the condition for a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It fails again.
    ForGood(Fault),
    /// The API is in trouble: what it says, to be repeated.
    Trouble(String),
}

impl Refused<'_> {
    /// Classifies the refusal, except for status 429, which [`seconds_to_wait`] is for. `server_error` makes the fault
    /// of a server's error from its SQLSTATE, whether it ends the session, and its text.
    pub fn classify(&self, server_error: impl Fn(&str, bool, &str) -> Fault) -> Refusal {
        let (status, said) = (self.status, self.said());
        Refusal::ForGood(match status {
            300..=399 => Fault::unexpected(format!(
                "the Management API redirects ({status}), which is not followed: check SUPABASE_API_URL"
            )),
            401 => Fault::new(
                kind::AUTHENTICATION_FAILED,
                "the Management API refused the access token: it is wrong, expired or revoked; make a new one \
                 (dashboard, Account, Access Tokens)",
            ),
            403 => Fault::new(
                kind::INSUFFICIENT_PRIVILEGE,
                format!(
                    "the access token may not do this: it takes the permission `{}`, and a user who has access to the project",
                    self.scope
                ),
            ),
            404 => Fault::new(
                kind::CREDENTIAL_INVALID,
                "Supabase knows no such project, or the access token's user has none of it: check the project's reference",
            ),
            500..=599 => return Refusal::Trouble(format!("the Management API is in trouble ({status}){said}")),
            _ => failed(&said, server_error).unwrap_or_else(|| {
                Fault::unexpected(format!("the Management API refused the request ({status}){said}"))
            }),
        })
    }

    /// Returns the API's message, shortened, on one line; empty if it repeats the token.
    fn said(&self) -> String {
        let message = serde_json::from_slice::<Json>(self.body).ok();
        let message = message.as_ref().and_then(|answer| answer.get("message")).and_then(Json::as_str);
        match message {
            Some(said) if !said.contains(self.token) => {
                let line: String = said.chars().take(SAID).map(|c| if c.is_control() { ' ' } else { c }).collect();
                format!(": {}", line.trim_end())
            }
            _ => String::new(),
        }
    }
}

/// Creates the fault of an exceeded rate. `seconds` is the time until the API takes requests again.
pub fn over_rate(seconds: u128) -> Fault {
    let message = format!(
        "the Management API allows 120 requests a minute for each user and project: it takes the next in {seconds} s"
    );
    Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) }
}

/// Returns the seconds until the API takes requests again, by the headers of an answer with status 429.
pub fn seconds_to_wait<'a>(header: impl Fn(&str) -> Option<&'a str>) -> u32 {
    let seconds = |name| header(name)?.trim().parse::<u32>().ok();
    seconds("x-ratelimit-reset").or_else(|| seconds("retry-after")).unwrap_or(WINDOW_SECONDS)
}

/// Creates the fault of an answer that cannot be parsed. The error's own text may quote the answer.
pub fn unknown_form(path: &str, error: &serde_json::Error) -> Fault {
    let place = format!("line {}, column {}", error.line(), error.column());
    Fault::unexpected(format!("the Management API's answer to {path} is not of the known form ({place})"))
}

/// Parses the server's error that the API repeats: `Failed to run sql query: ERROR:  42601: syntax error …`.
fn failed(said: &str, server_error: impl Fn(&str, bool, &str) -> Fault) -> Option<Fault> {
    let (_, error) = said.split_once("ERROR:").or_else(|| said.split_once("FATAL:"))?;
    let (code, message) = error.trim_start().split_once(':')?;
    let is_code = code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    is_code.then(|| server_error(code, said.contains("FATAL:"), message.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "sbp_hunter2";

    fn classify(status: u16, body: &str) -> Refusal {
        let refused = Refused { status, body: body.as_bytes(), scope: "database_read", token: TOKEN };
        refused.classify(|code, fatal, said| Fault {
            sqlstate: Some(code.to_owned()),
            ..Fault::new(if fatal { kind::CONNECTION_LOST } else { kind::QUERY_FAILED }, said)
        })
    }

    #[test]
    fn the_server_error_is_extracted_from_the_api_error() {
        let body = r#"{"message": "Failed to run sql query: ERROR:  42501: permission denied for view x LINE 1"}"#;
        let Refusal::ForGood(fault) = classify(400, body) else { panic!("it is the server's") };
        assert_eq!((fault.kind.as_str(), fault.sqlstate.as_deref()), (kind::QUERY_FAILED, Some("42501")));
        assert!(fault.message.starts_with("permission denied"), "{fault}");
        let full = classify(400, r#"{"message": "FATAL:  53300: sorry, too many clients already"}"#);
        assert!(matches!(full, Refusal::ForGood(fault) if fault.kind == kind::CONNECTION_LOST));
        for other in ["Validation failed", "ERROR: no code"] {
            let Refusal::ForGood(fault) = classify(400, &format!(r#"{{"message": "{other}"}}"#)) else {
                panic!("{other}")
            };
            assert_eq!((fault.kind.as_str(), fault.sqlstate), (kind::UNEXPECTED_ANSWER, None), "{other}");
        }
    }

    #[test]
    fn the_token_is_not_repeated() {
        let echo = format!(r#"{{"message": "no {TOKEN} here"}}"#);
        for status in [302, 401, 403, 404, 418, 503] {
            let text = format!("{:?}", classify(status, &echo));
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(matches!(classify(503, "[]"), Refusal::Trouble(said) if said.ends_with("(503)")));
    }

    #[test]
    fn the_time_to_wait_is_the_one_of_the_api() {
        let wait = |known: &str, value: &'static str| seconds_to_wait(|name| (name == known).then_some(value));
        assert_eq!((wait("x-ratelimit-reset", "7"), wait("retry-after", " 9")), (7, 9));
        assert_eq!((wait("retry-after", "soon"), wait("other", "1")), (60, 60));
    }
}
