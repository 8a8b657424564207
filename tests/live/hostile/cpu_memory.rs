//! Attacks on time, memory and sizes.

use std::time::Duration;

use anyhow::Result;
use archon_pool::kind::{CREDENTIALS_NOT_FOUND, DEADLINE_EXCEEDED, LIMIT_EXCEEDED, PLUGIN_TRAPPED, UNEXPECTED_ANSWER};
use archon_pool::limits::Limits;
use archon_pool::policy::{Policy, Sql};
use serde_json::json;

use super::attacked_server::{AttackedServer, Rules, any_sql, defaults};
use super::{Attack, Ends, Payload, request, wat};
use crate::actions::cluster;

const MEMORY: &str = "limits on memory";
/// Data passed in one call is counted before it is copied.
const TOO_MUCH_AT_ONCE: Ends = Ends::Fault(LIMIT_EXCEEDED, "limit `message_bytes`");
const AT_ONCE: &str = "limit on what is passed at once";

/// Fuel that is never used up before the tested limit: filling memory takes a unit for each byte.
const AMPLE_FUEL: u64 = u64::MAX / 2;

/// Returns rules with low limits for time and resources.
fn low_limits() -> Rules {
    let limits = Limits {
        fuel: AMPLE_FUEL,
        cpu: Duration::from_millis(300),
        deadline: Duration::from_secs(20),
        memory: 32 << 20,
        handles: 100,
        host_calls: 500,
        ..Limits::default()
    };
    Rules { limits, ..defaults() }
}

/// Returns rules whose fuel is the first limit to be reached, but enough for an ordinary call.
fn low_fuel() -> Rules {
    Rules { limits: Limits { fuel: 300_000_000, ..Limits::default() }, ..defaults() }
}

/// Returns rules whose deadline is the first limit to be reached.
fn short_deadline() -> Rules {
    Rules { limits: Limits { deadline: Duration::from_secs(2), fuel: AMPLE_FUEL, ..Limits::default() }, ..defaults() }
}

/// Returns rules that allow any statement, so that only the limits apply.
fn low_limits_any_sql() -> Rules {
    Rules { policy: Policy { sql: Sql::Any, ..Policy::default() }, ..low_limits() }
}

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        tries: "computes for ever",
        with: Payload::Rust(|_| request(json!({ "name": "spin" }))),
        under: low_limits,
        stopped_by: "CPU budget",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `cpu`"),
    },
    Attack {
        tries: "executes more instructions than it has fuel for",
        with: Payload::Rust(|_| request(json!({ "name": "spin" }))),
        under: low_fuel,
        stopped_by: "fuel",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `fuel`"),
    },
    Attack {
        tries: "computes for ever in bursts between calls of the host, which stop the clock",
        with: Payload::Rust(|_| request(json!({ "name": "spin-between-calls" }))),
        under: low_limits,
        stopped_by: "CPU budget over all bursts",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `cpu`"),
    },
    Attack {
        tries: "computes until after the deadline",
        with: Payload::Rust(|_| request(json!({ "name": "spin" }))),
        under: short_deadline,
        stopped_by: "deadline, which comes before the CPU budget",
        ends: Ends::Fault(DEADLINE_EXCEEDED, "limit `deadline`"),
    },
    Attack {
        tries: "computes for ever in its start function",
        with: Payload::Wat(|| wat::skill("(unreachable)", "(func $spin (loop (br 0))) (start $spin)")),
        under: low_limits,
        stopped_by: "CPU budget, which counts instantiation",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `cpu`"),
    },
    Attack {
        tries: "computes for ever in `realloc`, which the host calls",
        with: Payload::Wat(|| wat::Skill { realloc: "(loop (br 0)) (unreachable)", ..wat::Skill::default() }.bytes()),
        under: low_limits,
        stopped_by: "CPU budget",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `cpu`"),
    },
    Attack {
        tries: "fills its memory with one instruction after another",
        with: Payload::Wat(|| {
            wat::skill("(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br 0)) (unreachable)", "")
        }),
        under: low_limits,
        stopped_by: "CPU budget",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `cpu`"),
    },
    Attack {
        tries: "sleeps in WASI",
        with: Payload::Wat(wat::endless_sleep),
        under: short_deadline,
        stopped_by: "deadline",
        ends: Ends::Fault(DEADLINE_EXCEEDED, "limit `deadline`"),
    },
    Attack {
        tries: "calls itself for ever",
        with: Payload::Rust(|_| request(json!({ "name": "recurse" }))),
        under: low_limits,
        stopped_by: "limit on the stack",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `stack`"),
    },
    Attack {
        tries: "takes 1 GiB at once",
        with: Payload::Rust(|_| request(json!({ "name": "memory-at-once" }))),
        under: low_limits,
        stopped_by: MEMORY,
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "takes memory in crumbs",
        with: Payload::Rust(|_| request(json!({ "name": "memory-in-crumbs" }))),
        under: low_limits,
        stopped_by: MEMORY,
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "starts with a memory of 4 GiB",
        with: Payload::Wat(|| wat::skill("(unreachable)", "(memory 65536)")),
        under: low_limits,
        stopped_by: MEMORY,
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "grows a memory of 64-bit addresses",
        with: Payload::Wat(|| {
            wat::skill("(drop (memory.grow $m (i64.const 1000000))) (unreachable)", "(memory $m i64 1)")
        }),
        under: low_limits,
        stopped_by: MEMORY,
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "starts with a table of ten million elements",
        with: Payload::Wat(|| wat::skill("(unreachable)", "(table 10000000 funcref)")),
        under: low_limits,
        stopped_by: "limit on memories and tables together",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "starts with two hundred core instances",
        with: Payload::Wat(|| wat::many_instances(200)),
        under: low_limits,
        stopped_by: "limit on instances",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `instances`"),
    },
    Attack {
        tries: "starts with a hundred memories that are small one by one",
        with: Payload::Wat(|| wat::skill("(unreachable)", &"(memory 16)".repeat(90))),
        under: low_limits,
        stopped_by: "limit on all memories together",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "grows a table",
        with: Payload::Wat(|| {
            wat::skill(
                "(loop (drop (table.grow 0 (ref.null func) (i32.const 100000))) (br 0)) (unreachable)",
                "(table 0 funcref)",
            )
        }),
        under: low_limits,
        stopped_by: "limit on memories and tables together",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "grows its memory in `realloc`, which the host calls",
        with: Payload::Wat(|| {
            let realloc = "(loop (drop (memory.grow (i32.const 16))) (br 0)) (unreachable)";
            wat::Skill { realloc, ..wat::Skill::default() }.bytes()
        }),
        under: low_limits,
        stopped_by: MEMORY,
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "calls the host without end",
        with: Payload::Rust(|_| request(json!({ "name": "call-flood" }))),
        under: low_limits,
        stopped_by: "limit on host calls",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `host_calls`"),
    },
    Attack {
        tries: "asks for a pooler's console without end",
        with: Payload::Rust(|_| request(json!({ "name": "console-flood" }))),
        under: low_limits,
        stopped_by: "limit on host calls",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `host_calls`"),
    },
    Attack {
        tries: "hoards credential handles",
        with: Payload::Rust(|_| request(json!({ "name": "credential-hoard" }))),
        under: low_limits,
        stopped_by: "limit on handles",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `handles`"),
    },
    Attack {
        tries: "hoards handles of WASI's",
        with: Payload::Wat(wat::endless_wasi_handles),
        under: low_limits,
        stopped_by: "limit on handles",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `handles`"),
    },
    Attack {
        tries: "hoards handles of a type of its own",
        with: Payload::Wat(wat::endless_own_handles),
        under: low_limits,
        stopped_by: "limit on handles",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `handles`"),
    },
    Attack {
        tries: "hoards sessions",
        with: Payload::Rust(|_| request(json!({ "name": "session-hoard" }))),
        under: low_limits,
        stopped_by: "limit on sessions",
        ends: Ends::Response("limit `sessions`"),
    },
    Attack {
        tries: "leaks a session's handle",
        with: Payload::Rust(|_| request(json!({ "name": "session-leak" }))),
        under: low_limits,
        stopped_by: "a session ends with the call's store",
        ends: Ends::NoEffect,
    },
    Attack {
        tries: "probes without end",
        with: Payload::Rust(|_| request(json!({ "name": "probe-flood", "count": 4 }))),
        under: low_limits,
        stopped_by: "limit on probes over the whole call",
        ends: Ends::Response("limit `probes`"),
    },
    Attack {
        tries: "probes four thousand million times at once",
        with: Payload::Rust(|_| request(json!({ "name": "probe-flood", "count": u32::MAX }))),
        under: low_limits,
        stopped_by: "limit on probes",
        ends: Ends::Response("limit `probes`"),
    },
    Attack {
        tries: "sends a statement of 140 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-statement", "bytes": 140 << 20 }))),
        under: any_sql,
        stopped_by: AT_ONCE,
        ends: TOO_MUCH_AT_ONCE,
    },
    Attack {
        tries: "sends a statement of 20 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-statement", "bytes": 20 << 20 }))),
        under: any_sql,
        stopped_by: "limit on the bytes of all statements and reasons",
        ends: Ends::Response("limit `request_bytes`"),
    },
    Attack {
        tries: "gives a reason of 20 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-reason", "bytes": 20 << 20 }))),
        under: defaults,
        stopped_by: "limit on the bytes of all statements and reasons",
        ends: Ends::Response("limit `request_bytes`"),
    },
    Attack {
        tries: "sends a parameter of 140 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-parameter", "bytes": 140 << 20 }))),
        under: any_sql,
        stopped_by: AT_ONCE,
        ends: TOO_MUCH_AT_ONCE,
    },
    Attack {
        tries: "sends 100,000 parameters",
        with: Payload::Rust(|_| request(json!({ "name": "many-parameters", "count": 100_000 }))),
        under: low_limits_any_sql,
        stopped_by: "the protocol's own bound, checked before anything is sent",
        ends: Ends::Response("query-failed"),
    },
    Attack {
        tries: "sends 100,000 statements in a batch",
        with: Payload::Rust(|_| request(json!({ "name": "many-statements", "count": 100_000 }))),
        under: low_limits_any_sql,
        stopped_by: "limit on statements",
        ends: Ends::Response("limit `statements`"),
    },
    Attack {
        tries: "asks for a credential with a name of 140 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-name", "bytes": 140 << 20 }))),
        under: defaults,
        stopped_by: AT_ONCE,
        ends: TOO_MUCH_AT_ONCE,
    },
    Attack {
        tries: "asks for a credential with a name of 1 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-name", "bytes": 1 << 20 }))),
        under: defaults,
        stopped_by: "only the call's own credential is granted, and a strange name is not repeated",
        ends: Ends::Response(CREDENTIALS_NOT_FOUND),
    },
    Attack {
        tries: "gives a million orders",
        with: Payload::Rust(|_| request(json!({ "name": "many-orders", "count": 1_000_000 }))),
        under: defaults,
        stopped_by: AT_ONCE,
        ends: Ends::Response("limit `orders`"),
    },
    Attack {
        tries: "gives a reason of 140 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-reason", "bytes": 140 << 20 }))),
        under: defaults,
        stopped_by: AT_ONCE,
        ends: TOO_MUCH_AT_ONCE,
    },
    Attack {
        tries: "answers with 200 MiB",
        with: Payload::Rust(|_| request(json!({ "name": "huge-answer", "bytes": 200 << 20 }))),
        under: defaults,
        stopped_by: AT_ONCE,
        ends: TOO_MUCH_AT_ONCE,
    },
    Attack {
        tries: "answers with 15 MiB of tiny lists, which take a hundred times as much once they are read",
        with: Payload::Rust(|_| request(json!({ "name": "many-values", "count": 15 << 18 }))),
        under: defaults,
        stopped_by: "a count of the values before they are read",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `report_bytes`"),
    },
    Attack {
        tries: "answers with 100,000 lists in one another",
        with: Payload::Rust(|_| request(json!({ "name": "nested-answer", "depth": 100_000 }))),
        under: low_limits,
        stopped_by: "the JSON reader's bound on depth",
        ends: Ends::Fault(UNEXPECTED_ANSWER, "recursion limit exceeded"),
    },
    Attack {
        tries: "answers with something that is not JSON",
        with: Payload::Rust(|_| request(json!({ "name": "answer", "text": "success: true" }))),
        under: low_limits,
        stopped_by: "the JSON reader",
        ends: Ends::Fault(UNEXPECTED_ANSWER, "not JSON"),
    },
    Attack {
        tries: "answers with a number that no computer holds",
        with: Payload::Rust(|_| request(json!({ "name": "answer", "text": "1e999999999" }))),
        under: low_limits,
        stopped_by: "the JSON reader",
        ends: Ends::Fault(UNEXPECTED_ANSWER, "not JSON"),
    },
    Attack {
        tries: "answers with JSON in a text, under a key by which the reader would read it again without limits",
        with: Payload::Rust(|_| {
            request(json!({ "name": "answer", "text": "{\"data\":{\"$serde_json::private::RawValue\":\"[[],[]]\"}}" }))
        }),
        under: low_limits,
        stopped_by: "a check of all keys",
        ends: Ends::Fault(UNEXPECTED_ANSWER, "a key begins with"),
    },
    Attack {
        tries: "writes to its standard output without end",
        with: Payload::Wat(wat::endless_output),
        under: low_limits,
        stopped_by: "CPU budget; what is over limit `output_bytes` is dropped",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `cpu`"),
    },
    Attack {
        tries: "asks WASI for random bytes without number",
        with: Payload::Wat(wat::huge_random_request),
        under: low_limits,
        stopped_by: "WASI's bound on one request",
        ends: Ends::Fault(PLUGIN_TRAPPED, "was ended"),
    },
];

#[tokio::test]
async fn cpu_memory_and_floods_are_bounded() -> Result<()> {
    AttackedServer::open(cluster().await?).await?.run_all(ATTACKS).await
}
