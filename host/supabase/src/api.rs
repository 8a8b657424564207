//! The Management API's client: one project, one token, and limits on every answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::digest::Digest;
use archon_pool_core::json_limits;
use archon_pool_core::limits::{BYTES_PER_VALUE, DEPTH, LimitError, Limits};
use archon_pool_postgres::connection_config::invalid;
use archon_pool_postgres::error;
use archon_pool_postgres::tls;
use archon_pool_query_endpoint::refusal::{self, HOSTED, Refusal, Refused};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::http::{Answer, Http, Lost};
use super::pace::Pace;

/// Number of attempts when the API fails.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Time that a waiting call reserves for the answer.
const RESERVE: Duration = Duration::from_secs(1);

/// The client of one call.
pub(super) struct Api {
    /// Created on first use: most calls need none.
    client: OnceCell<Http>,
    base: Url,
    token: SecretString,
    pace: Arc<Pace>,
    connect_timeout: Duration,
    patience: Duration,
    /// Maximum size of an answer, bytes.
    most: usize,
    /// End of the call.
    end: Instant,
}

/// One request.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// The permission that a fine-grained token needs for it.
    pub(super) scope: &'static str,
    /// True if it changes nothing and so may be sent again.
    pub(super) reads: bool,
    /// Bytes that limit `answer_bytes` leaves for the answer, where it applies.
    pub(super) most: Option<usize>,
}

/// Failed request, with the condition for a retry.
struct ApiError {
    fault: Fault,
    again: Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Never,
    /// After a pause, if it changes nothing.
    Later,
    /// After this time, even if it changes something: nothing was done.
    After(Duration),
}

impl Api {
    /// Creates a client. `base` is https, or http on 127.0.0.1.
    pub(super) fn new(
        base: Option<&str>,
        reference: &str,
        token: &SecretString,
        limits: &Limits,
    ) -> Result<Self, Fault> {
        let base = parse_base(base.unwrap_or(HOSTED))?;
        let whose = Zeroizing::new(format!("{base}\0{reference}\0{}", token.expose_secret()));
        Ok(Self {
            client: OnceCell::new(),
            pace: Pace::of(Digest::of(whose.as_bytes())),
            base,
            token: token.clone(),
            connect_timeout: limits.connect_timeout,
            patience: limits.statement_timeout,
            most: limits.api_bytes,
            end: Instant::now() + limits.deadline,
        })
    }

    /// Returns true if this is an API on the local machine, as in tests.
    pub(super) fn is_local(&self) -> bool {
        self.base.scheme() == "http"
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Sends a request until it is answered, refused, or not retryable.
    pub(super) async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Fault> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            self.turn().await?;
            let ApiError { fault, again } = match self.send(request).await {
                Ok(answer) => return parse(&answer, &request.path),
                Err(trouble) => trouble,
            };
            let wait = match again {
                Again::After(wait) => wait,
                Again::Later if request.reads && attempt < ATTEMPTS => pause,
                Again::Later | Again::Never => return Err(fault),
            };
            if !self.has_time_for(wait) {
                return Err(fault);
            }
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
        Err(Fault::new(kind::SERVER_UNREACHABLE, "the Management API was asked in vain"))
    }

    /// Waits until the rate limit per minute admits a request.
    async fn turn(&self) -> Result<(), Fault> {
        while let Err(wait) = self.pace.take(Instant::now()) {
            if !self.has_time_for(wait) {
                return Err(over_rate(wait));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    fn has_time_for(&self, wait: Duration) -> bool {
        Instant::now() + wait + RESERVE <= self.end
    }

    async fn send(&self, request: &Request) -> Result<Vec<u8>, ApiError> {
        let client = self.client.get_or_try_init(async || self.client()).await.map_err(ApiError::for_good)?;
        let left = self.end.saturating_duration_since(Instant::now());
        let (patience, limit) =
            if left < self.patience { (left, "deadline") } else { (self.patience, "statement_timeout") };
        match tokio::time::timeout(patience, self.exchange(client, request)).await {
            Ok(answer) => answer,
            Err(_) => {
                let message =
                    format!("the Management API did not answer within {} ms: limit `{limit}`", patience.as_millis());
                Err(ApiError::for_good(request.in_vain(message)))
            }
        }
    }

    async fn exchange(&self, client: &Http, request: &Request) -> Result<Vec<u8>, ApiError> {
        let text = request.body.as_ref().map(Value::to_string);
        let mut sending = hyper::Request::builder().method(&request.method).uri(request.path.as_str());
        sending = sending.header(AUTHORIZATION, self.bearer()?);
        if text.is_some() {
            sending = sending.header(CONTENT_TYPE, "application/json");
        }
        let sending = sending
            .body(Full::from(text.unwrap_or_default()))
            .map_err(|error| ApiError::for_good(request.in_vain(format!("no request can be made: {error}"))))?;
        let most = request.most.map_or(self.most, |most| most.min(self.most));
        let answer = client.exchange(sending, most).await.map_err(|lost| self.lost(request, &lost))?;
        let Answer { status, headers, body } = answer;
        let text = std::str::from_utf8(&body).map_err(|_| ApiError::for_good(unreadable(&request.path)))?;
        // The memory of a parsed value depends on its number of values, and not on its bytes.
        if !json_limits::is_shallow(&body, DEPTH) || !json_limits::is_within(text, self.most / BYTES_PER_VALUE) {
            return Err(ApiError::for_good(LimitError::ApiBytes(self.most).into()));
        }
        if status.is_success() { Ok(body) } else { Err(self.refused(request, status, &headers, &body)) }
    }

    /// Creates the fault of a request without an answer.
    fn lost(&self, request: &Request, lost: &Lost) -> ApiError {
        let no_answer = |why: String| format!("no answer from the Management API at {}: {why}", self.base);
        let fault = match lost {
            Lost::TooMuch => {
                let Some(most) = request.most.filter(|most| *most < self.most) else {
                    return ApiError::for_good(LimitError::ApiBytes(self.most).into());
                };
                let message = format!(
                    "the Management API answered with more than {most} bytes, which is what limit `answer_bytes` leaves"
                );
                return ApiError::for_good(Fault::new(kind::LIMIT_EXCEEDED, message));
            }
            Lost::Unsent(error) => unreachable(no_answer(error::chain(error))),
            Lost::Broken(error) => request.in_vain(no_answer(error::chain(error))),
        };
        ApiError { fault, again: Again::Later }
    }

    fn client(&self) -> Result<Http, Fault> {
        let tls = if self.is_local() { None } else { Some(tls::for_https()?) };
        Ok(Http::new(self.base.clone(), tls, self.connect_timeout))
    }

    fn bearer(&self) -> Result<HeaderValue, ApiError> {
        let text = Zeroizing::new(format!("Bearer {}", self.token.expose_secret()));
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| ApiError::for_good(invalid("the access token holds letters that no token has")))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn refused(&self, request: &Request, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        if status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = refusal::seconds_to_wait(|name| headers.get(name)?.to_str().ok());
            let wait = Duration::from_secs(seconds.into());
            self.pace.close(Instant::now() + wait);
            return ApiError { fault: over_rate(wait), again: Again::After(wait) };
        }
        let refused =
            Refused { status: status.as_u16(), body, scope: request.scope, token: self.token.expose_secret() };
        match refused.classify(error::said) {
            Refusal::ForGood(fault) => ApiError::for_good(fault),
            Refusal::Trouble(message) => ApiError { fault: request.in_vain(message), again: Again::Later },
        }
    }
}

impl Request {
    /// Creates the fault of a request without an answer; a change may have been made.
    fn in_vain(&self, message: String) -> Fault {
        if self.reads {
            return unreachable(message);
        }
        Fault::new(kind::SERVER_UNREACHABLE, format!("{message}; the change may have been made"))
    }
}

impl ApiError {
    fn for_good(fault: Fault) -> Self {
        Self { fault, again: Again::Never }
    }
}

fn unreachable(message: String) -> Fault {
    Fault { retryable: true, ..Fault::new(kind::SERVER_UNREACHABLE, message) }
}

fn over_rate(wait: Duration) -> Fault {
    refusal::over_rate(wait.as_millis().div_ceil(1000))
}

fn parse<T: DeserializeOwned>(answer: &[u8], path: &str) -> Result<T, Fault> {
    serde_json::from_slice(answer).map_err(|error| refusal::unknown_form(path, &error))
}

fn unreadable(path: &str) -> Fault {
    Fault::new(kind::UNEXPECTED_ANSWER, format!("the Management API's answer to {path} is no UTF-8"))
}

fn parse_base(text: &str) -> Result<Url, Fault> {
    let wrong = || invalid("SUPABASE_API_URL must be https://HOST, or http://127.0.0.1 with a port");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let allowed = match url.scheme() {
        "https" => true,
        "http" => url.host_str() == Some("127.0.0.1"),
        _ => false,
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path() == "/";
    if allowed && bare { Ok(url) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_sent_over_https_only() {
        for base in [HOSTED, "https://api.example:8443/", "http://127.0.0.1:7000"] {
            assert!(parse_base(base).is_ok(), "{base}");
        }
        for base in [
            "http://api.supabase.com",
            "http://localhost:7000",
            "http://127.0.0.1.example.com",
            "https://u:hunter2@api.supabase.com",
            "https://api.supabase.com/v1",
            "https://api.supabase.com?x=hunter2",
            "ftp://127.0.0.1",
            "",
        ] {
            let fault = parse_base(base).unwrap_err();
            assert!(fault.message.contains("SUPABASE_API_URL") && !fault.message.contains("hunter2"), "{fault}");
        }
    }
}
