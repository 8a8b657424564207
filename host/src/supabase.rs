//! Supabase's hosted projects: their settings, their pooler and a second way in, by the Management API.
//!
//! What an access token opens is not what a password opens. The password opens sessions; the token opens the project's
//! settings (where its pooler is, how large its pools are) and an endpoint that runs SQL for whoever has no session.
//!
//! Sources: the API's own description (`supabase/cli`, `packages/api`) and its reference. Hosted projects were not
//! available to test against: the tests run against a stub of the documented endpoints.
//!
#![doc = include_str!("../docs/supabase.md")]

mod api;
mod columns;
mod command;
pub(crate) mod connect;
mod counted;
mod http;
mod literal;
mod pace;
mod pooler;
mod project;
mod query;
#[cfg(test)]
mod tests;

pub(crate) use self::pooler::Pooler;
pub(crate) use self::project::Project;
pub(crate) use self::query::Query;
