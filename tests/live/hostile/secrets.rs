//! Searches for the password in the component's memory and in everything that it receives.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Result, ensure};
use archon_pool::limits::Limits;
use archon_pool_tests::cluster::PASSWORD;
use serde_json::{Value, json};

use super::attacked_server::{AttackedServer, any_sql, defaults, responses};
use super::{Attack, Ends, planned as attack, request};
use crate::actions::{OPERATOR, cluster};
use crate::support::host_with;

const GRANTED: &str = "one credential is granted to a call, and it is a handle";

/// Disguises the password for the hostile component, so that the request does not put it into the memory.
pub(crate) fn masked(secret: &str) -> Vec<u8> {
    secret.bytes().map(|byte| byte ^ 0x5a).collect()
}

fn search_for_password(names: &[&str], statements: &[&str]) -> Value {
    request(json!({
        "name": "spy", "disguised": masked(PASSWORD), "names": names, "statements": statements,
    }))
}

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "uses its credential for all that it is good for, and walks through its whole memory",
        |_| search_for_password(&[], &["SELECT 1"]),
        defaults,
        "the secret never enters the component",
        Ends::Response("found 0"),
    ),
    attack(
        "asks the server for the settings and statements of its own session",
        |_| {
            search_for_password(
                &[],
                &[
                    "SELECT string_agg(setting, ' ') FROM pg_settings",
                    "SELECT string_agg(query, ' ') FROM pg_stat_activity",
                    "SELECT string_agg(coalesce(application_name, ''), ' ') FROM pg_stat_activity",
                ],
            )
        },
        any_sql,
        "the secret is in no statement and no setting",
        Ends::Response("found 0"),
    ),
    attack(
        "asks the server for password hashes",
        |_| request(json!({ "name": "query", "batches": [["SELECT string_agg(rolpassword, ' ') FROM pg_authid"]] })),
        any_sql,
        "the role's privileges",
        Ends::Response("SQLSTATE 42501"),
    ),
    attack(
        "reads the error of a login that fails",
        |input| {
            let mut request = search_for_password(&[], &[]);
            request["supabaseUrl"] = format!("postgres://stranger:{PASSWORD}@127.0.0.1:{}/postgres", input.port).into();
            request
        },
        defaults,
        "errors name host, role and reason",
        Ends::Response("found 0"),
    ),
    attack(
        "asks for other credentials: of other tenants, by path, by URL, by nothing",
        |_| {
            search_for_password(
                &[
                    "default",
                    "environment",
                    "production",
                    "../../etc/passwd",
                    "/proc/self/environ",
                    "file:credentials.toml",
                    "https://postgres@127.0.0.1/postgres",
                    "",
                    "*",
                    "%",
                    "\0",
                    "url",
                    "request",
                ],
                &[],
            )
        },
        defaults,
        GRANTED,
        Ends::Response("found 0"),
    ),
];

#[tokio::test]
async fn no_secret_is_accessible() -> Result<()> {
    AttackedServer::open(cluster().await?).await?.run_all(ATTACKS).await
}

/// One file holds the credentials of two tenants; a call for one must not open the other's.
#[tokio::test]
async fn the_credential_of_another_tenant_is_not_granted() -> Result<()> {
    let server = AttackedServer::open(cluster().await?).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("credentials.toml");
    let entry = |name: &str, role: &str| format!("[{name}]\nurl = \"{}\"\n", server.cluster.url(role, "postgres"));
    fs::write(&file, entry("mine", OPERATOR) + &entry("theirs", "app"))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let host = host_with(archon_pool::credentials().file(&file), Limits::default());
    let mut request = search_for_password(&["theirs", "mine", "default"], &[]);
    request["credential"] = "mine".into();
    let answer = server.call(&host, request).await?;
    let responses = responses(&answer);
    let named: Vec<_> = responses.iter().filter(|word| word.starts_with("named")).collect();
    // Once without a name, once with its own.
    ensure!(named == [&"named mine", &"named mine"], "{responses:?}");
    let refused = responses.iter().filter(|word| word.contains("is not granted to this call")).count();
    ensure!(refused == 2 && responses.last().is_some_and(|word| word.contains("found 0")), "{responses:?}");
    ensure!(!answer.to_string().contains(PASSWORD), "it got hold of the password");
    Ok(())
}
