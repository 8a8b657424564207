//! Sets up Supabase's layout on a private cluster: roles with their privileges, schemas, and the sessions of the
//! services. Follows `supabase/postgres` (migrations) and the roles' documentation.

use anyhow::Result;

use crate::cluster::{Cluster, PASSWORD};
use crate::management_api::REFERENCE;
use crate::sessions::Session;

/// Superuser; `postgres` is not one.
const ADMIN: &str = "supabase_admin";

/// Roles that may log in, beside `postgres`.
const SERVICES: &[(&str, &str)] = &[
    ("authenticator", "NOINHERIT"),
    ("supabase_auth_admin", "NOINHERIT CREATEROLE"),
    ("supabase_storage_admin", "NOINHERIT CREATEROLE"),
    ("supabase_replication_admin", "REPLICATION"),
    ("supabase_read_only_user", "BYPASSRLS"),
    ("dashboard_user", "CREATEDB CREATEROLE REPLICATION"),
    ("pgbouncer", ""),
];

/// Roles that PostgREST switches to.
const NO_LOGIN: [&str; 3] = ["anon", "authenticated", "service_role"];

/// Sessions of the services: role and `application_name`. Auth sets none.
const SESSIONS: &[(&str, &str)] = &[
    ("authenticator", "PostgREST 12.2.3 (519615d)"),
    ("supabase_auth_admin", ""),
    ("supabase_storage_admin", "Supabase Storage API 1.11.2"),
    (ADMIN, "realtime_connect"),
    (ADMIN, "realtime_subscription_manager"),
    (ADMIN, "postgres-meta 0.84.2"),
    (ADMIN, "pg_cron scheduler"),
    ("pgbouncer", "Supavisor (auth_query)"),
    ("postgres", "Supavisor"),
];

/// Sets up a cluster as a hosted project.
///
/// # Errors
///
/// Fails if the server refuses any of it, or lacks `pg_stat_statements`.
pub async fn lay_out(cluster: &mut Cluster) -> Result<()> {
    cluster.rename_superuser(ADMIN).await?;
    for (role, options) in SERVICES {
        cluster.create_role(role, options).await?;
    }
    for role in NO_LOGIN {
        cluster.execute(&format!("CREATE ROLE {role} NOLOGIN NOINHERIT")).await?;
    }
    cluster.create_role("postgres", "NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS").await?;
    // The shared pooler identifies projects by the user's name.
    let pooled = format!("postgres.{REFERENCE}");
    cluster.create_role(&pooled, "NOSUPERUSER BYPASSRLS").await?;
    let read_all = if cluster.version_num() >= 140_000 { ", pg_read_all_data" } else { "" };
    cluster
        .execute(&format!(
            "GRANT pg_monitor, pg_signal_backend{read_all} TO postgres;
             GRANT pg_monitor, pg_signal_backend TO \"{pooled}\";
             GRANT supabase_auth_admin, supabase_storage_admin, anon, authenticated, service_role TO postgres;
             GRANT anon, authenticated, service_role TO authenticator;
             GRANT pg_monitor{read_all} TO supabase_read_only_user;
             ALTER ROLE supabase_read_only_user SET default_transaction_read_only = on;
             ALTER DATABASE postgres OWNER TO postgres;
             ALTER DATABASE postgres SET search_path = \"$user\", public, extensions;
             CREATE SCHEMA extensions AUTHORIZATION postgres;
             GRANT USAGE ON SCHEMA extensions TO PUBLIC;
             CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA extensions;
             CREATE SCHEMA vault;
             CREATE TABLE vault.secrets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE,
               description text NOT NULL DEFAULT '', secret text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
             CREATE VIEW vault.decrypted_secrets AS
               SELECT id, name, description, secret, secret AS decrypted_secret, created_at FROM vault.secrets;
             GRANT USAGE ON SCHEMA vault TO postgres, service_role;
             GRANT SELECT ON vault.decrypted_secrets TO postgres, service_role;
             CREATE TABLE public.orders (id int PRIMARY KEY, n int NOT NULL);
             INSERT INTO public.orders VALUES (1, 5), (2, 5);
             ALTER TABLE public.orders OWNER TO postgres;
             GRANT ALL ON public.orders TO anon, authenticated, service_role"
        ))
        .await
}

/// Stores a secret in the vault, without its encryption.
///
/// # Errors
///
/// Fails if there is one of that name already.
pub async fn keep_secret(cluster: &Cluster, name: &str, secret: &str) -> Result<()> {
    let sql = "INSERT INTO vault.secrets (name, secret) VALUES ($1, $2)";
    cluster.observer().await?.execute(sql, &[&name, &secret]).await?;
    Ok(())
}

/// Opens idle sessions of the services: each has run a statement.
///
/// # Errors
///
/// Fails if the server refuses one of them.
pub async fn services(cluster: &Cluster) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for (role, application) in SESSIONS {
        sessions.push(cluster.app(role, application).idle("SELECT 1").await?);
    }
    Ok(sessions)
}

/// Opens sessions of the services in open transactions, which would be leaks of any other role.
///
/// # Errors
///
/// Fails if the server refuses one of them.
pub async fn services_in_transactions(cluster: &Cluster) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for (role, application) in SESSIONS.iter().filter(|(role, _)| *role != "postgres") {
        sessions.push(cluster.app(role, application).idle_in_transaction("SELECT 1").await?);
    }
    Ok(sessions)
}

/// Returns an entry of a credentials file for the project, with this cluster as its server.
pub fn entry(cluster: &Cluster, name: &str, more: &str) -> String {
    format!(
        "[{name}]\nproject = \"{REFERENCE}\"\nhost = \"127.0.0.1\"\nport = {}\nsslmode = \"disable\"\n\
         password = \"{PASSWORD}\"\n{more}\n",
        cluster.port()
    )
}
