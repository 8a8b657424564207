//! The startup packet, and the parameters with which a server answers it.

// A transaction pooler keeps it on the server connection that was used last, until another client uses it.
pub use archon_pool_contract::catalogue::APPLICATION;

/// Settings in the startup packet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Startup {
    /// `options`.
    pub(crate) options: Option<String>,
    /// `options` for a pooler that refuses the ones above.
    pub(crate) without: Option<String>,
    /// Only the simple query protocol is used, so that all values are texts.
    pub(crate) rows_are_text: bool,
}

/// Parameters that the server reported.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    pub(crate) server_version: Option<String>,
    pub(crate) server_encoding: Option<String>,
    pub(super) in_hot_standby: Option<bool>,
    pub(super) read_only: Option<bool>,
}

impl Parameters {
    /// Returns true if the peer is PgBouncer's admin console, by its server version.
    pub(crate) fn is_console(&self) -> bool {
        self.server_version.as_deref().is_some_and(|version| version.ends_with("/bouncer"))
    }

    /// Reads the parameters by their names.
    pub(super) fn of<'a>(parameter: impl Fn(&'static str) -> Option<&'a str>) -> Self {
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
