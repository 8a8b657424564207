//! Connection to the engine: TLS, credentials, and the version that it must have.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use archon_pool_core::private_file::{self, Readers};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{BoardError, failed};

/// Oldest version with schedules by cron expressions.
const OLDEST: (u32, u32) = (2, 14);

/// Time for a connection, and for the answer to a request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest file of credentials, bytes.
const MOST_BYTES: usize = 64 << 10;

/// Address of the engine, and what opens it.
#[derive(Clone)]
pub struct NatsSettings {
    /// `nats://HOST:4222`, or `tls://`, several separated by commas; may hold a user and a password, or a token.
    pub url: SecretString,
    /// File with a JWT and its seed.
    pub credentials: Option<PathBuf>,
    /// File with the seed of an NKey.
    pub nkey: Option<PathBuf>,
    /// Certificates of the authorities that the server's certificate is verified with, besides the system's.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSettings").field("credentials", &self.credentials).field("nkey", &self.nkey).finish()
    }
}

/// A connected engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) client: Client,
    pub(super) context: Context,
}

impl Engine {
    /// Connects under a name, which the engine's monitoring shows. A lost connection is opened again by itself.
    ///
    /// # Errors
    ///
    /// Fails if it does not answer, refuses the credentials or is too old.
    pub async fn connect(settings: &NatsSettings, name: &str) -> Result<Self, BoardError> {
        let mut options = ConnectOptions::new().name(name).connection_timeout(TIMEOUT).request_timeout(Some(TIMEOUT));
        if let Some(path) = &settings.credentials {
            let text = secret(path, "--nats-creds")?;
            options = options.credentials(text.expose_secret()).map_err(|error| failed("--nats-creds", error))?;
        }
        if let Some(path) = &settings.nkey {
            options = options.nkey(secret(path, "--nats-nkey")?.expose_secret().trim().to_owned());
        }
        if let Some(path) = &settings.ca {
            options = options.add_root_certificates(path.clone());
        }
        let addresses = addresses(settings.url.expose_secret())?;
        // The client ignores what a URL holds.
        let of_url = addresses.iter().find_map(|address| Some((address.username()?, address.password())));
        options = match of_url {
            Some((user, Some(password))) => options.user_and_password(decoded(user), decoded(password)),
            Some((token, None)) => options.token(decoded(token)),
            None => options,
        };
        let client = options.connect(addresses).await.map_err(|error| failed("--nats", error))?;
        let version = client.server_info().version;
        if is_old(&version) {
            let why = format!("the server's version is {version}: at least {}.{} is needed", OLDEST.0, OLDEST.1);
            return Err(failed("--nats", why));
        }
        let mut context = jetstream::new(client.clone());
        context.set_timeout(TIMEOUT);
        Ok(Self { client, context })
    }

    /// Sends what was not sent yet.
    pub async fn flush(&self) {
        // A message that could not be sent is sent again once it is found missing.
        let _ = self.client.flush().await;
    }
}

/// Parses the addresses. The error repeats nothing, since a URL may hold a secret.
fn addresses(url: &str) -> Result<Vec<ServerAddr>, BoardError> {
    let parsed: Result<Vec<ServerAddr>, _> = url.split(',').map(|one| one.trim().parse()).collect();
    let addresses = parsed.map_err(|_| failed("--nats", "it must be nats://HOST:4222 or tls://HOST:4222"))?;
    if addresses.is_empty() { Err(failed("--nats", "it is empty")) } else { Ok(addresses) }
}

/// Decodes a part of a URL.
fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn secret(path: &Path, flag: &str) -> Result<SecretString, BoardError> {
    let bytes = private_file::read(path, Readers::Owner, MOST_BYTES)
        .map_err(|why| failed(flag, format!("{}: {why}", path.display())))?;
    let text = String::from_utf8(bytes).map_err(|_| failed(flag, format!("{}: it is not UTF-8", path.display())))?;
    Ok(text.into())
}

fn is_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < OLDEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_recognised() {
        assert!(["2.9.10", "2.13.4", "1.99.0", ""].into_iter().all(is_old));
        assert!(!["2.14.0", "2.15.1-binary", "3.0.0"].into_iter().any(is_old));
    }

    #[test]
    fn a_wrong_address_is_not_repeated() {
        assert_eq!(addresses("nats://a:4222,tls://b").map(|all| all.len()), Ok(2));
        let error = addresses("nats://u:hunter2@:x:y").expect_err("wrong").to_string();
        assert!(error.contains("--nats") && !error.contains("hunter2"), "{error}");
    }
}
