//! Settings of a project's poolers, as the API describes them.

use serde::Deserialize;

/// A pooler of the project, by `GET …/config/database/pooler`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct PoolerSettings {
    pub database_type: String,
    pub db_user: String,
    pub db_host: String,
    pub db_port: u16,
    pub db_name: String,
    /// None stands for the default of the compute size.
    pub default_pool_size: Option<u32>,
    pub max_client_conn: Option<u32>,
    pub pool_mode: String,
}

/// The dedicated pooler of the project, by `GET …/config/database/pgbouncer`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct PgBouncerSettings {
    pub default_pool_size: Option<u32>,
    pub max_client_conn: Option<u32>,
    pub pool_mode: Option<String>,
    pub reserve_pool_size: Option<u32>,
    pub server_idle_timeout: Option<u32>,
    pub server_lifetime: Option<u32>,
    pub query_wait_timeout: Option<u32>,
}

/// Returns the settings of the primary server's pooler; none if the API names none.
pub fn primary(all: Vec<PoolerSettings>) -> Option<PoolerSettings> {
    all.into_iter().find(|pooler| pooler.database_type == "PRIMARY")
}

/// Returns both poolers' settings by PgBouncer's names. None stands for the default of the compute size.
pub fn by_name(pooler: &PoolerSettings, bouncer: &PgBouncerSettings) -> [(&'static str, Option<String>); 7] {
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    [
        ("default_pool_size", number(pooler.default_pool_size)),
        ("max_client_conn", number(pooler.max_client_conn.or(bouncer.max_client_conn))),
        ("pool_mode", Some(pooler.pool_mode.clone())),
        ("reserve_pool_size", number(bouncer.reserve_pool_size)),
        ("server_idle_timeout", number(bouncer.server_idle_timeout)),
        ("server_lifetime", number(bouncer.server_lifetime)),
        ("query_wait_timeout", number(bouncer.query_wait_timeout)),
    ]
}
