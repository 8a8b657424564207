//! Supervision of a login: `require_auth`, and passwords in clear text.

use crate::target::AuthMethod;

/// Maximum number of SCRAM rounds: more occupy a processor for seconds, and no deadline interrupts them. PostgreSQL's
/// default is 4,096.
const MOST_ROUNDS: u32 = 1_000_000;

/// Authentication requests of a server while a session is opened. Each is checked before the driver reads the request,
/// and so before anything is sent in answer.
#[derive(Debug, Default)]
pub(crate) struct Login {
    allowed: Option<Vec<AuthMethod>>,
    asked: bool,
    /// True if the server began SCRAM and has not proved yet that it has the password.
    is_unproved: bool,
    clear_text: bool,
    refused: Option<String>,
}

impl Login {
    /// Creates a login for which the server may use the methods of `require_auth`.
    pub(crate) fn new(allowed: Option<Vec<AuthMethod>>) -> Self {
        Self { allowed, ..Self::default() }
    }

    /// Returns true if the server requested the password in clear text.
    pub(crate) fn is_clear_text(&self) -> bool {
        self.clear_text
    }

    /// Returns the reason for which the login was aborted.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Checks an authentication message; false when the login must end.
    pub(super) fn check(&mut self, body: &[u8]) -> bool {
        let Some((request, rest)) = body.split_first_chunk::<4>() else { return true };
        let request = u32::from_be_bytes(*request);
        if request == 11 {
            return self.check_rounds(rest);
        }
        let method = match request {
            0 if self.is_unproved => {
                self.refused = Some("the server ended SCRAM without a proof that it knows the password".to_owned());
                return false;
            }
            0 if self.asked => return true,
            0 => AuthMethod::None,
            3 => AuthMethod::Password,
            5 => AuthMethod::Md5,
            2 | 7 => AuthMethod::Gss,
            9 => AuthMethod::Sspi,
            10 if rest.starts_with(b"OAUTHBEARER\0") => AuthMethod::Oauth,
            10 => AuthMethod::ScramSha256,
            12 => {
                // The driver verifies it.
                self.is_unproved = false;
                return true;
            }
            // They continue an earlier request.
            _ => return true,
        };
        self.asked = true;
        self.is_unproved = method == AuthMethod::ScramSha256;
        self.clear_text |= method == AuthMethod::Password;
        let Some(allowed) = self.allowed.as_ref().filter(|allowed| !allowed.contains(&method)) else { return true };
        let words: Vec<_> = allowed.iter().map(|method| method.word()).collect();
        let asked = match method {
            AuthMethod::None => "for no authentication",
            AuthMethod::Password => "for the password in clear text",
            method => method.word(),
        };
        self.refused = Some(format!("the server asks {asked}, and require_auth allows {}", words.join(", ")));
        false
    }

    /// Checks the number of rounds in the server's first message of SCRAM (RFC 5802).
    fn check_rounds(&mut self, challenge: &[u8]) -> bool {
        let rounds = challenge.split(|byte| *byte == b',').find_map(|part| part.strip_prefix(b"i="));
        let Some(rounds) = rounds.and_then(|rounds| std::str::from_utf8(rounds).ok()) else { return true };
        if rounds.parse::<u32>().is_ok_and(|rounds| rounds <= MOST_ROUNDS) {
            return true;
        }
        let rounds: String = rounds.chars().filter(char::is_ascii_digit).take(20).collect();
        self.refused = Some(format!("the server asks for {rounds} rounds of SCRAM, and {MOST_ROUNDS} are computed"));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(code: u32, rest: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes(), rest].concat()
    }

    #[test]
    fn a_method_that_is_not_allowed_ends_the_login_before_the_password_is_sent() {
        let scram = || Login::new(Some(vec![AuthMethod::ScramSha256]));
        assert!(!scram().check(&request(3, b"")));
        assert!(!scram().check(&request(5, b"salt")));
        assert!(!scram().check(&request(0, b"")), "a server that asks for nothing has proved nothing");
        let mut login = scram();
        assert!(login.check(&request(10, b"SCRAM-SHA-256\0\0")));
        assert!(login.check(&request(11, b"")) && login.check(&request(12, b"")) && login.check(&request(0, b"")));
        assert!(!login.is_clear_text());
        let mut login = scram();
        assert!(!login.check(&request(10, b"OAUTHBEARER\0\0")));
        assert!(login.refused().is_some_and(|why| why.contains("oauth") && why.contains("scram-sha-256")));
    }

    #[test]
    fn a_server_that_ends_scram_without_its_proof_is_refused() {
        let mut login = Login::new(None);
        assert!(login.check(&request(10, b"SCRAM-SHA-256\0\0")) && login.check(&request(11, b"r=a,s=b,i=4096")));
        assert!(!login.check(&request(0, b"")));
        assert!(login.refused().is_some_and(|why| why.contains("without a proof")));
    }

    #[test]
    fn a_proof_that_would_take_too_long_ends_the_login_before_it_is_computed() {
        for rounds in ["1000001", "100000000", "4294967295", "99999999999999999999", "-1"] {
            let mut login = Login::new(None);
            assert!(login.check(&request(10, b"SCRAM-SHA-256\0\0")));
            assert!(!login.check(&request(11, format!("r=a,s=b,i={rounds}").as_bytes())), "{rounds}");
            assert!(login.refused().is_some_and(|why| why.contains("1000000 are computed")));
        }
        let mut login = Login::new(None);
        assert!(login.check(&request(11, b"r=a,s=b,i=4096")) && login.check(&request(11, b"e=other-error")));
    }

    #[test]
    fn without_require_auth_all_is_allowed_and_clear_text_is_noted() {
        let mut login = Login::new(None);
        assert!(login.check(&request(3, b"")) && login.check(&request(0, b"")));
        assert!(login.is_clear_text() && login.refused().is_none());
    }
}
