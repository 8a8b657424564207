//! Fields of an audit event that identify its credential, session or console.

use crate::access_path::DIRECT;
use crate::audit_sink::Event;
use crate::bindings::{Console, Credential, Session};
use crate::login::Login;

/// Adds the server, the database and the role.
fn login(event: Event, login: Login) -> Event {
    let Login { server, database, user } = login;
    event.with_login(&user, server, &database)
}

/// Adds a credential's name and its login.
pub(crate) fn credential(event: Event, credential: &dyn Credential) -> Event {
    login(event.with("credential", credential.name()), credential.login())
}

/// Adds the login of a session, and its access path unless it is direct.
pub(crate) fn session(event: Event, session: &dyn Session) -> Event {
    let event = login(event, session.login());
    if session.access_path() == DIRECT { event } else { event.with("access_path", session.access_path()) }
}

/// Adds the login of a console and its kind.
pub(crate) fn console(event: Event, console: &dyn Console) -> Event {
    login(event, console.login()).with("controller", console.kind())
}
