//! One login at one address, with the encryption that `sslmode` asks for.

use std::sync::{Arc, Mutex, PoisonError};

use archon_pool_plugin::fault::{Fault, kind};
use secrecy::ExposeSecret as _;
use tokio_postgres::{Client, Config};

use super::connection::{Connection, Driver};
use super::dial::{self, HandshakeFailed, Opened, Place};
use super::{Cancel, Connected, Parameters, Presence, Startup};
use crate::error::{self, Refusal};
use crate::limits::Limits;
use crate::session::APPLICATION;
use crate::target::{ChannelBinding, SslMode, Target};
use crate::tls::Connector;
use crate::wire::{Budget, Filter, Filtered, Login, PreparedTls};

/// What all logins of an opening share.
pub(super) struct Opening<'a> {
    pub(super) tls: &'a Connector,
    pub(super) startup: &'a Startup,
    pub(super) limits: &'a Limits,
    pub(super) presence: &'a Presence,
}

/// Why a login failed, and whether another way of encryption may succeed.
struct Failed {
    fault: Fault,
    otherwise: bool,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, otherwise: false }
    }
}

/// Logs in, and tries the other way of encryption where `sslmode` leaves it open.
pub(super) async fn login(target: &Target, place: &Place, opening: &Opening<'_>) -> Result<Connected, Fault> {
    let ways: &[bool] = match target.ssl_mode {
        // Sockets have no TLS, as in libpq.
        _ if target.is_socket() => &[false],
        SslMode::Disable => &[false],
        SslMode::Allow => &[false, true],
        SslMode::Prefer => &[true, false],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[true],
    };
    let mut before: Option<Fault> = None;
    for (at, encrypted) in ways.iter().enumerate() {
        match with_options(target, place, opening, *encrypted).await {
            Ok(connected) => return Ok(connected),
            Err(Failed { fault, otherwise }) if otherwise && at + 1 < ways.len() => before = Some(fault),
            Err(Failed { fault, .. }) => {
                let before = before.map(|before| format!("; before that: {}", before.message)).unwrap_or_default();
                return Err(Fault { message: fault.message + &before, ..fault });
            }
        }
    }
    Err(before.unwrap_or_else(|| error::unreachable(target, "no way of encryption is left")))
}

/// Logs in with the session's settings in the startup packet, or without them where a pooler refuses them there.
async fn with_options(
    target: &Target,
    place: &Place,
    opening: &Opening<'_>,
    encrypted: bool,
) -> Result<Connected, Failed> {
    let Startup { options, without, .. } = opening.startup;
    match once(target, place, opening, encrypted, options.as_deref()).await {
        Err(Refused::Options(_)) if options != without => {
            let connected = once(target, place, opening, encrypted, without.as_deref()).await;
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
    options: Option<&str>,
) -> Result<Connected, Refused> {
    let failed = |fault: Fault, otherwise: bool| Refused::Otherwise(Failed { fault, otherwise });
    let tls = encrypted.then_some(opening.tls);
    let opened = dial::open(place, &target.host, tls, target.ssl_negotiation).await.map_err(|error| {
        let is_tls = error.get_ref().is_some_and(|error| error.is::<HandshakeFailed>());
        let fault =
            if is_tls { no_tls(target, &error.to_string()) } else { error::unreachable(target, &error.to_string()) };
        failed(fault, is_tls)
    })?;
    let (stream, channel_binding, is_encrypted) = match opened {
        Opened::Tls(stream, binding) => (stream, binding, true),
        Opened::Plain(_) if encrypted && !target.is_socket() && target.ssl_mode != SslMode::Prefer => {
            let why = "server does not support TLS: set sslmode=prefer or enable ssl on the server";
            return Err(failed(no_tls(target, why), false));
        }
        Opened::Plain(stream) => (stream, None, false),
        Opened::Refused(sqlstate, said) => {
            let fault = error::refused(&sqlstate, &said, target);
            return Err(failed(fault, true));
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
            return Err(failed(Fault::new(kind::AUTHENTICATION_FAILED, message), false));
        }
        login.is_clear_text()
    };
    let (client, connection) = connected.map_err(|error| {
        if error::refuses_options(&error) {
            return Refused::Options(error::connecting(&error, target));
        }
        // `pg_hba.conf` may admit the same login with another encryption.
        let otherwise = matches!(error::refusal(&error), Some(Refusal::NeedsTls | Refusal::Address));
        failed(error::connecting(&error, target), otherwise)
    })?;
    let parameters = Parameters::of(|name| connection.parameter(name));
    let exposed = !is_encrypted && !place.is_local();
    let mut notes = Vec::new();
    if exposed {
        notes.push("the session is not encrypted".to_owned());
    }
    if exposed && clear_text {
        notes.push("the password was sent in clear text".to_owned());
    }
    let cancel = cancel(&client, target, place, opening, is_encrypted);
    let connection = Connection::new(client, Driver::spawn(connection, opening.presence), cancel);
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
        "; TLS 1.2 with forward secrecy is the least that is supported: set sslmode=prefer to fall back to plain text, or \
         renew the server's TLS settings"
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
        // Whatever encryption there is was set up before.
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
