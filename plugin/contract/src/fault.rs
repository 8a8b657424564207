//! The error type of the plugin, and the well-known kinds that plugin and host share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Well-known fault kinds. The set is open: callers branch on the ones they know.
pub mod kind {
    /// A parameter is missing, unknown, of the wrong type or out of range.
    pub const INVALID_PARAMS: &str = "invalid-params";
    /// A secret was handed to the component instead of the host.
    pub const SECRET_IN_PARAMS: &str = "secret-in-params";
    /// No credential under that name, or none at all.
    pub const CREDENTIALS_NOT_FOUND: &str = "credentials-not-found";
    /// A credential exists but is no usable connection target.
    pub const CREDENTIAL_INVALID: &str = "credential-invalid";
    /// The server refused the role or the password.
    pub const AUTHENTICATION_FAILED: &str = "authentication-failed";
    /// The server has no such database.
    pub const DATABASE_NOT_FOUND: &str = "database-not-found";
    /// Nothing answers at the address.
    pub const SERVER_UNREACHABLE: &str = "server-unreachable";
    /// TLS could not be agreed on or the certificate was not accepted.
    pub const TLS_FAILED: &str = "tls-failed";
    /// No connection slot is left (SQLSTATE 53300).
    pub const TOO_MANY_CONNECTIONS: &str = "too-many-connections";
    /// The role lacks a privilege (SQLSTATE 42501).
    pub const INSUFFICIENT_PRIVILEGE: &str = "insufficient-privilege";
    /// A statement ran into its timeout or was cancelled (SQLSTATE 57014).
    pub const QUERY_CANCELED: &str = "query-canceled";
    /// The session ended while it was in use.
    pub const CONNECTION_LOST: &str = "connection-lost";
    /// Any other error of a statement.
    pub const QUERY_FAILED: &str = "query-failed";
    /// A column has a type outside the seven value types.
    pub const UNSUPPORTED_TYPE: &str = "unsupported-type";
    /// The server answered in a shape that this component does not know.
    pub const UNEXPECTED_ANSWER: &str = "unexpected-answer";
    /// Part of the server is hidden, so there is no verdict.
    pub const INCOMPLETE_COVERAGE: &str = "incomplete-coverage";
    /// The host has no pooler console for this credential.
    pub const NO_POOLER: &str = "no-pooler";
    /// A console was asked for a view that its kind does not have.
    pub const UNSUPPORTED_VIEW: &str = "unsupported-view";
    /// A file is no WebAssembly component.
    pub const NOT_A_COMPONENT: &str = "not-a-component";
    /// A component imports or exports other interfaces than this host offers.
    pub const WORLD_MISMATCH: &str = "world-mismatch";
    /// No component under that name.
    pub const PLUGIN_NOT_FOUND: &str = "plugin-not-found";
    /// A policy file is not valid, or others may have written it.
    pub const POLICY_INVALID: &str = "policy-invalid";
    /// A component, or what it is asked to do, is more than its policy file approves.
    pub const NOT_APPROVED: &str = "not-approved";
    /// A component has no signature, and the operator asks for one.
    pub const UNSIGNED: &str = "unsigned";
    /// A signature is by no trusted key, or of another component or policy.
    pub const SIGNATURE_INVALID: &str = "signature-invalid";
    /// A key to sign with, or to trust, cannot be used.
    pub const KEY_INVALID: &str = "key-invalid";
    /// The component trapped.
    pub const PLUGIN_TRAPPED: &str = "plugin-trapped";
    /// A limit of the host was reached; the message names the setting.
    pub const LIMIT_EXCEEDED: &str = "limit-exceeded";
    /// The call's deadline passed.
    pub const DEADLINE_EXCEEDED: &str = "deadline-exceeded";
    /// More calls than the host makes at the same time, or will keep waiting.
    pub const OVERLOADED: &str = "overloaded";
    /// A tenant has used up what it may use in a minute or an hour; the message names the setting.
    pub const QUOTA_EXCEEDED: &str = "quota-exceeded";
    /// A file is no cassette, or of another version than this host replays.
    pub const CASSETTE_INVALID: &str = "cassette-invalid";
    /// A component asked for something that its cassette does not hold.
    pub const CASSETTE_MISMATCH: &str = "cassette-mismatch";
    /// A call could not be written into its cassette.
    pub const CASSETTE_FAILED: &str = "cassette-failed";
    /// The audit log could not be written to, and nothing is done that is not on record.
    pub const AUDIT_FAILED: &str = "audit-failed";

    /// All of them, for `describe`.
    pub const ALL: &[&str] = &[
        INVALID_PARAMS,
        SECRET_IN_PARAMS,
        CREDENTIALS_NOT_FOUND,
        CREDENTIAL_INVALID,
        AUTHENTICATION_FAILED,
        DATABASE_NOT_FOUND,
        SERVER_UNREACHABLE,
        TLS_FAILED,
        TOO_MANY_CONNECTIONS,
        INSUFFICIENT_PRIVILEGE,
        QUERY_CANCELED,
        CONNECTION_LOST,
        QUERY_FAILED,
        UNSUPPORTED_TYPE,
        UNEXPECTED_ANSWER,
        INCOMPLETE_COVERAGE,
        NO_POOLER,
        UNSUPPORTED_VIEW,
        NOT_A_COMPONENT,
        WORLD_MISMATCH,
        PLUGIN_NOT_FOUND,
        POLICY_INVALID,
        NOT_APPROVED,
        UNSIGNED,
        SIGNATURE_INVALID,
        KEY_INVALID,
        PLUGIN_TRAPPED,
        LIMIT_EXCEEDED,
        DEADLINE_EXCEEDED,
        OVERLOADED,
        QUOTA_EXCEEDED,
        CASSETTE_INVALID,
        CASSETTE_MISMATCH,
        CASSETTE_FAILED,
        AUDIT_FAILED,
    ];
}

/// An error: something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Kind of error; see [`kind`].
    pub kind: String,
    /// One sentence for an operator, naming the setting to change.
    pub message: String,
    /// The server's SQLSTATE, where it came from a server.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sqlstate: Option<String>,
    /// True when the same call may succeed later without any change.
    pub retryable: bool,
}

impl Fault {
    /// Creates a fault that is not retryable.
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), message: message.into(), sqlstate: None, retryable: false }
    }

    /// Creates a fault for a parameter that cannot be accepted.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(kind::INVALID_PARAMS, message)
    }

    /// Creates a fault for an unexpected answer of a server, a pooler or a component.
    pub fn unexpected(message: impl Into<String>) -> Self {
        Self::new(kind::UNEXPECTED_ANSWER, message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)?;
        match &self.sqlstate {
            Some(sqlstate) => write!(f, " (SQLSTATE {sqlstate})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}
