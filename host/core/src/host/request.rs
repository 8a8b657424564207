//! Parsing of a request: the part that is passed on, the part that stays in the host, and the changes that it allows.

use std::collections::BTreeSet;
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::params::{Action, Options};
use archon_pool_contract::snapshot::SessionKey;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::backends::IdleThresholds;
use crate::context::Intent;
use crate::credential_source::CredentialRequest;
use crate::policy::Policy;
use crate::scaling::{Bounds, Sizing};
use crate::secret_scan;

/// The refusal of a host whose policy allows no changes.
pub(super) const NO_CHANGES: &str = "the host's policy allows no changes: set the policy's apply";

/// Name of the option that selects sessions.
const ONLY: &str = "only";

/// A parsed request.
pub(super) struct Request {
    pub(super) input: Value,
    pub(super) credential: CredentialRequest,
    pub(super) intent: Intent,
}

impl Request {
    /// Splits the host's part off an input: secrets, the credential's name, and the intended changes.
    pub(super) fn parse(policy: &Policy, mut input: Value) -> Result<Self, Fault> {
        let Value::Object(fields) = &mut input else {
            if secret_scan::holds(&input) {
                return Err(misplaced());
            }
            // The component refuses it with its own message.
            let credential = CredentialRequest::default();
            return Ok(Self { intent: intent(policy, &Map::new()), input, credential });
        };
        let mut secret = |name: &str| match fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(SecretString::from(Zeroizing::new(text).as_str()))),
            Some(_) => Err(Fault::invalid(format!("{name}: a text is wanted"))),
        };
        let (url, key) = (secret("supabaseUrl")?, secret("supabaseKey")?);
        let name = fields.get("credential").and_then(Value::as_str).map(str::to_owned);
        if name.as_deref().is_some_and(|name| name.contains("://") || name.contains('@')) {
            return Err(Fault::new(kind::SECRET_IN_PARAMS, "credential: a name is wanted, not a URL"));
        }
        refuse_secrets(fields, &["carry"])?;
        Ok(Self { intent: intent(policy, fields), input, credential: CredentialRequest { url, key, name } })
    }
}

/// Returns the options that decide which sessions may be ended, with their defaults.
pub fn kill_options() -> [(&'static str, u64); 3] {
    let defaults = Options::default();
    [
        ("maxKillPercentage", defaults.max_kill_percentage.into()),
        ("idleTimeoutMs", defaults.idle_timeout_ms),
        ("idleInTransactionTimeoutMs", defaults.idle_in_transaction_timeout_ms),
    ]
}

/// Refuses a secret in any field but those that a component wrote: these hold names and statements of the server's
/// sessions.
pub(super) fn refuse_secrets(fields: &Map<String, Value>, written: &[&str]) -> Result<(), Fault> {
    let mut given = fields.iter().filter(|(name, _)| !written.contains(&name.as_str()));
    if given.any(|(name, value)| secret_scan::is_secret(name, value)) { Err(misplaced()) } else { Ok(()) }
}

fn misplaced() -> Fault {
    let message = "the request holds a secret where none belongs: its places are supabaseUrl and supabaseKey";
    Fault::new(kind::SECRET_IN_PARAMS, message)
}

/// Returns the changes that a call may make: sessions are ended and pools resized only when the operator allows it and
/// the request asks for exactly that, however the component interprets the request.
pub(super) fn intent(policy: &Policy, request: &Map<String, Value>) -> Intent {
    let option = |name: &str| request.get("options").and_then(|options| options.get(name));
    let only = selected(option(ONLY));
    let refusal = unasked(policy, request, Action::KillIdle, "ends sessions")
        .or_else(|| unclear(request.get("options")))
        .or_else(|| only.as_ref().err().cloned());
    let [max_kill_percentage, idle_ms, idle_in_transaction_ms] =
        kill_options().map(|(name, default)| option(name).and_then(Value::as_u64).unwrap_or(default));
    Intent {
        refusal,
        // The component refuses a value out of range; here it only must not become smaller.
        max_kill_percentage: u32::try_from(max_kill_percentage).unwrap_or(u32::MAX),
        thresholds: IdleThresholds { idle_ms, idle_in_transaction_ms },
        // With a selection that cannot be read, nothing is ended.
        only: only.unwrap_or_else(|_| Some(Arc::default())),
        acting: restrained(policy, request),
        sizing: sizing(policy, request),
    }
}

fn sizing(policy: &Policy, request: &Map<String, Value>) -> Sizing {
    let options = request.get("options");
    let forbidden = match options.and_then(|options| options.get("allowAutoScaling")) {
        None | Some(Value::Null | Value::Bool(true)) => None,
        Some(Value::Bool(false)) => Some("options.allowAutoScaling is false".to_owned()),
        Some(_) => Some("options.allowAutoScaling is neither true nor false".to_owned()),
    };
    let bounds = match options {
        None | Some(Value::Null) => Bounds::of(None),
        Some(Value::Object(options)) => Bounds::of(Some(options)),
        Some(_) => Err("options is no object".to_owned()),
    };
    Sizing { refusal: unasked(policy, request, Action::AutoScale, "changes pools").or(forbidden), bounds }
}

/// Returns the reason for which an action must not be carried out; none when the request asks for it.
fn unasked(policy: &Policy, request: &Map<String, Value>, wanted: Action, does: &str) -> Option<String> {
    let action = request.get("action").and_then(Value::as_str).unwrap_or(Action::FullAnalysis.name());
    if !policy.apply {
        return Some(NO_CHANGES.to_owned());
    }
    if action != wanted.name() {
        return Some(format!("the request's action is {action}, and only {} {does}", wanted.name()));
    }
    dry_run(request)
}

/// Returns the reason for which no statement may be sent that could do more than read; none when one may.
fn restrained(policy: &Policy, request: &Map<String, Value>) -> Option<String> {
    if policy.apply { dry_run(request) } else { Some(NO_CHANGES.to_owned()) }
}

/// Returns the reason for which a request does not ask for a real run: it is a dry run, or may be one.
fn dry_run(request: &Map<String, Value>) -> Option<String> {
    match request.get("options").and_then(|options| options.get("dryRun")) {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some("the request asks for a dry run: options.dryRun".to_owned()),
        // A value of another type is not clearly `false`.
        Some(_) => Some("options.dryRun is neither true nor false".to_owned()),
    }
}

/// Reads the selection of sessions; none when the request selects none in particular.
fn selected(only: Option<&Value>) -> Result<Option<Arc<BTreeSet<SessionKey>>>, String> {
    let Some(only) = only.filter(|only| !only.is_null()) else { return Ok(None) };
    let only = BTreeSet::deserialize(only);
    only.map(|only| Some(Arc::new(only))).map_err(|_| format!("options.{ONLY} is no list of sessions"))
}

/// Returns the reason for which an option about sessions is not in the contract's shape: a component that interprets it
/// in another way than the host must not end any session by that.
fn unclear(options: Option<&Value>) -> Option<String> {
    let options = match options {
        None | Some(Value::Null) => return None,
        Some(Value::Object(options)) => options,
        Some(_) => return Some("options is no object".to_owned()),
    };
    let is_clear = |value: &Value| value.is_null() || value.is_u64();
    kill_options()
        .into_iter()
        .find(|(name, _)| options.get(*name).is_some_and(|value| !is_clear(value)))
        .map(|(name, _)| format!("options.{name} is no whole number"))
}
