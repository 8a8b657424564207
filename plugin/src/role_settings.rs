//! Settings that roles and databases have of their own (`ALTER ROLE … SET`, `ALTER DATABASE … SET`), and which one a
//! session gets.

use archon_pool_contract::snapshot::Snapshot;

use crate::clock;

/// The time that a role's sessions of a database get for a setting from the role or the database, milliseconds, and
/// whose it is.
pub fn own_limit(snapshot: &Snapshot, name: &str, role: &str, database: Option<&str>) -> Option<(u64, String)> {
    let applies = |own: Option<&str>, this: Option<&str>| own.is_none() || own == this;
    let own = snapshot.role_settings.iter().filter(|setting| {
        setting.name == name
            && applies(setting.role.as_deref(), Some(role))
            && applies(setting.database.as_deref(), database)
    });
    // PostgreSQL takes that of the role in the database, then the role's, the database's and that of all.
    let setting = own.max_by_key(|setting| (setting.role.is_some(), setting.database.is_some()))?;
    let whose = match (&setting.role, &setting.database) {
        (Some(role), Some(database)) => format!("role {role} in database {database}"),
        (Some(role), None) => format!("role {role}"),
        (None, Some(database)) => format!("database {database}"),
        (None, None) => "every role".to_owned(),
    };
    Some((clock::parse_span(&setting.value)?, whose))
}
