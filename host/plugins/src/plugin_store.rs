//! A folder of plugins, each in service under its name, and replaced while calls run.
//!
//! `NAME.wasm` is a component, `NAME.policy.toml` its policy file and `NAME.wasm.sig` its signature. A component is in
//! service once it is verified: a new version that does not load, or that does not match its policy file or its
//! signature, leaves the old one in service and is a [`Rejection`].
//!
//! A call keeps the component that it began with; the next call gets the new one. Removing a policy file while its
//! component stays does not lift its restrictions: the approved version stays in service.

mod entry;
mod folder;
mod install;
mod name;
mod store;
mod watch;

pub use self::entry::{Entry, PolicyState, SignatureState};
pub use self::name::Name;
pub use self::store::{PluginStore, Rejection};
pub use self::watch::Watch;

#[cfg(test)]
mod tests;
