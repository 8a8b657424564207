use std::fmt::Debug;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use archon_pool_contract::fault::kind;
use archon_pool_core::audit_sink::{Act, AuditSink as _, Event, Place};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing::field::Field;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::chain::Chain;
use super::*;

struct Log {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("audit.log"), _folder: folder }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn verify(&self) -> Result<Summary, Broken> {
        verify(&fs::read(&self.path).unwrap()[..], None)
    }

    fn events(&self) -> Vec<Value> {
        self.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn add(&self, bytes: &[u8]) {
        fs::OpenOptions::new().append(true).open(&self.path).unwrap().write_all(bytes).unwrap();
    }
}

fn place() -> Place {
    Place { act: Act::Order, server: "h:5432".into(), database: "d".into() }
}

fn order(outcome: &str) -> Event {
    Event::new("order")
        .with("server", "h:5432")
        .with("database", "d")
        .with("pid", 7)
        .with("backend_start", 1_700_000_000_000_000_i64)
        .with("signal", "terminate")
        .with("reason", "idle")
        .with("outcome", outcome)
}

fn now() -> Timestamp {
    "2026-11-23T17:36:29.12Z".parse().unwrap()
}

#[test]
fn writes_the_documented_format_byte_by_byte() {
    let log = Log::new();
    let mut chain = Chain::open(&log.path).unwrap();
    chain.append(now(), &[Event::new("open").with("version", "1.0.0").with("pid", 42)]).unwrap();
    chain.append(now(), &[Event::new("call-started").with("function", "skill.run")]).unwrap();
    insta::assert_snapshot!(log.text());
    let mode = fs::metadata(&log.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_minimal_independent_verifier_accepts_the_log() {
    let log = Log::new();
    let audit = Audit::open(&log.path).unwrap();
    audit.append(&[order("denied"), Event::new("test").with("text", "ü \" \\ \n \u{1b} 𝄞")]);
    let mut prev = "0".repeat(64);
    for line in log.text().lines() {
        let (body, hash) = line.split_at(line.len() - 75);
        assert!(body.ends_with(&format!(",\"prev\":\"{prev}\"")), "{line}");
        prev = archon_pool_core::digest::Digest::of(format!("{body}}}").as_bytes()).to_string();
        assert_eq!(hash, format!(",\"hash\":\"{prev}\"}}"));
    }
}

#[test]
fn several_writers_extend_one_chain() {
    let log = Log::new();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let audit = Audit::open(&log.path).unwrap();
                (0..50).for_each(|number| audit.append(&[Event::new("test").with("number", number)]));
            });
        }
    });
    let summary = log.verify().unwrap();
    assert_eq!((summary.lines, summary.torn, summary.head.seq), (204, 0, 204));
}

#[test]
fn a_torn_line_is_marked_by_the_next_writer() {
    let log = Log::new();
    let audit = Audit::open(&log.path).unwrap();
    log.add(b"{\"seq\":2,\"time\":\"2026");
    assert!(log.verify().unwrap_err().to_string().starts_with("line 2: "));
    // Another process, and the existing one.
    for opened in [Some(Audit::open(&log.path).unwrap()), None] {
        opened.unwrap_or_else(|| audit.clone()).append(&[Event::new("test")]);
    }
    log.add(b"{");
    audit.append(&[Event::new("test")]);
    let summary = log.verify().unwrap();
    assert_eq!((summary.torn, summary.lines), (2, 7));
    let recovered: Vec<_> = log.events().into_iter().filter(|event| event["event"] == "recovered").collect();
    assert_eq!((&recovered[0]["bytes"], &recovered[1]["bytes"]), (&json!(21), &json!(1)));
    assert_eq!(recovered[1]["torn"], archon_pool_core::digest::Digest::of(b"{").to_string());
    // A torn line may no longer be changed or removed.
    for (old, new) in [("\"2026\n", "\"2027\n"), ("{\"seq\":2,\"time\":\"2026\n", "")] {
        let changed = log.text().replacen(old, new, 1);
        assert!(verify(changed.as_bytes(), None).is_err());
    }
}

#[test]
fn a_mark_without_a_torn_line_is_found() {
    let mut text = Vec::new();
    let head = line::write(Head::START, now(), &Event::new("open"), &mut text);
    line::write(head, now(), &Event::new("recovered").with("torn", "00").with("bytes", 0), &mut text);
    assert!(verify(&text[..], None).unwrap_err().to_string().contains("there is none before it"));
}

#[test]
fn a_truncated_log_is_not_continued() {
    let log = Log::new();
    let mut chain = Chain::open(&log.path).unwrap();
    chain.append(now(), &[Event::new("open")]).unwrap();
    fs::OpenOptions::new().write(true).open(&log.path).unwrap().set_len(0).unwrap();
    let fault = chain.announce(now(), &place(), 9, &[order("sending")]).unwrap_err();
    assert!(fault.to_string().contains("cut it off"), "{fault}");
}

#[test]
fn a_saved_head_reveals_a_truncated_tail_and_a_replaced_chain() {
    let log = Log::new();
    let audit = Audit::open(&log.path).unwrap();
    (0..5).for_each(|number| audit.append(&[Event::new("test").with("number", number)]));
    let text = log.text();
    let kept = log.verify().unwrap().head;
    assert_eq!(kept.to_string().parse::<Head>().unwrap(), kept);
    assert!(verify(text.as_bytes(), Some(kept)).is_ok());
    let cut: String = text.split_inclusive('\n').take(4).collect();
    assert!(verify(cut.as_bytes(), None).is_ok());
    let broken = verify(cut.as_bytes(), Some(kept)).unwrap_err();
    assert_eq!(broken.to_string(), "it ends with seq 4, and seq 6 was written");
    let other = Log::new();
    let audit = Audit::open(&other.path).unwrap();
    (0..9).for_each(|number| audit.append(&[Event::new("other").with("number", number)]));
    let broken = verify(other.text().as_bytes(), Some(kept)).unwrap_err();
    assert!(broken.to_string().starts_with("line 6: its hash is not the one that was kept"), "{broken}");
    for wrong in ["", "6", "0:00", "6:xyz", ":"] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}

#[test]
fn an_order_without_an_outcome_is_reported() {
    let log = Log::new();
    let mut chain = Chain::open(&log.path).unwrap();
    let seqs = chain.announce(now(), &place(), 9, &[order("sending"), order("sending")]).unwrap();
    assert_eq!(seqs, [1, 2]);
    chain.append(now(), &[order("signalled").with("sending", 1)]).unwrap();
    let unfinished = log.verify().unwrap().unfinished;
    assert_eq!(unfinished.len(), 1);
    assert_eq!((unfinished[0].seq, unfinished[0].pid, &*unfinished[0].server), (2, 7, "h:5432"));
}

#[test]
fn the_hourly_count_includes_orders_of_all_processes() {
    let log = Log::new();
    let (mut one, mut two) = (Chain::open(&log.path).unwrap(), Chain::open(&log.path).unwrap());
    let orders = || vec![order("sending"); 4];
    assert_eq!(one.announce(now(), &place(), 6, &orders()).unwrap().len(), 4);
    assert_eq!(two.announce(now(), &place(), 6, &orders()).unwrap().len(), 2);
    assert_eq!(one.announce(now(), &place(), 6, &orders()).unwrap().len(), 0);
    // Not sent after all: it does not count for any process.
    two.append(now(), &[order("changed").with("sending", 6), order("failed").with("sending", 5)]).unwrap();
    assert_eq!(one.left(now(), &place(), 6).unwrap(), 1);
    let elsewhere = Place { act: Act::Order, server: "h:5432".into(), database: "e".into() };
    assert_eq!(one.left(now(), &elsewhere, 6).unwrap(), 6);
    assert_eq!(one.left(now() + SignedDuration::from_mins(59), &place(), 6).unwrap(), 1);
    assert_eq!(one.left(now() + SignedDuration::from_mins(60), &place(), 6).unwrap(), 6);
}

#[test]
fn the_last_hour_is_read_from_the_end_of_a_long_log() {
    let log = Log::new();
    let mut chain = Chain::open(&log.path).unwrap();
    let filler = vec![Event::new("test").with("text", "x".repeat(900)); 400];
    let old = now() - SignedDuration::from_hours(2);
    chain.announce(old, &place(), 9, &[order("sending")]).unwrap();
    chain.append(old, &filler).unwrap();
    chain.announce(now(), &place(), 9, &[order("sending")]).unwrap();
    chain.append(now(), &filler).unwrap();
    // A new process has not read the rest.
    assert_eq!(Chain::open(&log.path).unwrap().left(now(), &place(), 9).unwrap(), 8);
}

#[tokio::test]
async fn a_full_disk_stops_orders_and_no_other_calls() {
    let audit = Audit::open(Path::new("/dev/full")).unwrap();
    audit.write(vec![Event::new("test")]).await;
    let fault = audit.announce(place(), 9, vec![order("sending")]).await.unwrap_err();
    assert_eq!(fault.kind, kind::AUDIT_FAILED);
    assert!(fault.message.contains("/dev/full") && !fault.retryable, "{fault}");
}

/// Collects the events that are logged, each with its fields.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Logged {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| fields += &format!("{field}: {value:?}; "));
        self.0.lock().unwrap().push(fields);
    }
}

#[test]
fn repeated_write_failures_warn_once() {
    let logged = Logged::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(logged.clone()), || {
        let audit = Audit::open(Path::new("/dev/full")).unwrap();
        (0..3).for_each(|_| audit.append(&[Event::new("test")]));
    });
    let logged = logged.0.lock().unwrap();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("/dev/full"), "{logged:?}");
}

#[test]
fn lines_that_could_not_be_written_are_counted() {
    let log = Log::new();
    let mut chain = Chain::open(&log.path).unwrap();
    chain.append(now(), &[Event::new("open")]).unwrap();
    // Locked by another process, for longer than the timeout.
    let other = fs::File::open(&log.path).unwrap();
    other.lock().unwrap();
    assert!(chain.append(now(), &[Event::new("one"), Event::new("two")]).unwrap_err().to_string().contains("locked"));
    other.unlock().unwrap();
    chain.append(now(), &[Event::new("three")]).unwrap();
    let events = log.events();
    assert_eq!((&events[1]["event"], &events[1]["lines"]), (&json!("lost"), &json!(2)));
    assert_eq!(log.verify().unwrap().lines, 3);
}

#[test]
fn a_fifo_gets_a_chain_of_its_own() {
    let log = Log::new();
    assert!(Command::new("mkfifo").arg(&log.path).status().unwrap().success());
    // Without a reader, opening must not wait.
    assert!(Audit::open(&log.path).is_err());
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut reader = fs::OpenOptions::new().read(true).custom_flags(nonblock).open(&log.path).unwrap();
    let mut chain = Chain::open(&log.path).unwrap();
    // Until the pipe is full, which cuts a line short; then it continues from there.
    let long = vec![Event::new("test").with("text", "x".repeat(900)); 40];
    while chain.append(now(), &long).is_ok() {}
    let mut text = Vec::new();
    let mut drain = |text: &mut Vec<u8>| assert!(reader.read_to_end(text).is_err(), "it is open at the other end");
    drain(&mut text);
    assert!(chain.announce(now(), &place(), 9, &[order("sending")]).is_ok());
    drain(&mut text);
    let summary = verify(&text[..], None).unwrap();
    assert!(summary.torn <= 1 && summary.lines > 40, "{summary:?}");
}

/// Returns a log of several events, a torn line among them.
fn sample() -> Vec<u8> {
    let log = Log::new();
    let mut chain = Chain::open(&log.path).unwrap();
    chain.append(now(), &[Event::new("open").with("version", "1.0.0")]).unwrap();
    chain.announce(now(), &place(), 9, &[order("sending"), order("sending")]).unwrap();
    log.add(b"{\"seq\":4,\"ti");
    chain.append(now(), &[order("signalled").with("sending", 2), order("gone").with("sending", 3)]).unwrap();
    chain.append(now(), &[Event::new("call-ended").with("outcome", "ok")]).unwrap();
    let bytes = fs::read(&log.path).unwrap();
    assert!(verify(&bytes[..], None).is_ok());
    bytes
}

fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = sample();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(verify(&bytes[..], None).is_err());
    }

    #[test]
    fn any_removed_line_is_found(at in any::<prop::sample::Index>()) {
        let bytes = sample();
        let kept = verify(&bytes[..], None).unwrap().head;
        let mut lines = pieces(&bytes);
        let at = at.index(lines.len());
        let last = at == lines.len() - 1;
        lines.remove(at);
        let without = lines.concat();
        // A chain without its last line is valid: detecting that takes the stored head.
        prop_assert_eq!(verify(&without[..], None).is_err(), !last);
        prop_assert!(verify(&without[..], Some(kept)).is_err());
    }

    #[test]
    fn any_two_swapped_lines_are_found(one in any::<prop::sample::Index>(), two in any::<prop::sample::Index>()) {
        let bytes = sample();
        let mut lines = pieces(&bytes);
        let (one, two) = (one.index(lines.len()), two.index(lines.len()));
        prop_assume!(one != two);
        lines.swap(one, two);
        prop_assert!(verify(&lines.concat()[..], None).is_err());
    }

    #[test]
    fn any_duplicated_line_is_found(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let bytes = sample();
        let mut lines = pieces(&bytes);
        let (from, to) = (from.index(lines.len()), to.index(lines.len() + 1));
        lines.insert(to, lines[from]);
        prop_assert!(verify(&lines.concat()[..], None).is_err());
    }

    #[test]
    fn any_bytes_are_verified_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify(&bytes[..], None).is_err() || bytes.is_empty());
    }
}
