//! Components in WAT that no compiler would produce.

/// Component that exports `skill.run` with these function bodies.
pub(super) struct Skill {
    /// `(param i32 i32) (result i32)`: takes the input's address, returns the address of the answer's address and
    /// length.
    pub(super) run: &'static str,
    /// `(param i32 i32 i32 i32) (result i32)`: the canonical ABI's `realloc`.
    pub(super) realloc: &'static str,
    /// `(param i32)`: called by the host after it has read the answer.
    pub(super) post_return: &'static str,
    /// Additional items of the core module.
    pub(super) more: String,
}

impl Default for Skill {
    fn default() -> Self {
        Self { run: HARMLESS, realloc: "(i32.const 4096)", post_return: "", more: String::new() }
    }
}

/// Body of `run` that answers `{"ok":true}`, which is stored at 16.
pub(super) const HARMLESS: &str =
    "(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 11)) (i32.const 0)";

/// Interfaces `credentials`, `database` and `backends`, their functions lowered as core functions with the memory of
/// `$libc`.
const IMPORTS: &str = r#"
    (import "archon:connection-pool/credentials@1.0.0" (instance $credentials
        (type $f (record (field "kind" string) (field "message" string) (field "sqlstate" (option string))
            (field "retryable" bool)))
        (export "fault" (type $fault (eq $f)))
        (export "credential" (type $credential (sub resource)))
        (export "[method]credential.name" (func (param "self" (borrow $credential)) (result string)))
        (export "lookup" (func (param "name" (option string)) (result (result (own $credential) (error $fault)))))))
    (alias export $credentials "credential" (type $credential))
    (alias export $credentials "fault" (type $fault))
    (import "archon:connection-pool/database@1.0.0" (instance $database
        (alias outer 1 $credential (type $c))
        (export "credential" (type $credential (eq $c)))
        (alias outer 1 $fault (type $f))
        (export "fault" (type $fault (eq $f)))
        (type $v (variant (case "null") (case "boolean" bool) (case "int64" s64) (case "float64" float64)
            (case "text" string) (case "bytes" (list u8)) (case "timestamp" s64)))
        (export "value" (type $value (eq $v)))
        (type $s (record (field "sql" string) (field "params" (list $value)) (field "max-rows" u32)))
        (export "statement" (type $statement (eq $s)))
        (type $te (record (field "ends" (list u32)) (field "text" string)))
        (export "texts" (type $texts (eq $te)))
        (type $by (record (field "ends" (list u32)) (field "bytes" (list u8))))
        (export "byte-strings" (type $byte-strings (eq $by)))
        (type $ce (variant (case "all-null") (case "booleans" (list u8)) (case "int64s" (list s64))
            (case "float64s" (list float64)) (case "texts" $texts) (case "byte-strings" $byte-strings)
            (case "timestamps" (list s64))))
        (export "cells" (type $cells (eq $ce)))
        (type $co (record (field "name" string) (field "type-oid" u32) (field "nulls" (list u8))
            (field "cells" $cells)))
        (export "column" (type $column (eq $co)))
        (type $r (record (field "columns" (list $column)) (field "count" u32) (field "truncated" bool)))
        (export "row-set" (type $row-set (eq $r)))
        (export "session" (type $session (sub resource)))
        (export "[static]session.open" (func (param "using" (borrow $credential))
            (result (result (own $session) (error $fault)))))
        (export "[method]session.query" (func (param "self" (borrow $session)) (param "batch" (list $statement))
            (result (result (list (result $row-set (error $fault))) (error $fault)))))))
    (alias export $database "session" (type $session))
    (import "archon:connection-pool/backends@1.0.0" (instance $backends
        (alias outer 1 $session (type $s))
        (export "session" (type $session (eq $s)))
        (alias outer 1 $fault (type $f))
        (export "fault" (type $fault (eq $f)))
        (type $b (record (field "pid" s32) (field "backend-start" s64)))
        (export "backend" (type $backend (eq $b)))
        (type $sig (enum "cancel" "terminate"))
        (export "signal" (type $signal (eq $sig)))
        (type $o (record (field "target" $backend) (field "signal" $signal) (field "state" string)
            (field "state-change" s64) (field "reason" string)))
        (export "order" (type $order (eq $o)))
        (type $out (variant (case "signalled") (case "gone") (case "changed") (case "survived")
            (case "denied" string) (case "failed" $fault)))
        (export "outcome" (type $outcome (eq $out)))
        (export "deliver" (func (param "on" (borrow $session)) (param "orders" (list $order)) (param "dry-run" bool)
            (result (result (list $outcome) (error $fault)))))))"#;

const LOWERED: &str = r#"
    (core func $lookup (canon lower (func $credentials "lookup")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $name (canon lower (func $credentials "[method]credential.name")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $open (canon lower (func $database "[static]session.open")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $query (canon lower (func $database "[method]session.query")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $deliver (canon lower (func $backends "deliver")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $drop-credential (canon resource.drop $credential))
    (core func $drop-session (canon resource.drop $session))"#;

const LOWERED_NAMES: [(&str, &str); 7] = [
    ("lookup", "(param i32 i32 i32 i32)"),
    ("name", "(param i32 i32)"),
    ("open", "(param i32 i32)"),
    ("query", "(param i32 i32 i32 i32)"),
    ("deliver", "(param i32 i32 i32 i32 i32)"),
    ("drop-credential", "(param i32)"),
    ("drop-session", "(param i32)"),
];

impl Skill {
    /// Assembles the component without imports.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { run, realloc, post_return, more } = self;
        let (after, option) = post_return_of(post_return);
        assemble(&format!(
            r#"(component
                (core module $m
                    (memory (export "memory") 2)
                    (data (i32.const 16) "{{\"ok\":true}}")
                    (func (export "run") (param i32 i32) (result i32) {run})
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                    {after} {more})
                (core instance $i (instantiate $m))
                (func $run (param "input" string) (result string) (canon lift (core func $i "run")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc")) {option}))
                (instance $skill (export "run" (func $run)))
                (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
        ))
    }

    /// Assembles the component with the host's functions. `$credential` and `$session` return a handle.
    pub(super) fn with_host_functions(&self) -> Vec<u8> {
        let Self { run, realloc, post_return, more } = self;
        let (after, option) = post_return_of(post_return);
        let imports: String =
            LOWERED_NAMES.iter().map(|(name, ty)| format!(r#"(import "host" "{name}" (func ${name} {ty}))"#)).collect();
        let exports: String =
            LOWERED_NAMES.iter().map(|(name, _)| format!(r#"(export "{name}" (func ${name}))"#)).collect();
        assemble(&format!(
            r#"(component {IMPORTS}
                (core module $memory
                    (memory (export "memory") 2)
                    (global $next (mut i32) (i32.const 65536))
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
                (core instance $libc (instantiate $memory))
                {LOWERED}
                (core module $m
                    (import "libc" "memory" (memory 2))
                    {imports}
                    (data (i32.const 16) "{{\"ok\":true}}")
                    (func $credential (result i32)
                        (call $lookup (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024))
                        (i32.load (i32.const 1028)))
                    (func $session (result i32)
                        (call $open (call $credential) (i32.const 1024))
                        (i32.load (i32.const 1028)))
                    (func (export "run") (param i32 i32) (result i32) {run})
                    {after} {more})
                (core instance $host {exports})
                (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "host" (instance $host))))
                (func $run (param "input" string) (result string) (canon lift (core func $i "run")
                    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")) {option}))
                (instance $skill (export "run" (func $run)))
                (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
        ))
    }
}

fn post_return_of(body: &str) -> (String, &'static str) {
    if body.is_empty() {
        return (String::new(), "");
    }
    (format!(r#"(func (export "post-return") (param i32) {body})"#), r#"(post-return (core func $i "post-return"))"#)
}

/// Creates a component without imports, with this `run` and additional items in its core module.
pub(super) fn skill(run: &'static str, more: &str) -> Vec<u8> {
    Skill { run, more: more.to_owned(), ..Skill::default() }.bytes()
}

/// Creates a component with the host's functions and this `run`.
pub(super) fn with_host_functions(run: &'static str) -> Vec<u8> {
    Skill { run, ..Skill::default() }.with_host_functions()
}

/// Creates a component with an import and a core module that calls it: `$it` of the type `ty`.
fn with_import(import: &str, lower: &str, ty: &str, run: &str) -> Vec<u8> {
    assemble(&format!(
        r#"(component {import}
            (core module $memory
                (memory (export "memory") 2)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
            (core instance $libc (instantiate $memory))
            {lower}
            (core module $m
                (import "libc" "memory" (memory 2))
                (import "host" "it" (func $it {ty}))
                (data (i32.const 16) "{{\"ok\":true}}")
                (func (export "run") (param i32 i32) (result i32) {run}))
            (core instance $host (export "it" (func $it)))
            (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "host" (instance $host))))
            (func $run (param "input" string) (result string) (canon lift (core func $i "run")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (instance $skill (export "run" (func $run)))
            (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
    ))
}

/// Creates a component that sleeps without end in WASI.
pub(super) fn endless_sleep() -> Vec<u8> {
    with_import(
        r#"(import "wasi:io/poll@0.2.0" (instance $poll
            (export "pollable" (type $pollable (sub resource)))
            (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (alias outer 1 $pollable (type $p))
            (export "pollable" (type $pollable (eq $p)))
            (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))"#,
        r#"(core func $subscribe (canon lower (func $clock "subscribe-duration")))
        (core func $block (canon lower (func $poll "[method]pollable.block")))
        (core module $sleep
            (import "w" "subscribe" (func $subscribe (param i64) (result i32)))
            (import "w" "block" (func $block (param i32)))
            (func (export "it") (call $block (call $subscribe (i64.const 3600000000000)))))
        (core instance $w (export "subscribe" (func $subscribe)) (export "block" (func $block)))
        (core instance $s (instantiate $sleep (with "w" (instance $w))))
        (alias core export $s "it" (core func $it))"#,
        "",
        &format!("(call $it) {HARMLESS}"),
    )
}

/// Creates a component that writes to its standard output without end.
pub(super) fn endless_output() -> Vec<u8> {
    with_import(
        r#"(import "wasi:io/error@0.2.0" (instance $errors (export "error" (type $error (sub resource)))))
        (alias export $errors "error" (type $error))
        (import "wasi:io/streams@0.2.0" (instance $streams
            (alias outer 1 $error (type $e))
            (export "error" (type $error (eq $e)))
            (type $se (variant (case "last-operation-failed" (own $error)) (case "closed")))
            (export "stream-error" (type $stream-error (eq $se)))
            (export "output-stream" (type $output-stream (sub resource)))
            (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $output-stream))
                (param "contents" (list u8)) (result (result (error $stream-error)))))))
        (alias export $streams "output-stream" (type $output-stream))
        (import "wasi:cli/stdout@0.2.0" (instance $stdout
            (alias outer 1 $output-stream (type $o))
            (export "output-stream" (type $output-stream (eq $o)))
            (export "get-stdout" (func (result (own $output-stream))))))"#,
        r#"(core func $get (canon lower (func $stdout "get-stdout")))
        (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
            (memory (core memory $libc "memory"))))
        (core module $talk
            (import "w" "get" (func $get (result i32)))
            (import "w" "write" (func $write (param i32 i32 i32 i32)))
            (func (export "it") (local $out i32)
                (local.set $out (call $get))
                (loop (call $write (local.get $out) (i32.const 16) (i32.const 4096) (i32.const 8192)) (br 0))))
        (core instance $w (export "get" (func $get)) (export "write" (func $write)))
        (core instance $s (instantiate $talk (with "w" (instance $w))))
        (alias core export $s "it" (core func $it))"#,
        "",
        &format!("(call $it) {HARMLESS}"),
    )
}

/// Creates a component that requests 2^64-1 random bytes from WASI.
pub(super) fn huge_random_request() -> Vec<u8> {
    with_import(
        r#"(import "wasi:random/random@0.2.0" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))"#,
        r#"(core func $it (canon lower (func $random "get-random-bytes")
            (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#,
        "(param i64 i32)",
        &format!("(call $it (i64.const -1) (i32.const 0)) {HARMLESS}"),
    )
}

/// Creates a component that takes WASI handles without end and keeps them.
pub(super) fn endless_wasi_handles() -> Vec<u8> {
    with_import(
        r#"(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type $pollable (sub resource)))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (alias outer 1 $pollable (type $p))
            (export "pollable" (type $pollable (eq $p)))
            (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))"#,
        r#"(core func $it (canon lower (func $clock "subscribe-duration")))"#,
        "(param i64) (result i32)",
        "(loop (drop (call $it (i64.const 1))) (br 0)) (unreachable)",
    )
}

/// Creates a component that creates handles of its own type without end.
pub(super) fn endless_own_handles() -> Vec<u8> {
    with_import(
        "(type $resource (resource (rep i32)))",
        "(core func $it (canon resource.new $resource))",
        "(param i32) (result i32)",
        "(loop (drop (call $it (i32.const 7))) (br 0)) (unreachable)",
    )
}

/// Creates a component that traps unless WASI returns no folders.
pub(super) fn traps_on_preopens() -> Vec<u8> {
    with_import(
        r#"(import "wasi:filesystem/types@0.2.0" (instance $types (export "descriptor" (type $descriptor (sub resource)))))
        (alias export $types "descriptor" (type $descriptor))
        (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
            (alias outer 1 $descriptor (type $d))
            (export "descriptor" (type $descriptor (eq $d)))
            (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))"#,
        r#"(core func $it (canon lower (func $preopens "get-directories")
            (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))"#,
        "(param i32)",
        &format!("(call $it (i32.const 0)) (if (i32.load (i32.const 4)) (then (unreachable))) {HARMLESS}"),
    )
}

/// Creates a component that calls WASI's `exit` with success.
pub(super) fn calls_exit() -> Vec<u8> {
    with_import(
        r#"(import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))"#,
        r#"(core func $it (canon lower (func $exit "exit")))"#,
        "(param i32)",
        "(call $it (i32.const 0)) (unreachable)",
    )
}

/// Creates a component of this many instances of an empty module.
pub(super) fn many_instances(count: usize) -> Vec<u8> {
    with_import(
        &format!("(core module $empty) {}", "(core instance (instantiate $empty))".repeat(count)),
        r#"(core module $it (func (export "it"))) (core instance $s (instantiate $it)) (alias core export $s "it" (core func $it))"#,
        "",
        HARMLESS,
    )
}

/// Creates a component that imports an instance of this content under a name, and never uses it.
pub(super) fn importing(name: &str, content: &str) -> Vec<u8> {
    assemble(&format!(
        r#"(component
            (import "{name}" (instance {content}))
            (core module $m
                (memory (export "memory") 1)
                (func (export "run") (param i32 i32) (result i32) (unreachable))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16)))
            (core instance $i (instantiate $m))
            (func $run (param "input" string) (result string) (canon lift (core func $i "run")
                (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (instance $skill (export "run" (func $run)))
            (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
    ))
}

/// Assembles a text; an error is a mistake in the test.
pub(super) fn assemble(text: &str) -> Vec<u8> {
    match wat::parse_str(text) {
        Ok(bytes) => bytes,
        Err(error) => panic!("this is no component: {error}"),
    }
}
