//! Interpretation of the settings' texts. No fault repeats a text: it may be a misplaced secret.

use std::path::PathBuf;
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use super::ambient::Origin;
use super::fault::{invalid, not_one_of, refused};
use super::hosts::hosts;
use super::keywords;
use super::parts::{Given, Parts, Source};
use super::pass_file;
use super::security::{
    AuthMethod, ChannelBinding, ClientCertificate, Roots, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion,
};
use super::setting::Setting;
use super::target::{HostPort, Target};

/// Maps drivers' certificate settings to libpq's: with Prisma's `sslaccept`, `sslcert` is the authority's.
pub(super) fn settle_certificates(parts: &mut Parts) -> Result<(), Fault> {
    if let Some(factory) = parts.given.remove(&Setting::SslFactory) {
        match factory.text.expose_secret().rsplit('.').next() {
            Some("NonValidatingFactory") => parts.no_verify = true,
            Some("LibPQFactory") => {}
            // It verifies by Java's own authorities, in every mode.
            Some("DefaultJavaSSLFactory") => {
                let is_off = parts.get(Setting::SslMode).is_some_and(|mode| mode.eq_ignore_ascii_case("disable"));
                if !is_off {
                    parts.set(Setting::SslMode, SslMode::VerifyFull.word());
                    parts.fill(Setting::SslRootCert, "system");
                }
            }
            _ => return Err(refused(&factory.name, "a factory class is not supported; give sslmode")),
        }
    }
    let Some(accept) = parts.given.remove(&Setting::SslAccept) else { return Ok(()) };
    let root = match parts.given.contains_key(&Setting::SslKey) {
        true => None,
        false => parts.given.remove(&Setting::SslCert),
    };
    match accept.text.expose_secret() {
        "strict" => {
            parts.set(Setting::SslMode, SslMode::VerifyFull.word());
            if let Some(root) = root {
                parts.fill(Setting::SslRootCert, root.text.expose_secret());
            }
        }
        "accept_invalid_certs" => {
            parts.fill(Setting::SslMode, SslMode::Prefer.word());
            parts.no_verify = true;
        }
        _ => return Err(not_one_of(&accept.name, "strict, accept_invalid_certs")),
    }
    Ok(())
}

/// Interprets the settings once every source has filled them.
pub(super) fn target(mut parts: Parts, origin: Origin<'_>) -> Result<Target, Fault> {
    let mut hosts = hosts(&parts, origin)?;
    let user = parts.get(Setting::User).ok_or_else(|| invalid("the connection has no user"))?.to_owned();
    let database = parts.get(Setting::Database).unwrap_or(&user).to_owned();
    check_kind(&mut parts)?;
    let (ssl_mode, roots) = verification(&mut parts, &hosts)?;
    let ssl_negotiation = word(&parts, Setting::SslNegotiation, SslNegotiation::of_word, &SslNegotiation::words())?;
    if ssl_negotiation == Some(SslNegotiation::Direct) && ssl_mode < SslMode::Require {
        return Err(invalid("sslnegotiation=direct takes sslmode=require or a stronger one"));
    }
    let (ssl_min_version, ssl_max_version) = tls_versions(&parts)?;
    let client_certificate = client_certificate(&parts)?;
    let channel_binding = word(&parts, Setting::ChannelBinding, ChannelBinding::of_word, &ChannelBinding::words())?;
    let (require_auth, target_session_attrs) = (require_auth(&parts)?, session_attrs(&parts)?);
    let connect_timeout = connect_timeout(&parts)?;
    passwords(&mut parts, origin, &mut hosts, &user, &database)?;

    let first = hosts.remove(0);
    Ok(Target {
        host: first.host,
        address: first.address,
        port: first.port,
        more_hosts: hosts,
        user,
        password: first.password,
        database,
        ssl_mode,
        roots,
        client_certificate,
        ssl_negotiation: ssl_negotiation.unwrap_or(SslNegotiation::Postgres),
        ssl_min_version,
        ssl_max_version,
        channel_binding: channel_binding.unwrap_or(ChannelBinding::Prefer),
        require_auth,
        target_session_attrs,
        connect_timeout,
        options: parts.get(Setting::Options).map(str::to_owned),
        notes: parts.notes,
    })
}

/// Parses a setting's text with a fault that names its source.
fn read<T>(
    parts: &Parts,
    setting: Setting,
    reading: impl FnOnce(&Given, &str) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let Some(given) = parts.given.get(&setting) else { return Ok(None) };
    reading(given, given.text.expose_secret().trim()).map(Some).map_err(|fault| given.source.within(fault))
}

fn word<T>(
    parts: &Parts,
    setting: Setting,
    of_word: impl FnOnce(&str) -> Option<T>,
    words: &str,
) -> Result<Option<T>, Fault> {
    read(parts, setting, |given, text| of_word(text).ok_or_else(|| not_one_of(&given.name, words)))
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Refuses settings that would change the kind of session, and notes those that would not.
fn check_kind(parts: &mut Parts) -> Result<(), Fault> {
    let gss = read(parts, Setting::GssEncMode, |given, text| match text {
        "require" => Err(refused(&given.name, "GSSAPI encryption is not supported; give sslmode=verify-full")),
        "disable" | "prefer" => Ok(()),
        _ => Err(not_one_of(&given.name, "disable, prefer, require")),
    })?;
    let replication = read(parts, Setting::Replication, |given, text| match truth(text) {
        Some(false) => Ok(()),
        _ => Err(refused(&given.name, "a replication session cannot run queries; leave it out")),
    })?;
    let protocol = read(parts, Setting::MinProtocolVersion, |given, text| match text {
        "3.0" => Ok(()),
        _ => Err(refused(&given.name, "3.0 is the newest protocol version that is supported")),
    })?;
    let settings = [(gss, Setting::GssEncMode), (replication, Setting::Replication)];
    for (_, setting) in
        settings.into_iter().chain([(protocol, Setting::MinProtocolVersion)]).filter(|it| it.0.is_some())
    {
        if let Some(Given { name, source: Source::Text | Source::ServiceFile(_), .. }) = parts.given.get(&setting) {
            parts.note(keywords::passed_over(name));
        }
    }
    Ok(())
}

/// Reads the required degree of TLS, and the authorities that a certificate is verified against.
fn verification(parts: &mut Parts, hosts: &[HostPort]) -> Result<(SslMode, Option<Roots>), Fault> {
    let mode = ssl_mode(parts)?;
    let roots = match parts.get(Setting::SslRootCert) {
        _ if parts.no_verify => None,
        Some("system") => Some(Roots::System),
        Some(path) => Some(Roots::File(PathBuf::from(path))),
        None => None,
    };
    let mode = match (mode, &roots) {
        (None | Some(SslMode::Require | SslMode::VerifyCa), Some(Roots::System)) => SslMode::VerifyFull,
        (Some(SslMode::Disable | SslMode::Allow | SslMode::Prefer), Some(Roots::System)) => {
            return Err(invalid("sslrootcert=system takes sslmode=verify-full: with a weaker one it proves nothing"));
        }
        (Some(mode), _) => mode,
        // Supabase always offers TLS, so falling back from it is never needed.
        (None, _) if hosts.iter().any(|one| is_supabase(&one.host)) => SslMode::Require,
        (None, _) => SslMode::Prefer,
    };
    Ok((mode, roots))
}

fn ssl_mode(parts: &mut Parts) -> Result<Option<SslMode>, Fault> {
    const NO_VERIFY: &str = "no-verify";
    let mut no_verify = parts.no_verify;
    let is_java = parts.is_jdbc;
    // Java's drivers take the words in any case, R2DBC also those of an enum.
    let mode_of = |text: &str| match is_java {
        true => SslMode::of_word(&text.to_ascii_lowercase().replace('_', "-")),
        false => SslMode::of_word(text),
    };
    let mut known = |text: &str| match text {
        NO_VERIFY => {
            no_verify = true;
            Some(SslMode::Require)
        }
        _ => mode_of(text),
    };
    let mode = word(parts, Setting::SslMode, &mut known, &SslMode::words())?;
    let by_ssl = read(parts, Setting::Ssl, |given, text| match (truth(text), parts.is_jdbc) {
        (Some(true), true) => Ok(Some(if parts.no_verify { SslMode::Require } else { SslMode::VerifyFull })),
        (Some(true), false) => Ok(Some(SslMode::Require)),
        (Some(false), true) => Ok(None),
        (Some(false), false) => Ok(Some(SslMode::Disable)),
        (None, _) => match if mode.is_some() { mode_of(text) } else { known(text) } {
            Some(mode) => Ok(Some(mode)),
            None => Err(not_one_of(&given.name, &format!("true, false, {}", SslMode::words()))),
        },
    })?;
    let required = read(parts, Setting::RequireSsl, |given, text| {
        truth(text).ok_or_else(|| not_one_of(&given.name, "true, false"))
    })?;
    parts.no_verify = no_verify;
    Ok(mode.or(by_ssl.flatten()).or(required.filter(|required| *required).map(|_| SslMode::Require)))
}

fn tls_versions(parts: &Parts) -> Result<(TlsVersion, Option<TlsVersion>), Fault> {
    const OLD: [&str; 2] = ["TLSv1", "TLSv1.1"];
    let is_old = |text: &str| OLD.iter().any(|old| old.eq_ignore_ascii_case(text));
    let words = format!("{}, {}", OLD.join(", "), TlsVersion::words());
    // libpq takes these in any case of letters.
    let of_word = |text: &str| TlsVersion::of_word(&text.to_ascii_lowercase().replace("tlsv", "TLSv"));
    // A minimum below TLS 1.2 is satisfied by TLS 1.2, the oldest supported.
    let old_or_word = |text: &str| if is_old(text) { Some(TlsVersion::Tls12) } else { of_word(text) };
    let least = word(parts, Setting::SslMinVersion, old_or_word, &words)?.unwrap_or(TlsVersion::Tls12);
    let most = read(parts, Setting::SslMaxVersion, |given, text| match of_word(text) {
        Some(version) => Ok(version),
        None if is_old(text) => Err(refused(&given.name, "TLSv1.2 is the oldest version that is supported")),
        None => Err(not_one_of(&given.name, &words)),
    })?;
    if most.is_some_and(|most| most < least) {
        return Err(invalid("ssl_min_protocol_version is above ssl_max_protocol_version: there is no version left"));
    }
    Ok((least, most))
}

fn client_certificate(parts: &Parts) -> Result<Option<ClientCertificate>, Fault> {
    let shown = read(parts, Setting::SslCertMode, |given, text| match text {
        "disable" => Ok(false),
        "allow" => Ok(true),
        "require" => {
            let reason = "that the server asks for a certificate is not verified here; leave it out";
            Err(refused(&given.name, reason))
        }
        _ => Err(not_one_of(&given.name, "disable, allow, require")),
    })?;
    let path = |setting| parts.get(setting).map(PathBuf::from);
    match (path(Setting::SslCert), path(Setting::SslKey)) {
        (Some(_), _) if shown == Some(false) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(ClientCertificate { certificate, key })),
        (Some(_), None) => Err(invalid("sslcert is given without sslkey: give both")),
        // As in libpq, a key without a certificate is ignored.
        (None, _) => Ok(None),
    }
}

fn require_auth(parts: &Parts) -> Result<Option<Vec<AuthMethod>>, Fault> {
    read(parts, Setting::RequireAuth, |given, text| {
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        let excluded = words.iter().filter(|word| word.starts_with('!')).count();
        if excluded != 0 && excluded != words.len() {
            return Err(invalid(format!("connection parameter '{}' mixes methods with and without '!'", given.name)));
        }
        let method = |word: &&str| {
            AuthMethod::of_word(word.trim_start_matches('!'))
                .ok_or_else(|| not_one_of(&given.name, &AuthMethod::words()))
        };
        let named = words.iter().map(method).collect::<Result<Vec<_>, _>>()?;
        let allowed = |method: &AuthMethod| named.contains(method) == (excluded == 0);
        let allowed: Vec<_> = AuthMethod::ALL.iter().copied().filter(allowed).collect();
        if allowed.iter().all(|method| matches!(method, AuthMethod::Gss | AuthMethod::Sspi | AuthMethod::Oauth)) {
            let reason = "gss, sspi and oauth are not supported; allow scram-sha-256";
            return Err(refused(&given.name, reason));
        }
        Ok(allowed)
    })
}

fn session_attrs(parts: &Parts) -> Result<TargetSessionAttrs, Fault> {
    use TargetSessionAttrs as Attrs;
    let attrs = word(parts, Setting::TargetSessionAttrs, Attrs::of_word, &Attrs::words())?;
    let words = "any, primary, secondary, preferPrimary, preferSecondary";
    let of_jdbc = |text: &str| match text {
        "any" | "preferPrimary" => Some(Attrs::Any),
        "primary" | "master" => Some(Attrs::ReadWrite),
        "secondary" | "slave" => Some(Attrs::ReadOnly),
        "preferSecondary" | "preferSlave" => Some(Attrs::PreferStandby),
        _ => None,
    };
    let by_jdbc = word(parts, Setting::TargetServerType, of_jdbc, words)?;
    Ok(attrs.or(by_jdbc).unwrap_or(Attrs::Any))
}

/// Reads the timeout in seconds; as in libpq, zero or less means none.
fn connect_timeout(parts: &Parts) -> Result<Option<Duration>, Fault> {
    let seconds = read(parts, Setting::ConnectTimeout, |given, text| {
        text.parse::<i32>()
            .map_err(|_| invalid(format!("connection parameter '{}' must be a number of seconds", given.name)))
    })?;
    Ok(seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0).map(Duration::from_secs))
}

/// Sets each host's password: the given one, or that of the pass file.
fn passwords(
    parts: &mut Parts,
    origin: Origin<'_>,
    hosts: &mut [HostPort],
    user: &str,
    database: &str,
) -> Result<(), Fault> {
    if let Some(given) = parts.given.get(&Setting::Password) {
        if is_placeholder(&given.text) {
            return Err(invalid(
                "the password is still the placeholder [YOUR-PASSWORD]: put the database's in its place",
            ));
        }
        hosts.iter_mut().for_each(|host| host.password = Some(given.text.clone()));
        return Ok(());
    }
    if let Some(note) = pass_file::fill(parts.get(Setting::PassFile), origin, hosts, user, database) {
        parts.note(note);
    }
    Ok(())
}

fn is_placeholder(password: &SecretString) -> bool {
    matches!(password.expose_secret(), "[YOUR-PASSWORD]" | "[YOUR_PASSWORD]" | "<YOUR-PASSWORD>")
}

fn is_supabase(host: &str) -> bool {
    [".supabase.co", ".supabase.com"].iter().any(|domain| host.ends_with(domain))
}
