//! Forbidden statements: the catalogue rejects all of them, and other protections apply if an operator allows any.

pub(super) mod resources;
pub(super) mod rights;

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool::limits::Limits;
use archon_pool::policy::Policy;
use archon_pool_tests::Cluster;
use archon_pool_tests::cluster::SUPERUSER;
use serde_json::{Value, json};

use super::attacked_server::{AttackedServer, Rules, any_sql, responses};
use super::{Attack, Payload, request};
use crate::actions::{BARE, OPERATOR, create_roles_and_table};

const READ_ONLY: &str = "each statement has a read-only transaction of its own";
const ROLLED_BACK: &str = "the statement's transaction is rolled back";
const PRIVILEGE: &str = "the role's privileges";
const TIMEOUT: &str = "statement timeout, which is set anew for each statement";

fn as_app() -> Rules {
    Rules { role: "app", ..any_sql() }
}

fn as_app_with_short_deadline() -> Rules {
    let limits = Limits { deadline: Duration::from_secs(2), ..as_app().limits };
    Rules { limits, ..as_app() }
}

fn as_bare() -> Rules {
    Rules { role: BARE, ..any_sql() }
}

fn as_superuser() -> Rules {
    Rules { role: SUPERUSER, ..any_sql() }
}

/// Creates a request with each statement in its own batch, one after another in one session.
fn one_by_one(statements: &[&str]) -> Value {
    let batches: Vec<_> = statements.iter().map(|statement| [statement]).collect();
    request(json!({ "name": "query", "batches": batches }))
}

/// Creates a request with all statements in one batch.
fn at_once(statements: &[&str]) -> Value {
    request(json!({ "name": "query", "batches": [statements] }))
}

const FAMILIES: [&[Attack]; 2] = [rights::ATTACKS, resources::ATTACKS];

/// Reason why no type is dangerous.
const TYPES: &str = "types are never looked up: one that is not known is refused at once";

/// Creates chains of types, each based on the previous one.
async fn make_chains(cluster: &Cluster) -> Result<()> {
    // Each type holds a lock until its transaction ends.
    let chains = "CREATE DOMAIN public.chain_0 AS text; CREATE TYPE public.nest_0 AS (x text)";
    cluster.execute(chains).await?;
    let chains = "DO $$ BEGIN FOR n IN 1 .. 5000 LOOP \
         EXECUTE format('CREATE DOMAIN public.chain_%s AS public.chain_%s[]', n, n - 1); \
         EXECUTE format('CREATE TYPE public.nest_%s AS (x public.nest_%s)', n, n - 1); \
         IF n % 200 = 0 THEN COMMIT; END IF; END LOOP; END $$";
    cluster.execute(chains).await
}

async fn attacked_server() -> Result<AttackedServer> {
    let cluster = Cluster::builder().setting("max_prepared_transactions", 5).start().await?;
    create_roles_and_table(&cluster).await?;
    AttackedServer::open(cluster).await
}

#[tokio::test]
async fn any_statement_is_read_only_bounded_and_leaves_nothing() -> Result<()> {
    let server = attacked_server().await?;
    make_chains(&server.cluster).await?;
    for attacks in FAMILIES {
        server.run_all(attacks).await?;
    }
    Ok(())
}

/// Under the default policy none of these statements is sent.
#[tokio::test]
async fn the_catalogue_policy_refuses_every_sql_attack() -> Result<()> {
    let server = attacked_server().await?;
    let host = server.host(OPERATOR, Limits::default(), Policy::default());
    let input = server.attack_input().await?;
    for attack in FAMILIES.into_iter().flatten() {
        let Payload::Rust(plan) = attack.with else { continue };
        let answer = server.call(&host, plan(&input)).await?;
        // A lookup and an opened session precede the first statement.
        let received = &responses(&answer)[2..];
        ensure!(!received.is_empty(), "{}: no response", attack.tries);
        for word in received {
            ensure!(word.contains("is not sent") && word.contains("`sql`"), "{}: {word}", attack.tries);
        }
    }
    server.check_no_effect(&host).await
}
