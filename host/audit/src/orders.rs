//! Orders of all processes that write to a log, counted by a process that only reads it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use archon_pool_core::audit_sink::{Act, Place};
use archon_pool_core::private_file;
use jiff::Timestamp;
use rustix::fs::OFlags;
use serde_json::Value;

use super::hour::Acts;
use super::line::Line;

/// Number of orders with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Kind of act, server and database.
    pub place: Place,
    /// `terminate` or `cancel` for a session, `statement`, `resize` or `reconnect`.
    pub action: &'static str,
    /// Outcome as in the log; `refused` instead of `denied` when the order was sent and the server refused it.
    pub outcome: &'static str,
    /// Number of orders since the log is followed.
    pub count: u64,
}

/// A log that is followed. It is never written to or locked, and its orders are counted from the first call on.
#[derive(Debug)]
pub struct Orders {
    path: PathBuf,
    /// True once it was looked for: a log that appears later is counted from its beginning.
    is_followed: bool,
    open: Option<Open>,
    counts: BTreeMap<Key, u64>,
}

/// Server, database, action and outcome.
type Key = (String, String, &'static str, &'static str);

#[derive(Debug)]
struct Open {
    file: File,
    device: u64,
    inode: u64,
    acts: Acts,
    /// Length of the part whose orders are not counted, because they were sent before the log was followed.
    before: u64,
}

/// Outcomes of orders for sessions, statements and changes of pools.
const OUTCOMES: [&str; 9] =
    ["signalled", "gone", "changed", "survived", "executed", "unexecuted", "denied", "refused", "failed"];

impl Orders {
    /// Follows a log, which may not exist yet.
    pub fn follow(path: &Path) -> Self {
        Self { path: path.to_owned(), is_followed: false, open: None, counts: BTreeMap::new() }
    }

    /// Reads what was written since the last call. A log that was replaced is read from its beginning.
    ///
    /// Fails when it cannot be read, when others can write to it, or when a line of an order was changed.
    pub fn read(&mut self, now: Timestamp) -> io::Result<()> {
        let is_first = !std::mem::replace(&mut self.is_followed, true);
        self.reopen(is_first)?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let (before, counts) = (open.before, &mut self.counts);
        let read = open.acts.read(&open.file, now, |at, act, line| {
            if at >= before
                && let Some(key) = key(act, line)
            {
                *counts.entry(key).or_default() += 1;
            }
        });
        if read.is_err() {
            // A line that was changed is an error each time, until the log is replaced.
            open.acts = Acts::default();
            open.before = open.file.metadata()?.len();
        }
        read
    }

    /// Returns the number of orders by outcome.
    pub fn counts(&self) -> impl Iterator<Item = Count> {
        self.counts.iter().map(|((server, database, action, outcome), count)| Count {
            place: Place::new(act_of(action), server.as_str(), database),
            action,
            outcome,
            count: *count,
        })
    }

    /// Returns the number of acts of the last hour by place, as the caps per hour count them: orders for sessions, and
    /// changes of pools.
    pub fn last_hour(&self) -> Vec<(Place, u64)> {
        self.open.as_ref().map(|open| open.acts.by_place()).unwrap_or_default()
    }

    /// Opens the log if it is new, or another file has its name.
    fn reopen(&mut self, is_first: bool) -> io::Result<()> {
        let flags = OFlags::NONBLOCK.bits().cast_signed() | private_file::nofollow();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&self.path) {
            Ok(file) => file,
            // Nothing was ever ordered, or it is about to be replaced.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.open.is_none() => return Ok(()),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        // Written by the user whose commands act, who need not be this one.
        if metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other("others may write to it: run `chmod go-w` on it"));
        }
        let same = |open: &Open| {
            let is_cut = open.acts.is_beyond(metadata.len());
            (open.device, open.inode) == (metadata.dev(), metadata.ino()) && !is_cut
        };
        if !self.open.as_ref().is_some_and(same) {
            let before = if is_first { metadata.len() } else { 0 };
            let (device, inode) = (metadata.dev(), metadata.ino());
            self.open = Some(Open { file, device, inode, acts: Acts::default(), before });
        }
        Ok(())
    }
}

fn act_of(action: &str) -> Act {
    match action {
        "statement" => Act::Statement,
        "resize" | "reconnect" => Act::Resize,
        _ => Act::Order,
    }
}

/// Returns the key of a line with the outcome of an order; none for an announcement, a dry run, or another event.
fn key(act: Act, line: &Line) -> Option<Key> {
    let field = |name: &str| line.fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let action = match (act, &*line.event, field("signal")) {
        (Act::Statement, ..) => "statement",
        (Act::Resize, "reconnect", _) => "reconnect",
        (Act::Resize, ..) => "resize",
        (Act::Order, _, "cancel") => "cancel",
        (Act::Order, ..) => "terminate",
    };
    let is_dry = line.fields.get("dry_run").and_then(Value::as_bool) == Some(true);
    let outcome = match field("outcome") {
        "denied" if line.fields.contains_key("sending") => "refused",
        outcome => outcome,
    };
    let outcome = OUTCOMES.into_iter().find(|known| *known == outcome).filter(|_| !is_dry)?;
    Some((field("server").to_owned(), field("database").to_owned(), action, outcome))
}

/// Returns every action and outcome that a place can have.
pub fn outcomes(act: Act) -> impl Iterator<Item = (&'static str, &'static str)> {
    let (actions, outcomes): (&[_], &[_]) = match act {
        Act::Order => (&["terminate"], &["signalled", "gone", "changed", "survived", "denied", "refused", "failed"]),
        Act::Statement => (&["statement"], &["executed", "failed"]),
        Act::Resize => (&["resize", "reconnect"], &["executed", "unexecuted", "denied", "refused", "failed"]),
    };
    actions.iter().flat_map(|action| outcomes.iter().map(|outcome| (*action, *outcome)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use archon_pool_core::audit_sink::Event;
    use jiff::SignedDuration;

    use super::*;
    use crate::chain::Chain;

    fn now() -> Timestamp {
        "2026-11-30T09:30:00Z".parse().unwrap()
    }

    fn event(name: &'static str, outcome: &str) -> Event {
        Event::new(name).with("server", "h:5432").with("database", "d").with("dry_run", false).with("outcome", outcome)
    }

    struct Log {
        _folder: tempfile::TempDir,
        path: PathBuf,
    }

    impl Log {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("audit");
            Self { _folder: folder, path }
        }

        fn chain(&self) -> Chain {
            Chain::open(&self.path).unwrap()
        }
    }

    fn shown(orders: &Orders) -> Vec<(&'static str, &'static str, u64)> {
        orders.counts().map(|count| (count.action, count.outcome, count.count)).collect()
    }

    fn place(act: Act) -> Place {
        Place::new(act, "h:5432", "d")
    }

    #[test]
    fn orders_are_counted_by_outcome_from_the_first_reading_on() {
        let log = Log::new();
        let mut orders = Orders::follow(&log.path);
        orders.read(now()).unwrap();
        assert!(shown(&orders).is_empty(), "a log that does not exist yet");
        let mut chain = log.chain();
        let seqs =
            chain.announce(now(), &place(Act::Order), 9, &[event("order", "sending"), event("order", "sending")]);
        let [first, second] = seqs.unwrap()[..] else { panic!("two lines") };
        let ended = [
            event("order", "signalled").with("sending", first),
            event("order", "denied").with("sending", second),
            event("order", "denied"),
            event("order", "would-signal").with("dry_run", true),
            event("resize", "failed"),
            event("reconnect", "executed"),
            event("order", "executed").with("statement", "00"),
            Event::new("host-call").with("outcome", "signalled"),
        ];
        chain.append(now(), &ended).unwrap();
        let mut later = Orders::follow(&log.path);
        for orders in [&mut orders, &mut later] {
            orders.read(now()).unwrap();
        }
        assert!(shown(&later).is_empty(), "what was ordered before it was followed is not counted");
        // Only the one that the server refused does not count towards the cap.
        assert_eq!(orders.last_hour(), later.last_hour());
        assert_eq!(orders.last_hour(), [(place(Act::Order), 1)]);
        let all = [
            ("reconnect", "executed", 1),
            ("resize", "failed", 1),
            ("statement", "executed", 1),
            ("terminate", "denied", 1),
            ("terminate", "refused", 1),
            ("terminate", "signalled", 1),
        ];
        // The first log was created after the first reading: it is followed from its beginning.
        assert_eq!(shown(&orders), all);
        orders.read(now()).unwrap();
        assert_eq!(shown(&orders), all, "nothing is counted twice");
    }

    #[test]
    fn the_last_hour_is_that_of_the_caps() {
        let log = Log::new();
        let mut chain = log.chain();
        chain
            .announce(now() - SignedDuration::from_mins(50), &place(Act::Order), 9, &[event("order", "sending")])
            .unwrap();
        chain.announce(now(), &place(Act::Resize), 9, &[event("resize", "sending")]).unwrap();
        let mut orders = Orders::follow(&log.path);
        orders.read(now()).unwrap();
        assert_eq!(orders.last_hour(), [(place(Act::Order), 1), (place(Act::Resize), 1)]);
        orders.read(now() + SignedDuration::from_mins(11)).unwrap();
        assert_eq!(orders.last_hour(), [(place(Act::Resize), 1)]);
    }

    #[test]
    fn a_replaced_log_is_read_from_its_beginning() {
        let log = Log::new();
        log.chain().append(now(), &[event("resize", "executed")]).unwrap();
        let mut orders = Orders::follow(&log.path);
        orders.read(now()).unwrap();
        fs::rename(&log.path, log.path.with_extension("1")).unwrap();
        assert!(orders.read(now()).is_err(), "it is missing");
        log.chain().append(now(), &[event("resize", "failed")]).unwrap();
        orders.read(now()).unwrap();
        assert_eq!(shown(&orders), [("resize", "failed", 1)]);
    }

    #[test]
    fn a_changed_order_and_a_log_that_others_write_are_errors() {
        let log = Log::new();
        let mut chain = log.chain();
        let mut orders = Orders::follow(&log.path);
        orders.read(now()).unwrap();
        chain.append(now(), &[event("resize", "executed")]).unwrap();
        let text = fs::read_to_string(&log.path).unwrap();
        fs::OpenOptions::new()
            .append(true)
            .open(&log.path)
            .unwrap()
            .write_all(text.replace("executed", "executes").as_bytes())
            .unwrap();
        assert!(orders.read(now()).is_err(), "a changed line");
        assert!(orders.read(now()).is_err(), "and again");
        fs::write(&log.path, text).unwrap();
        fs::set_permissions(&log.path, fs::Permissions::from_mode(0o660)).unwrap();
        let error = orders.read(now()).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
}
