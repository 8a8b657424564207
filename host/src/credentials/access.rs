//! Everything that one credential opens: sessions, other ways in, and its project's API.

use archon_pool_contract::fault::Fault;
use secrecy::SecretString;

use super::{Controller, Credential};
use crate::connection_config::{Parts, Setting, invalid};
use crate::door::Others;
use crate::limits::Limits;
use crate::supabase::{Project, Reference, Token};
use crate::target::Target;

/// Everything that one credential opens.
#[derive(Clone)]
pub(crate) struct Access {
    /// Where sessions are opened; without a password where there is only a token.
    pub(super) target: Target,
    pub(super) others: Others,
    pub(super) controller: Option<Controller>,
    pub(super) token: Option<Token>,
}

impl From<Target> for Access {
    fn from(target: Target) -> Self {
        Self { target, others: Others::default(), controller: None, token: None }
    }
}

impl Access {
    /// A connection with its project's token beside it. A project that has neither password nor token is no
    /// credential.
    pub(super) fn of_project(
        target: Target,
        reference: Option<Reference>,
        token: Option<&SecretString>,
    ) -> Result<Self, Fault> {
        let token = match (reference.or_else(|| Reference::of_target(&target)), token) {
            (_, None) => None,
            (Some(reference), Some(token)) => Some(Token::new(reference, token)?),
            (None, Some(_)) => {
                return Err(invalid("an access token opens a project, and no part of the connection names one"));
            }
        };
        Ok(Self { token, ..Self::from(target) })
    }

    /// The same with a token that came from elsewhere, if the connection says which project it is of.
    pub(super) fn beside(self, token: Option<&SecretString>) -> Result<Self, Fault> {
        if self.token.is_some() || Reference::of_target(&self.target).is_none() {
            return Ok(self);
        }
        let with_token = Self::of_project(self.target, None, token)?;
        Ok(Self { others: self.others, controller: self.controller, ..with_token })
    }

    /// A credential of this call; `api` is where the project's API is, when that is not Supabase's own.
    pub(super) fn named(self, name: &str, api: Option<&str>, limits: &Limits) -> Result<Credential, Fault> {
        let Self { target, others, controller, token } = self;
        let project = token.map(|token| Project::open(&token, api, limits)).transpose()?;
        Ok(Credential { name: name.to_owned(), target, others, controller, project })
    }
}

/// The connection to a project's own server.
pub(super) fn direct(reference: &Reference) -> Parts {
    let mut parts = Parts::default();
    parts.set(Setting::Host, &reference.direct_host());
    parts.set(Setting::User, "postgres");
    parts.set(Setting::Database, "postgres");
    parts
}
