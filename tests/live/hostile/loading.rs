//! Components that must not be loaded, and components without the expected exports.

use anyhow::Result;
use archon_pool::kind::{LIMIT_EXCEEDED, NOT_A_COMPONENT, WORLD_MISMATCH};

use super::attacked_server::{AttackedServer, HOSTILE, defaults};
use super::wat::{assemble, importing, skill};
use super::{Attack, Ends, Payload};
use crate::actions::cluster;

const PARSER: &str = "WebAssembly's validation";
const SECTIONS: &str = "a look at its sections before it is parsed";
const FEATURES: &str = "the engine is built without that proposal";
const WORLD: &str = "the worlds: what is not offered is not linked";

const fn attack(tries: &'static str, with: fn() -> Vec<u8>, stopped_by: &'static str, ends: Ends) -> Attack {
    Attack { tries, with: Payload::Wat(with), under: defaults, stopped_by, ends }
}

const fn mismatch(words: &'static str) -> Ends {
    Ends::Fault(WORLD_MISMATCH, words)
}

const fn malformed(words: &'static str) -> Ends {
    Ends::Fault(NOT_A_COMPONENT, words)
}

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "a program for another machine",
        || b"\x7fELF\x02\x01\x01\0".to_vec(),
        PARSER,
        malformed("does not start like WebAssembly"),
    ),
    attack(
        "a core module",
        || assemble("(module (func $spin (loop (br 0))) (start $spin))"),
        PARSER,
        malformed("core module"),
    ),
    attack(
        "a component without its second half",
        || HOSTILE[..HOSTILE.len() / 2].to_vec(),
        SECTIONS,
        malformed("its sections cannot be parsed: unexpected end"),
    ),
    attack(
        "a component with every 50th byte turned",
        || HOSTILE.iter().enumerate().map(|(at, byte)| if at > 7 && at % 50 == 0 { !byte } else { *byte }).collect(),
        PARSER,
        malformed("is not a WebAssembly component"),
    ),
    attack(
        "a component of 65 MiB",
        || {
            let mut bytes = HOSTILE.to_vec();
            bytes.resize(65 << 20, 0);
            bytes
        },
        "limit on a component's size, before it is parsed",
        Ends::Fault(LIMIT_EXCEEDED, "limit `component_bytes`"),
    ),
    attack(
        "a million and one functions",
        || {
            // Core module with a section that declares this many functions before it contains them.
            let mut core = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0".to_vec();
            core.extend(b"\x03\x04\xc1\x84\x3d\0");
            wrapped(&core)
        },
        SECTIONS,
        malformed("more than 4 MiB"),
    ),
    attack(
        "three hundred thousand globals, which every instance keeps in the host's memory beside its own",
        || assemble(&format!("(component (core module {}))", "(global i64 (i64.const 0))".repeat(300_000))),
        SECTIONS,
        malformed("more than 4 MiB"),
    ),
    Attack {
        tries: "a hundred thousand functions in 600 kB, which take half a minute to compile",
        with: Payload::SlowToCompile(slow),
        under: defaults,
        stopped_by: "limit on the time to compile, kept by a process of its own",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `compile_time`"),
    },
    Attack {
        tries: "two hundred thousand blocks in one another in each of eight functions of 600 kB",
        with: Payload::SlowToCompile(|| {
            let body = [&[0][..], &[2, 0x40].repeat(200_000), &[0x0b].repeat(200_001)].concat();
            wrapped(&functions(8, &body))
        }),
        under: defaults,
        stopped_by: "limit on the time to compile, kept by a process of its own",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `compile_time`"),
    },
    attack(
        "a function of fifty thousand and one variables",
        || assemble(&format!("(component (core module (func (local {}))))", "i64 ".repeat(50_001))),
        PARSER,
        malformed("too many locals"),
    ),
    attack(
        "a type of 10,000 lists in one another",
        || {
            let mut text = String::from("(component (type $t0 (list u8))");
            for n in 1..10_000 {
                text.push_str(&format!("(type $t{n} (list $t{}))", n - 1));
            }
            assemble(&format!("{text})"))
        },
        PARSER,
        malformed("is not a WebAssembly component"),
    ),
    attack(
        "a type that doubles thirty times",
        || {
            let mut text = String::from("(component (type $t0 (tuple u8 u8))");
            for n in 1..30 {
                text.push_str(&format!("(type $t{n} (tuple $t{0} $t{0}))", n - 1));
            }
            assemble(&format!("{text})"))
        },
        PARSER,
        malformed("effective type size"),
    ),
    attack(
        "a hundred thousand components in one another",
        || nested(100_000),
        SECTIONS,
        malformed("lie in one another more than"),
    ),
    attack(
        "waits on shared memory for a word that never comes, which no clock interrupts",
        || skill("(memory.atomic.wait32 $s (i32.const 0) (i32.const 0) (i64.const -1))", "(memory $s 1 1 shared)"),
        FEATURES,
        malformed("threads"),
    ),
    attack(
        "takes 2 GiB of the garbage collector's heap, which no memory limit sees",
        || {
            let grab = "(drop (array.new_default $bytes (i32.const 0x7fffffff))) (unreachable)";
            skill(grab, "(type $bytes (array i8))")
        },
        FEATURES,
        malformed("gc"),
    ),
    attack(
        "imports a later major version of ours",
        || importing("archon:connection-pool/database@2.0.0", ""),
        WORLD,
        mismatch("database@2.0.0"),
    ),
    attack(
        "imports an interface of somebody else",
        || importing("evil:thing/power@1.0.0", ""),
        WORLD,
        mismatch("evil:thing/power@1.0.0"),
    ),
    attack(
        "imports an interface of ours that does not exist",
        || importing("archon:connection-pool/shell@1.0.0", ""),
        WORLD,
        mismatch("shell@1.0.0"),
    ),
    attack(
        "imports a way to reveal a credential",
        || {
            importing(
                "archon:connection-pool/credentials@1.0.0",
                r#"(export "credential" (type $c (sub resource)))
                   (export "[method]credential.reveal" (func (param "self" (borrow $c)) (result string)))"#,
            )
        },
        WORLD,
        mismatch("does not fit the world"),
    ),
    attack(
        "imports `lookup` with another type: a handle for a number",
        || {
            importing(
                "archon:connection-pool/credentials@1.0.0",
                r#"(export "lookup" (func (param "name" (option string)) (result u32)))"#,
            )
        },
        WORLD,
        mismatch("does not fit the world"),
    ),
    attack(
        "imports HTTP from WASI",
        || {
            importing(
                "wasi:http/outgoing-handler@0.2.0",
                r#"(export "handle" (func (param "request" u32) (result u32)))"#,
            )
        },
        WORLD,
        mismatch("does not fit the world"),
    ),
    attack(
        "imports WASI 0.3, which is not offered",
        || importing("wasi:filesystem/types@0.3.0", ""),
        WORLD,
        mismatch("wasi:filesystem/types@0.3.0"),
    ),
    attack("exports nothing", || assemble("(component)"), WORLD, mismatch("exports nothing")),
    attack(
        "exports a skill without `run`",
        || assemble(r#"(component (instance $i) (export "archon:connection-pool/skill@1.0.0" (instance $i)))"#),
        "a look at the function before it is called",
        mismatch("exports no function run"),
    ),
    attack(
        "exports `run` with another type",
        || {
            assemble(
                r#"(component (core module $m (func (export "run") (result i32) (i32.const 7)))
                    (core instance $i (instantiate $m))
                    (func $run (result u32) (canon lift (core func $i "run")))
                    (instance $skill (export "run" (func $run)))
                    (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#,
            )
        },
        "a look at the function before it is called",
        mismatch("exports no function run"),
    ),
];

/// Header of a component.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// Creates a component that takes half a minute to compile.
pub(crate) fn slow() -> Vec<u8> {
    wrapped(&functions(100_000, b"\0\x0b"))
}

/// Creates a component of one section: a core module (1).
fn wrapped(core: &[u8]) -> Vec<u8> {
    [HEADER, &[1], &length(core.len()), core].concat()
}

/// Creates a core module of this many functions with the same body.
fn functions(count: usize, body: &[u8]) -> Vec<u8> {
    let section = |number: u8, content: Vec<u8>| [&[number][..], &length(content.len()), &content].concat();
    let declared = [length(count), vec![0; count]].concat();
    let defined = [length(count), [length(body.len()), body.to_vec()].concat().repeat(count)].concat();
    let header = b"\0asm\x01\0\0\0".to_vec();
    [header, section(1, vec![1, 0x60, 0, 0]), section(3, declared), section(10, defined)].concat()
}

/// Creates nested components.
fn nested(depth: usize) -> Vec<u8> {
    // Built from the inside out, and so backwards: every length covers all that follows it.
    let mut bytes: Vec<u8> = HEADER.iter().rev().copied().collect();
    for _ in 0..depth {
        let section = [HEADER, &[4], &length(bytes.len())].concat();
        bytes.extend(section.into_iter().rev());
    }
    bytes.reverse();
    bytes
}

/// Encodes a length in LEB128: seven bits at a time.
fn length(mut rest: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[tokio::test]
async fn invalid_and_oversized_components_are_not_loaded() -> Result<()> {
    AttackedServer::open(cluster().await?).await?.run_all(ATTACKS).await
}
