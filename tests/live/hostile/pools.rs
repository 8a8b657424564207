//! Pool changes that the caller, the policy or the bounds do not allow, and injection of console commands.

use anyhow::Result;
use archon_pool::limits::Limits;
use archon_pool::policy::Policy;
use archon_pool_contract::fault::kind;
use archon_pool_tests::{Cluster, PgBouncer};
use serde_json::{Value, json};

use super::attacked_server::{AttackedServer, Rules, defaults};
use super::{Attack, Ends, planned as attack, request};
use crate::actions::create_roles_and_table;

const INTENT: &str = "the host's own reading of the request";
const BOUNDS: &str = "the request's bounds, from the size that the host has read";
const LIST: &str = "the list of views: nothing else is sent";
const NAMES: &str = "only names that `SHOW DATABASES` lists are sent, in quotes";

fn without_resize() -> Rules {
    Rules { policy: Policy { resize: false, ..Policy::default() }, ..defaults() }
}

fn without_apply() -> Rules {
    Rules { policy: Policy { apply: false, ..Policy::default() }, ..defaults() }
}

fn without_resizes_left() -> Rules {
    Rules { policy: Policy { max_resizes_per_hour: 0, ..Policy::default() }, ..defaults() }
}

fn small_requests() -> Rules {
    Rules { limits: Limits { request_bytes: 50_000, ..Limits::default() }, ..defaults() }
}

/// Creates a request with one step on a console.
fn step(step: &Value) -> Value {
    auto_scale_request(json!({ "name": "pool", "steps": [step] }))
}

fn auto_scale_request(attack: Value) -> Value {
    let mut request = request(attack);
    request["action"] = "auto-scale".into();
    request
}

fn resize(size: u32) -> Value {
    step(&json!({ "do": "resize", "size": size }))
}

/// Creates a request for a resize within bounds and rate, with an option of the request.
fn with_option(option: &str, value: Value) -> Value {
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
        Ends::Response("only auto-scale changes pools"),
    ),
    attack(
        "reconnects while the request asks for `kill-idle`",
        |_| request(json!({ "name": "pool", "steps": [{ "do": "reconnect", "database": "shop" }] })),
        defaults,
        INTENT,
        Ends::Response("only auto-scale changes pools"),
    ),
    attack(
        "resizes while the request asks for a dry run",
        |_| with_option("dryRun", true.into()),
        defaults,
        INTENT,
        Ends::Response("the request asks for a dry run"),
    ),
    attack(
        "resizes while the request's `allowAutoScaling` is false",
        |_| with_option("allowAutoScaling", false.into()),
        defaults,
        INTENT,
        Ends::Response("options.allowAutoScaling is false"),
    ),
    attack(
        "resizes while the request's `growthRate` is no percentage",
        |_| with_option("growthRate", "all".into()),
        defaults,
        INTENT,
        Ends::Response("options.growthRate is not in its range"),
    ),
    attack(
        "resizes while the operator allows no changes",
        |_| resize(21),
        without_apply,
        "policy `apply`",
        Ends::Response("set the policy's apply"),
    ),
    attack(
        "resizes while the operator allows no resizes",
        |_| resize(21),
        without_resize,
        "policy `resize`",
        Ends::Response("the policy's resize"),
    ),
    attack(
        "resizes when the hour's changes are used up",
        |_| resize(21),
        without_resizes_left,
        "policy `max_resizes_per_hour`",
        Ends::Response("the policy's max_resizes_per_hour"),
    ),
    attack("resizes to 0, which is no limit", |_| resize(0), defaults, BOUNDS, Ends::Response("is not within")),
    attack(
        "resizes to 4,000,000,000, which PgBouncer takes for a negative number",
        |_| resize(4_000_000_000),
        defaults,
        BOUNDS,
        Ends::Response("is not within options.maxSize"),
    ),
    attack(
        "grows by more than the request's `growthRate`",
        |_| resize(25),
        defaults,
        BOUNDS,
        Ends::Response("options.growthRate, 20 %, allows 4"),
    ),
    attack(
        "shrinks by more than the request's `shrinkRate`",
        |_| resize(10),
        defaults,
        BOUNDS,
        Ends::Response("options.shrinkRate, 15 %, allows 3"),
    ),
    attack(
        "resizes for ever what is refused",
        |_| auto_scale_request(json!({ "name": "pool", "steps": [{ "do": "resize", "size": 0 }], "flood": true })),
        defaults,
        "limit `host_calls`",
        Ends::Fault(kind::LIMIT_EXCEEDED, "`host_calls`"),
    ),
    attack(
        "gives a reason that is longer than all that it may say",
        |_| step(&json!({ "do": "resize", "size": 21, "reason": 100_000 })),
        small_requests,
        "limit `request_bytes`",
        Ends::Response("`request_bytes`"),
    ),
    attack(
        "resizes a pool whose name is a command",
        |_| step(&json!({ "do": "resize", "size": 21, "pool": "shop\"; SHUTDOWN" })),
        defaults,
        NAMES,
        Ends::Response("PgBouncer offers no database"),
    ),
    attack(
        "reconnects a database whose name is a command",
        |_| reconnect("shop\"; SHUTDOWN; \""),
        defaults,
        NAMES,
        Ends::Response("PgBouncer offers no database"),
    ),
    attack(
        "reconnects the console itself",
        |_| reconnect("pgbouncer"),
        defaults,
        NAMES,
        Ends::Response("offers no database"),
    ),
    attack("reconnects everything", |_| reconnect(""), defaults, NAMES, Ends::Response("offers no database")),
    attack(
        "shows a view and a command",
        |_| show("pools; SHUTDOWN"),
        defaults,
        LIST,
        Ends::Response(kind::UNSUPPORTED_VIEW),
    ),
    attack(
        "shows a view with a command on the next line",
        |_| show("pools\nKILL shop"),
        defaults,
        LIST,
        Ends::Response(kind::UNSUPPORTED_VIEW),
    ),
    attack("shows SQL", |_| show("* FROM pg_authid"), defaults, LIST, Ends::Response(kind::UNSUPPORTED_VIEW)),
    attack("shows a view that is not listed", |_| show("fds"), defaults, LIST, Ends::Response(kind::UNSUPPORTED_VIEW)),
    attack(
        "shows more views at once than a batch may have",
        |_| step(&json!({ "do": "show", "views": vec!["clients"; 65] })),
        defaults,
        "limit `statements`",
        Ends::Response("`statements`"),
    ),
    attack(
        "shows views for ever",
        |_| {
            auto_scale_request(
                json!({ "name": "pool", "steps": [{ "do": "show", "views": ["lists"] }], "flood": true }),
            )
        },
        defaults,
        "limit `host_calls`",
        Ends::Fault(kind::LIMIT_EXCEEDED, "`host_calls`"),
    ),
    attack(
        "opens consoles and keeps them",
        |_| auto_scale_request(json!({ "name": "console-hoard" })),
        defaults,
        "limit `sessions`",
        Ends::Response("`sessions`"),
    ),
];

#[tokio::test]
async fn no_pool_is_changed_against_the_policy() -> Result<()> {
    let cluster = Cluster::start().await?;
    create_roles_and_table(&cluster).await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).database("shop", "dbname=postgres").start().await?;
    let mut server = AttackedServer::open(cluster).await?;
    server.bouncer = Some(bouncer);
    server.run_all(ATTACKS).await
}
