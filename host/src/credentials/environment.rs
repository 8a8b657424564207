//! Credentials in environment variables.

use std::collections::HashMap;
use std::fmt;

use archon_pool_plugin::fault::Fault;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::{Controller, supabase};
use crate::target::Target;

/// Variables with a connection URL, in their order.
const URLS: [&str; 2] = ["DATABASE_URL", "SUPABASE_DB_URL"];
/// The variable with the console of the pooler before the server of these.
const POOLER: &str = "PGBOUNCER_URL";
/// Variables of a project.
const PROJECT: (&str, &str) = ("SUPABASE_URL", "SUPABASE_KEY");

/// What stands for the environment in messages.
pub(super) const PLACES: &str = "environment (DATABASE_URL, SUPABASE_DB_URL, SUPABASE_URL with SUPABASE_KEY)";

/// The variables of a process.
#[derive(Clone, Default)]
pub(super) struct Environment(HashMap<&'static str, SecretString>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let names = URLS.into_iter().chain([PROJECT.0, PROJECT.1, POOLER]);
        let set = |name| {
            let value = Zeroizing::new(variable(name)?);
            (!value.is_empty()).then(|| (name, value.as_str().into()))
        };
        Self(names.filter_map(set).collect())
    }

    /// What controls the pool.
    pub(super) fn controller(&self) -> Result<Option<Controller>, Fault> {
        Controller::of(self.0.get(POOLER), None, None).map_err(|fault| named(POOLER, fault))
    }

    /// The first variable that is set counts; when it is wrong, the next is no substitute for it.
    pub(super) fn target(&self) -> Option<Result<Target, Fault>> {
        if let Some((name, url)) = URLS.into_iter().find_map(|name| Some((name, self.0.get(name)?))) {
            return Some(supabase::target(url, None).map_err(|fault| named(name, fault)));
        }
        let url = self.0.get(PROJECT.0)?;
        Some(
            supabase::target(url, self.0.get(PROJECT.1)).map_err(|fault| named("SUPABASE_URL and SUPABASE_KEY", fault)),
        )
    }
}

fn named(name: &str, fault: Fault) -> Fault {
    Fault { message: format!("{name}: {}", fault.message), ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<Result<Target, Fault>> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Environment::read(|name| variables.get(name).map(|&value| value.to_owned())).target()
    }

    #[test]
    fn the_order_is_fixed() {
        let both = [("SUPABASE_DB_URL", "postgres://u@two/d"), ("DATABASE_URL", "postgres://u@one/d")];
        assert_eq!(found(&both).unwrap().unwrap().host, "one");
        assert_eq!(found(&both[..1]).unwrap().unwrap().host, "two");
        assert!(found(&[("DATABASE_URL", "")]).is_none());
    }

    #[test]
    fn a_project_needs_both() {
        let url = ("SUPABASE_URL", "https://abcdefghijklmnopqrst.supabase.co");
        assert!(found(&[url]).unwrap().is_err());
        assert!(found(&[url, ("SUPABASE_KEY", "hunter2")]).unwrap().is_ok());
    }

    #[test]
    fn a_wrong_console_is_named() {
        let console =
            |url: &'static str| Environment::read(|name| (name == POOLER).then(|| url.to_owned())).controller();
        assert!(matches!(console("postgres://u:x@h/pgbouncer"), Ok(Some(Controller::PgBouncer(_)))));
        let fault = console("postgres://u:hunter2@h/shop").err().unwrap();
        assert!(fault.message.starts_with(POOLER) && !fault.message.contains("hunter2"), "{fault}");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let fault = found(&[("DATABASE_URL", "mysql://u:hunter2@h/d")]).unwrap().unwrap_err();
        assert!(fault.message.starts_with("DATABASE_URL") && !fault.message.contains("hunter2"), "{fault}");
    }
}
