//! Statements through the query endpoint of Supabase's Management API, without a session, and the settings of a
//! project's pooler.
//!
//! No HTTP client is in here: the host `archon-pool-supabase` and the component `pool-door.wasm` bring theirs as an
//! [`endpoint::Transport`].
//!
//! Differences to a session: every request is a transaction and a round trip of its own; the server's
//! `statement_timeout` is the role's; only known statements are sent. A token that may only read runs as
//! `supabase_read_only_user`.

pub mod column_type;
pub mod columns;
pub mod command;
pub mod endpoint;
pub mod literal;
pub mod pooler_settings;
pub mod refusal;
