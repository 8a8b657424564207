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

use super::arena::{Arena, Rules, any_sql, heard};
use super::{Attack, Weapon, request};
use crate::actions::{BARE, OPERATOR, furnish};

const READ_ONLY: &str = "each statement has a read-only transaction of its own";
const ROLLED_BACK: &str = "the statement's transaction is rolled back";
const PRIVILEGE: &str = "the role's privileges";
const TIMEOUT: &str = "statement timeout, which is set anew for each statement";

fn as_app() -> Rules {
    Rules { role: "app", ..any_sql() }
}

fn as_app_in_a_hurry() -> Rules {
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

async fn arena() -> Result<Arena> {
    let cluster = Cluster::builder().setting("max_prepared_transactions", 5).start().await?;
    furnish(&cluster).await?;
    Arena::open(cluster).await
}

#[tokio::test]
async fn any_statement_is_read_only_bounded_and_leaves_nothing() -> Result<()> {
    let arena = arena().await?;
    make_chains(&arena.cluster).await?;
    for attacks in FAMILIES {
        arena.withstands(attacks).await?;
    }
    Ok(())
}

/// Under the default policy none of these statements is sent.
#[tokio::test]
async fn the_catalogue_policy_refuses_every_sql_attack() -> Result<()> {
    let arena = arena().await?;
    let host = arena.host(OPERATOR, Limits::default(), Policy::default());
    let scene = arena.scene().await?;
    for attack in FAMILIES.into_iter().flatten() {
        let Weapon::Rust(plan) = attack.with else { continue };
        let answer = arena.call(&host, plan(&scene)).await?;
        // A lookup and an opened session precede the first statement.
        let said = &heard(&answer)[2..];
        ensure!(!said.is_empty(), "{}: nothing was said", attack.tries);
        for word in said {
            ensure!(word.contains("is not sent") && word.contains("`sql`"), "{}: {word}", attack.tries);
        }
    }
    arena.is_unharmed(&host).await
}
