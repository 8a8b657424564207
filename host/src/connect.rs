//! Opening of connections: hosts, addresses and ways of encryption in their order, as libpq does it.

mod attempt;
mod attributes;
mod connection;
mod dial;

use std::time::{Duration, Instant};

use archon_pool_plugin::fault::{Fault, kind};
use futures_util::TryStreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio_postgres::{CancelToken, Client, SimpleQueryMessage};

use self::attempt::Opening;
pub(crate) use self::connection::{Connection, Presence, all_over};
use self::dial::{Opened, Place};
use crate::error;
use crate::limits::Limits;
use crate::target::{SslNegotiation, Target, TargetSessionAttrs};
use crate::tls::Connector;
use crate::wire::{Filter, Filtered, PreparedTls};

/// What the startup packet asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Startup {
    /// `options`.
    pub(crate) options: Option<String>,
    /// `options` for a pooler that refuses these.
    pub(crate) without: Option<String>,
    /// Whether only the simple query protocol is spoken, so that all values are texts.
    pub(crate) rows_are_text: bool,
}

/// An open connection.
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    pub(crate) parameters: Parameters,
    /// Facts about the connection that a report must state.
    pub(crate) notes: Vec<String>,
    /// Whether a pooler refused the options.
    pub(crate) options_refused: bool,
}

/// What the server reported of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    pub(crate) server_version: Option<String>,
    pub(crate) server_encoding: Option<String>,
    in_hot_standby: Option<bool>,
    read_only: Option<bool>,
}

impl Parameters {
    /// Whether PgBouncer's admin console answers: it names itself in the place of a server's version.
    pub(crate) fn is_console(&self) -> bool {
        self.server_version.as_deref().is_some_and(|version| version.ends_with("/bouncer"))
    }

    fn of<'a>(parameter: impl Fn(&'static str) -> Option<&'a str>) -> Self {
        let text = |name| parameter(name).map(str::to_owned);
        let on = |name| parameter(name).map(|value| value == "on");
        Self {
            server_version: text("server_version"),
            server_encoding: text("server_encoding"),
            in_hot_standby: on("in_hot_standby"),
            read_only: on("default_transaction_read_only"),
        }
    }
}

/// Cancels what runs in a connection, at the address and with the encryption of it.
struct Cancel {
    token: CancelToken,
    place: Place,
    host: String,
    tls: Option<Connector>,
    negotiation: SslNegotiation,
}

impl Cancel {
    /// Returns when the server has taken the request, which it shows by closing the connection.
    async fn send(self) -> Result<(), String> {
        let opened = dial::open(&self.place, &self.host, self.tls.as_ref(), self.negotiation).await;
        let stream = match opened.map_err(|error| error.to_string())? {
            Opened::Tls(stream, _) => stream,
            Opened::Plain(stream) if self.tls.is_none() => stream,
            Opened::Plain(_) => return Err("the server offers no TLS any more".to_owned()),
            Opened::Refused(_, said) => return Err(said),
        };
        let mut stream = Filtered::new(stream, None, Filter::default());
        let sent = self.token.cancel_query_raw(&mut stream, PreparedTls).await;
        sent.map_err(|error| error::chain(&error))?;
        // No answer is due, so one byte is as good as the end.
        let _ = stream.read(&mut [0]).await;
        Ok(())
    }
}

/// Connects to the first acceptable server. Another host is tried when one cannot be reached, takes no sessions now
/// or is not of the wanted kind; what a server refuses for other reasons is the answer.
pub(crate) async fn connect(
    target: &Target,
    startup: &Startup,
    limits: &Limits,
    presence: &Presence,
) -> Result<Connected, Fault> {
    let tls = Connector::new(target)?;
    let opening = Opening { tls: &tls, startup, limits, presence };
    let deadline = Instant::now() + limits.connect_timeout;
    let rounds = attributes::rounds(target.target_session_attrs);
    let hosts = target.each();
    let mut failures: Vec<Fault> = Vec::new();
    for (round, wanted) in rounds.iter().enumerate() {
        for (at, host) in hosts.iter().enumerate() {
            let places = match dial::places(host).await {
                Ok(places) => places,
                Err(error) => {
                    failures.push(error::unreachable(host, &error.to_string()));
                    continue;
                }
            };
            for (place_at, place) in places.iter().enumerate() {
                let later_hosts = (hosts.len() - at - 1) + (rounds.len() - round - 1) * hosts.len();
                let attempts = places.len() - place_at + later_hosts;
                let patience = patience(target, deadline, attempts);
                let accepted = accepted(host, place, *wanted, &opening);
                let connected = tokio::time::timeout(patience, accepted).await.unwrap_or_else(|_| {
                    let why = format!("no session within {} ms (limit `connect_timeout`)", patience.as_millis());
                    Err(error::unreachable(host, &why))
                });
                match connected {
                    Ok(connected) => return Ok(connected),
                    Err(fault) if fault.kind == kind::SERVER_UNREACHABLE => failures.push(fault),
                    Err(fault) => return Err(fault),
                }
            }
        }
    }
    Err(all_failed(failures, target))
}

/// How long one attempt may take: `connect_timeout`, and no more than its share of what is left of the limit.
fn patience(target: &Target, deadline: Instant, attempts: usize) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    let share = left / u32::try_from(attempts.max(1)).unwrap_or(u32::MAX);
    // A single attempt is bounded by the limit itself, which is waited for outside.
    let share = if attempts > 1 { share } else { left + Duration::from_millis(100) };
    target.connect_timeout.unwrap_or(share).min(share)
}

/// Logs in where the server is acceptable.
async fn accepted(
    target: &Target,
    place: &Place,
    wanted: TargetSessionAttrs,
    opening: &Opening<'_>,
) -> Result<Connected, Fault> {
    let mismatched = |why: Option<&'static str>| match why {
        None => Ok(()),
        Some(why) => {
            let word = target.target_session_attrs.word();
            let message = format!("{target} is not acceptable (target_session_attrs={word}): {why}");
            Err(Fault::new(kind::SERVER_UNREACHABLE, message))
        }
    };
    if attributes::is_about_writing(wanted) {
        // Without our settings, which would make every session read-only.
        let startup = Startup { options: target.options.clone(), ..opening.startup.clone() };
        let asking = Opening { startup: &startup, ..*opening };
        let asked = attempt::login(target, place, &asking).await?;
        mismatched(mismatch(target, wanted, &asked).await?)?;
        return attempt::login(target, place, opening).await;
    }
    let connected = attempt::login(target, place, opening).await?;
    mismatched(mismatch(target, wanted, &connected).await?)?;
    Ok(connected)
}

/// Why a server is not acceptable; none when it is.
async fn mismatch(
    target: &Target,
    wanted: TargetSessionAttrs,
    connected: &Connected,
) -> Result<Option<&'static str>, Fault> {
    let Connected { connection, parameters, .. } = connected;
    connection.begin_statement();
    let why = attributes::mismatch(wanted, connection.client()?, parameters).await;
    connection.end_statement();
    why.map_err(|error| error::connecting(&error, target, true))
}

/// The first column of the first row that answers a question. The others are read and not kept.
pub(crate) async fn first_text(client: &Client, question: &str) -> Result<Option<String>, tokio_postgres::Error> {
    let mut answer = std::pin::pin!(client.simple_query_raw(question).await?);
    let mut first = None;
    while let Some(message) = answer.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message
            && first.is_none()
        {
            first = Some(row.try_get(0)?.map(str::to_owned));
        }
    }
    Ok(first.flatten())
}

/// The first fault, with those of the other hosts.
fn all_failed(failures: Vec<Fault>, target: &Target) -> Fault {
    let mut failures = failures.into_iter();
    let Some(mut fault) = failures.next() else { return error::unreachable(target, "it has no address") };
    for other in failures {
        if !fault.message.contains(&other.message) {
            fault.message = format!("{}; {}", fault.message, other.message);
        }
        fault.retryable |= other.retryable;
    }
    fault
}
