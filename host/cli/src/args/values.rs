//! Values of flags.

use clap::ValueEnum;

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Nothing
    None,
    /// One JSON object a line
    Json,
}

/// Which SQL a component may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlMode {
    /// The statements that `archon-pool describe` lists for the built-in components
    Catalogue,
    /// Those, and a SELECT that is verified to read only statistics of pg_catalog
    Strict,
    /// Any that the credential's role may run; statements that could do more than read need --apply
    Any,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
