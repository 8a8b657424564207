//! Pool changes that the caller, the policy or the bounds do not allow, and injection of console commands.

use anyhow::Result;
use archon_pool::limits::Limits;
use archon_pool::policy::Policy;
use archon_pool_contract::fault::kind;
use archon_pool_tests::{Cluster, PgBouncer};
use serde_json::{Value, json};

use super::arena::{Arena, Rules, defaults};
use super::{Attack, Ends, planned as attack, request};
use crate::actions::furnish;

const INTENT: &str = "the host's own reading of the request";
const BOUNDS: &str = "the request's bounds, from the size that the host has read";
const LIST: &str = "the list of views: nothing else is sent";
const NAMES: &str = "only names that `SHOW DATABASES` lists are sent, in quotes";

fn may_not_resize() -> Rules {
    Rules { policy: Policy { resize: false, ..Policy::default() }, ..defaults() }
}

fn may_change_nothing() -> Rules {
    Rules { policy: Policy { apply: false, ..Policy::default() }, ..defaults() }
}

fn has_had_its_hour() -> Rules {
    Rules { policy: Policy { max_resizes_per_hour: 0, ..Policy::default() }, ..defaults() }
}

fn gives_little() -> Rules {
    Rules { limits: Limits { request_bytes: 50_000, ..Limits::default() }, ..defaults() }
}

/// Creates a request with one step on a console.
fn step(step: &Value) -> Value {
    asking(json!({ "name": "pool", "steps": [step] }))
}

fn asking(attack: Value) -> Value {
    let mut request = request(attack);
    request["action"] = "auto-scale".into();
    request
}

fn resize(size: u32) -> Value {
    step(&json!({ "do": "resize", "size": size }))
}

/// Creates a request for a resize within bounds and rate, with an option of the request.
fn with(option: &str, value: Value) -> Value {
    let mut request = resize(21);
    request["options"][option] = value;
    request
}

fn show(view: &str) -> Value {
    step(&json!({ "do": "show", "views": [view] }))
}

fn reconnect(database: &str) -> Value {
    step(&json!({ "do": "reconnect", "database": database }))
}

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "resizes while the request asks for `kill-idle`",
        |_| request(json!({ "name": "pool", "steps": [{ "do": "resize", "size": 21 }] })),
        defaults,
        INTENT,
        Ends::Told("only auto-scale changes pools"),
    ),
    attack(
        "reconnects while the request asks for `kill-idle`",
        |_| request(json!({ "name": "pool", "steps": [{ "do": "reconnect", "database": "shop" }] })),
        defaults,
        INTENT,
        Ends::Told("only auto-scale changes pools"),
    ),
    attack(
        "resizes while the request asks for a dry run",
        |_| with("dryRun", true.into()),
        defaults,
        INTENT,
        Ends::Told("the request asks for a dry run"),
    ),
    attack(
        "resizes while the request's `allowAutoScaling` is false",
        |_| with("allowAutoScaling", false.into()),
        defaults,
        INTENT,
        Ends::Told("options.allowAutoScaling is false"),
    ),
    attack(
        "resizes while the request's `growthRate` is no percentage",
        |_| with("growthRate", "all".into()),
        defaults,
        INTENT,
        Ends::Told("options.growthRate is not in its range"),
    ),
    attack(
        "resizes while the operator allows no changes",
        |_| resize(21),
        may_change_nothing,
        "policy `apply`",
        Ends::Told("set the policy's apply"),
    ),
    attack(
        "resizes while the operator allows no resizes",
        |_| resize(21),
        may_not_resize,
        "policy `resize`",
        Ends::Told("the policy's resize"),
    ),
    attack(
        "resizes when the hour's changes are used up",
        |_| resize(21),
        has_had_its_hour,
        "policy `max_resizes_per_hour`",
        Ends::Told("the policy's max_resizes_per_hour"),
    ),
    attack("resizes to 0, which is no limit", |_| resize(0), defaults, BOUNDS, Ends::Told("is not within")),
    attack(
        "resizes to 4,000,000,000, which PgBouncer takes for a negative number",
        |_| resize(4_000_000_000),
        defaults,
        BOUNDS,
        Ends::Told("is not within options.maxSize"),
    ),
    attack(
        "grows by more than the request's `growthRate`",
        |_| resize(25),
        defaults,
        BOUNDS,
        Ends::Told("options.growthRate, 20 %, allows 4"),
    ),
    attack(
        "shrinks by more than the request's `shrinkRate`",
        |_| resize(10),
        defaults,
        BOUNDS,
        Ends::Told("options.shrinkRate, 15 %, allows 3"),
    ),
    attack(
        "resizes for ever what is refused",
        |_| asking(json!({ "name": "pool", "steps": [{ "do": "resize", "size": 0 }], "flood": true })),
        defaults,
        "limit `host_calls`",
        Ends::Fault(kind::LIMIT_EXCEEDED, "`host_calls`"),
    ),
    attack(
        "gives a reason that is longer than all that it may say",
        |_| step(&json!({ "do": "resize", "size": 21, "reason": 100_000 })),
        gives_little,
        "limit `request_bytes`",
        Ends::Told("`request_bytes`"),
    ),
    attack(
        "resizes a pool whose name is a command",
        |_| step(&json!({ "do": "resize", "size": 21, "pool": "shop\"; SHUTDOWN" })),
        defaults,
        NAMES,
        Ends::Told("PgBouncer offers no database"),
    ),
    attack(
        "reconnects a database whose name is a command",
        |_| reconnect("shop\"; SHUTDOWN; \""),
        defaults,
        NAMES,
        Ends::Told("PgBouncer offers no database"),
    ),
    attack(
        "reconnects the console itself",
        |_| reconnect("pgbouncer"),
        defaults,
        NAMES,
        Ends::Told("offers no database"),
    ),
    attack("reconnects everything", |_| reconnect(""), defaults, NAMES, Ends::Told("offers no database")),
    attack(
        "shows a view and a command",
        |_| show("pools; SHUTDOWN"),
        defaults,
        LIST,
        Ends::Told(kind::UNSUPPORTED_VIEW),
    ),
    attack(
        "shows a view with a command on the next line",
        |_| show("pools\nKILL shop"),
        defaults,
        LIST,
        Ends::Told(kind::UNSUPPORTED_VIEW),
    ),
    attack("shows SQL", |_| show("* FROM pg_authid"), defaults, LIST, Ends::Told(kind::UNSUPPORTED_VIEW)),
    attack("shows a view that is not listed", |_| show("fds"), defaults, LIST, Ends::Told(kind::UNSUPPORTED_VIEW)),
    attack(
        "shows more views at once than a batch may have",
        |_| step(&json!({ "do": "show", "views": vec!["clients"; 65] })),
        defaults,
        "limit `statements`",
        Ends::Told("`statements`"),
    ),
    attack(
        "shows views for ever",
        |_| asking(json!({ "name": "pool", "steps": [{ "do": "show", "views": ["lists"] }], "flood": true })),
        defaults,
        "limit `host_calls`",
        Ends::Fault(kind::LIMIT_EXCEEDED, "`host_calls`"),
    ),
    attack(
        "opens consoles and keeps them",
        |_| asking(json!({ "name": "console-hoard" })),
        defaults,
        "limit `sessions`",
        Ends::Told("`sessions`"),
    ),
];

#[tokio::test]
async fn no_pool_is_changed_against_the_policy() -> Result<()> {
    let cluster = Cluster::start().await?;
    furnish(&cluster).await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).database("shop", "dbname=postgres").start().await?;
    let mut arena = Arena::open(cluster).await?;
    arena.bouncer = Some(bouncer);
    arena.withstands(ATTACKS).await
}
