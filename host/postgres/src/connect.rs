//! Opening of connections: hosts, addresses and encryption in the order that libpq uses.

mod attempt;
mod attributes;
mod cancel;
mod connection;
mod dial;
mod startup;

use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::Limits;
use archon_pool_core::shutdown_guard::ShutdownGuard;

use self::attempt::Opening;
pub use self::connection::all_over;
pub(crate) use self::connection::{Connected, Connection, first_text};
pub use self::dial::Bytes;
use self::dial::Place;
pub use self::startup::APPLICATION;
pub(crate) use self::startup::Startup;
use crate::error;
use crate::target::{Target, TargetSessionAttrs};
use crate::tls::Connector;

/// Connects to the first acceptable server. Another host is tried when one cannot be reached, accepts no sessions now
/// or is not of the required kind; a refusal for another reason is returned.
pub(crate) async fn connect(
    target: &Target,
    startup: &Startup,
    limits: &Limits,
    guard: &ShutdownGuard,
) -> Result<Connected, Fault> {
    let tls = Connector::new(target)?;
    let opening = Opening { tls: &tls, startup, limits, guard };
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

/// Returns the time limit of one attempt: `connect_timeout`, and at most its share of the time left.
fn patience(target: &Target, deadline: Instant, attempts: usize) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    let share = left / u32::try_from(attempts.max(1)).unwrap_or(u32::MAX);
    // A single attempt is bounded by the limit itself, which the caller enforces.
    let share = if attempts > 1 { share } else { left + Duration::from_millis(100) };
    target.connect_timeout.unwrap_or(share).min(share)
}

/// Logs in if the server is acceptable.
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
        // Without the host's own settings, which would make every session read-only.
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

/// Returns the reason for which a server is not acceptable; none when it is.
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

/// Joins the first fault with those of the other hosts.
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
