//! One login at one address, with the encryption that `sslmode` asks for.

use std::sync::{Arc, Mutex, PoisonError};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::Limits;
use archon_pool_core::shutdown_guard::ShutdownGuard;
use secrecy::ExposeSecret as _;
use tokio_postgres::{Client, Config};

use super::cancel::Cancel;
use super::connection::{Connected, Connection, Driver};
use super::dial::{self, HandshakeFailed, Opened, Place};
use super::startup::{APPLICATION, Parameters, Startup};
use crate::error::{self, Refusal};
use crate::target::{ChannelBinding, SslMode, Target};
use crate::tls::Connector;
use crate::wire::{Budget, Filter, Filtered, Login, PreparedTls};

/// Settings that all logins of an opening share.
pub(super) struct Opening<'a> {
    pub(super) tls: &'a Connector,
    pub(super) startup: &'a Startup,
    pub(super) limits: &'a Limits,
    pub(super) guard: &'a ShutdownGuard,
}

/// A failed login.
struct Failed {
    fault: Fault,
    otherwise: bool,
    /// The reason alone, for another fault to repeat.
    said: String,
    by: By,
}

/// The cause of a failed login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// TLS could not be set up.
    Handshake,
    /// The server admits no such session: by `pg_hba.conf`, or none without TLS.
    Rules,
    Other,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { otherwise: false, said: fault.message.clone(), by: By::Other, fault }
    }
}

impl Failed {
    /// Returns the fault of two attempts, either of which may be the cause of the other.
    fn after(self, before: Self, before_encrypted: bool) -> Fault {
        let (with, without) = if before_encrypted { (&before, &self) } else { (&self, &before) };
        match (with.by, without.by) {
            // The same rules refused both.
            (By::Rules, By::Rules) => {
                if before_encrypted {
                    before.fault
                } else {
                    self.fault
                }
            }
            (By::Handshake, By::Rules) => {
                let message = format!("{}; without TLS: {}", with.fault.message, without.said);
                Fault { message, ..with.fault.clone() }
            }
            _ => {
                let way = if before_encrypted { "over TLS" } else { "without TLS" };
                let message = format!("{}; before that, {way}: {}", self.fault.message, before.said);
                Fault { message, ..self.fault }
            }
        }
    }
}

/// Logs in, and tries with the other encryption where `sslmode` allows both.
pub(super) async fn login(target: &Target, place: &Place, opening: &Opening<'_>) -> Result<Connected, Fault> {
    let (first, second) = match target.ssl_mode {
        // Sockets have no TLS, as in libpq.
        _ if target.is_socket() => (false, None),
        SslMode::Disable => (false, None),
        SslMode::Allow => (false, Some(true)),
        SslMode::Prefer => (true, Some(false)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (true, None),
    };
    let tls_tried = first || target.is_socket();
    let before = match with_options(target, place, opening, first, tls_tried).await {
        Ok(connected) => return Ok(connected),
        Err(failed) => failed,
    };
    match second.filter(|_| before.otherwise) {
        None => Err(before.fault),
        Some(encrypted) => {
            let connected = with_options(target, place, opening, encrypted, true).await;
            connected.map_err(|failed| failed.after(before, first))
        }
    }
}

/// Logs in with the session's settings in the startup packet, or without them where a pooler refuses them there.
async fn with_options(
    target: &Target,
    place: &Place,
    opening: &Opening<'_>,
    encrypted: bool,
    tls_tried: bool,
) -> Result<Connected, Failed> {
    let Startup { options, without, .. } = opening.startup;
    match once(target, place, opening, encrypted, tls_tried, options.as_deref()).await {
        Err(Refused::Options(_)) if options != without => {
            let connected = once(target, place, opening, encrypted, tls_tried, without.as_deref()).await;
            let connected = connected.map_err(Refused::into_failed)?;
            Ok(Connected { options_refused: true, ..connected })
        }
        connected => connected.map_err(Refused::into_failed),
    }
}

enum Refused {
    Options(Fault),
    Otherwise(Failed),
}

impl Refused {
    fn into_failed(self) -> Failed {
        match self {
            Self::Options(fault) => fault.into(),
            Self::Otherwise(failed) => failed,
        }
    }
}

async fn once(
    target: &Target,
    place: &Place,
    opening: &Opening<'_>,
    encrypted: bool,
    tls_tried: bool,
    options: Option<&str>,
) -> Result<Connected, Refused> {
    let failed = |fault: Fault| Refused::Otherwise(fault.into());
    let tls = encrypted.then_some(opening.tls);
    let opened = dial::open(place, &target.host, tls, target.ssl_negotiation).await.map_err(|error| {
        let is_tls = error.get_ref().is_some_and(|error| error.is::<HandshakeFailed>());
        let said = error.to_string();
        if !is_tls {
            return failed(error::unreachable(target, &said));
        }
        Refused::Otherwise(Failed { fault: no_tls(target, &said), otherwise: true, said, by: By::Handshake })
    })?;
    let (stream, channel_binding, is_encrypted) = match opened {
        Opened::Tls(stream, binding) => (stream, binding, true),
        // As in libpq, the weak modes continue without it.
        Opened::Plain(_) if encrypted && !target.is_socket() && target.ssl_mode >= SslMode::Require => {
            let why = "server does not support TLS: set sslmode=prefer or enable ssl on the server";
            return Err(failed(no_tls(target, why)));
        }
        Opened::Plain(stream) => (stream, None, false),
        Opened::Refused(sqlstate, said) => {
            let fault = error::refused(&sqlstate, &said, target, tls_tried);
            return Err(Refused::Otherwise(Failed { fault, otherwise: true, said, by: By::Other }));
        }
    };
    let login = Arc::new(Mutex::new(Login::new(target.require_auth.clone())));
    let budget = Budget::new(opening.limits);
    let filter = Filter::new(Arc::clone(&login), opening.startup.rows_are_text, budget);
    let filtered = Filtered::new(stream, channel_binding, filter);
    let connected = config(target, options).connect_raw(filtered, PreparedTls).await;
    let clear_text = {
        let login = login.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = login.refused() {
            let message = format!("{target} was sent no password: {why}");
            return Err(failed(Fault::new(kind::AUTHENTICATION_FAILED, message)));
        }
        login.is_clear_text()
    };
    let (client, connection) = connected.map_err(|error| {
        let fault = error::connecting(&error, target, tls_tried);
        if error::refuses_options(&error) {
            return Refused::Options(fault);
        }
        // `pg_hba.conf` may admit the same login with another encryption.
        let otherwise = error::refusal(&error).is_some_and(Refusal::may_depend_on_tls);
        // A session without TLS would get the same answer again.
        let otherwise = otherwise && (is_encrypted || !encrypted);
        let by = if otherwise { By::Rules } else { By::Other };
        let said = error.as_db_error().map_or_else(|| fault.message.clone(), |server| server.message().to_owned());
        Refused::Otherwise(Failed { fault, otherwise, said, by })
    })?;
    let parameters = Parameters::of(|name| connection.parameter(name));
    let exposed = !is_encrypted && !place.is_local();
    let mut notes: Vec<String> = opening.tls.unverified.iter().filter(|_| is_encrypted).cloned().collect();
    if exposed {
        notes.push("the session is not encrypted".to_owned());
    }
    if exposed && clear_text {
        notes.push("the password was sent in clear text".to_owned());
    }
    let cancel = cancel(&client, target, place, opening, is_encrypted);
    let connection = Connection::new(client, Driver::spawn(connection, opening.guard), cancel);
    Ok(Connected { connection, parameters, notes, options_refused: false })
}

fn cancel(client: &Client, target: &Target, place: &Place, opening: &Opening<'_>, is_encrypted: bool) -> Cancel {
    Cancel {
        token: client.cancel_token(),
        place: place.clone(),
        host: target.host.clone(),
        tls: is_encrypted.then(|| opening.tls.clone()),
        negotiation: target.ssl_negotiation,
    }
}

fn no_tls(target: &Target, why: &str) -> Fault {
    let hint = if why.contains("HandshakeFailure") || why.contains("ProtocolVersion") || why.contains("NotCompatible") {
        "; this host supports TLS 1.2 with forward secrecy and TLS 1.3, with keys of RSA, P-256 and P-384: compare \
         ssl_min_protocol_version, ssl_ciphers and the key of the server"
    } else {
        ""
    };
    Fault::new(kind::TLS_FAILED, format!("no TLS with {target}: {why}{hint}"))
}

fn config(target: &Target, options: Option<&str>) -> Config {
    let mut config = Config::new();
    config
        .user(&target.user)
        .dbname(&target.database)
        .application_name(APPLICATION)
        // Encryption was set up before, if any.
        .ssl_mode(tokio_postgres::config::SslMode::Require)
        .ssl_negotiation(tokio_postgres::config::SslNegotiation::Direct)
        .channel_binding(match target.channel_binding {
            ChannelBinding::Disable => tokio_postgres::config::ChannelBinding::Disable,
            ChannelBinding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
            ChannelBinding::Require => tokio_postgres::config::ChannelBinding::Require,
        });
    if let Some(options) = options {
        config.options(options);
    }
    if let Some(password) = &target.password {
        config.password(password.expose_secret());
    }
    config
}
