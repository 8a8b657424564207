//! Credentials in environment variables.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use archon_pool_contract::fault::Fault;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::access::Access;
use super::controller::Controller;
use super::supabase;
use crate::connection_config::{Ambient, Origin, Parts};

/// Variables with a connection URL, in their order.
const URLS: [&str; 2] = ["DATABASE_URL", "SUPABASE_DB_URL"];
/// The variable with the console of the pooler before that server.
const POOLER: &str = "PGBOUNCER_URL";
/// Variables of a project.
const PROJECT: (&str, &str) = ("SUPABASE_URL", "SUPABASE_KEY");
/// The access token for the API of a project, and the API's address when it is not Supabase's own.
const TOKEN: &str = "SUPABASE_ACCESS_TOKEN";
const API: &str = "SUPABASE_API_URL";

/// Description of the environment in messages.
pub(super) const PLACES: &str = "environment (DATABASE_URL, SUPABASE_DB_URL, SUPABASE_URL with SUPABASE_KEY or SUPABASE_ACCESS_TOKEN, PGSERVICE, \
     PGHOST, PGHOSTADDR, PGDATABASE)";

/// The variables of a process.
#[derive(Clone, Default)]
pub(super) struct Environment {
    variables: HashMap<&'static str, SecretString>,
    ambient: Ambient,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).entry(&self.ambient).finish()
    }
}

impl Environment {
    pub(super) fn of_process() -> Self {
        // A relative path would be a folder below the working directory.
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        Self::read(|name| std::env::var(name).ok(), home, whoami::username().ok())
    }

    pub(super) fn read(variable: impl Fn(&str) -> Option<String>, home: Option<PathBuf>, user: Option<String>) -> Self {
        let names = URLS.into_iter().chain([PROJECT.0, PROJECT.1, TOKEN, API, POOLER]);
        let set = |name| {
            let value = Zeroizing::new(variable(name)?);
            (!value.is_empty()).then(|| (name, value.as_str().into()))
        };
        let variables = names.filter_map(set).collect();
        Self { variables, ambient: Ambient::read(variable, home, user) }
    }

    /// Returns the pool's controller.
    pub(super) fn controller(&self) -> Result<Option<Controller>, Fault> {
        Controller::of(self.variables.get(POOLER), None, None, self.origin()).map_err(|fault| named(POOLER, fault))
    }

    /// Returns the access of the first variable that is set; when it is invalid, the next is not tried.
    pub(super) fn access(&self) -> Option<Result<Access, Fault>> {
        if let Some((name, url)) = URLS.into_iter().find_map(|name| Some((name, self.variables.get(name)?))) {
            // The token may be set for other programs: it is used only where it fits.
            let found = supabase::access(url, None, None, self.origin()).and_then(|access| access.beside(self.token()));
            return Some(found.map_err(|fault| named(name, fault)));
        }
        if let Some(url) = self.variables.get(PROJECT.0) {
            let found = supabase::access(url, self.variables.get(PROJECT.1), self.token(), self.origin());
            return Some(found.map_err(|fault| named("SUPABASE_URL and SUPABASE_KEY", fault)));
        }
        let found = || Access::from(Parts::default().finish(self.origin())?).beside(self.token());
        self.ambient.names_a_place().then(found)
    }

    /// Returns the origin of texts that the environment may complete.
    pub(super) fn origin(&self) -> Origin<'_> {
        Origin::Operator(Some(&self.ambient))
    }

    /// Returns the access token for the API of the user's projects.
    pub(super) fn token(&self) -> Option<&SecretString> {
        self.variables.get(TOKEN)
    }

    /// Returns the API's address.
    pub(super) fn api(&self) -> Option<&str> {
        self.variables.get(API).map(|url| url.expose_secret())
    }
}

fn named(name: &str, fault: Fault) -> Fault {
    Fault { message: format!("{name}: {}", fault.message), ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<Result<Access, Fault>> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Environment::read(|name| variables.get(name).map(|&value| value.to_owned()), None, None).access()
    }

    #[test]
    fn the_order_is_fixed() {
        let both = [("SUPABASE_DB_URL", "postgres://u@two/d"), ("DATABASE_URL", "postgres://u@one/d")];
        assert_eq!(found(&both).unwrap().unwrap().target.host, "one");
        assert_eq!(found(&both[..1]).unwrap().unwrap().target.host, "two");
        assert!(found(&[("DATABASE_URL", "")]).is_none());
    }

    #[test]
    fn a_project_needs_its_url_and_its_key() {
        let url = ("SUPABASE_URL", "https://abcdefghijklmnopqrst.supabase.co");
        assert!(found(&[url]).unwrap().is_err());
        assert!(found(&[url, ("SUPABASE_KEY", "hunter2")]).unwrap().unwrap().token.is_none());
        assert!(found(&[url, ("SUPABASE_ACCESS_TOKEN", "sbp_hunter2")]).unwrap().unwrap().token.is_some());
    }

    #[test]
    fn a_token_for_other_programs_is_ignored() {
        let token = ("SUPABASE_ACCESS_TOKEN", "sbp_hunter2");
        let with = |url| found(&[("DATABASE_URL", url), token]).unwrap().unwrap();
        assert!(with("postgres://u@h/d").token.is_none());
        assert!(with("postgres://postgres:x@db.abcdefghijklmnopqrst.supabase.co/postgres").token.is_some());
        assert!(found(&[token]).is_none());
    }

    #[test]
    fn a_wrong_console_is_named() {
        let console = |url: &'static str| {
            Environment::read(|name| (name == POOLER).then(|| url.to_owned()), None, None).controller()
        };
        assert!(matches!(console("postgres://u:x@h/pgbouncer"), Ok(Some(Controller::PgBouncer(_)))));
        let fault = console("postgres://u:hunter2@h/shop").err().unwrap();
        assert!(fault.message.starts_with(POOLER) && !fault.message.contains("hunter2"), "{fault}");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let fault = found(&[("DATABASE_URL", "mysql://u:hunter2@h/d")]).unwrap().err().unwrap();
        assert!(fault.message.starts_with("DATABASE_URL") && !fault.message.contains("hunter2"), "{fault}");
    }
}
