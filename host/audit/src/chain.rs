//! The log file: lines of other processes are read, and new ones appended under a lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_core::audit_sink::{Event, Place};
use archon_pool_core::digest::Digest;
use archon_pool_core::private_file;
use jiff::Timestamp;
use rustix::io::Errno;

use super::hour::Acts;
use super::line::{self, Head};

/// Time for which another process may hold the lock; it needs it for one write and one `fdatasync`.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of the end of a file that are read first.
const TAIL_BYTES: u64 = 64 << 10;
/// Within this many bytes of the end there is a line, or the file is no audit log.
const TAIL_LIMIT: u64 = 64 << 20;

/// An open audit log with the head of its chain.
#[derive(Debug)]
pub(super) struct Chain {
    file: Arc<File>,
    state: State,
    /// Lines that could not be written.
    lost: u64,
}

/// Kind of the file, with its current state.
#[derive(Debug)]
enum State {
    /// A regular file, which other processes write to as well.
    File {
        /// Its length and head after this process's last write.
        known: Option<(u64, Head)>,
        acts: Acts,
    },
    /// A file that is only written to: its chain belongs to this process alone.
    Stream {
        head: Head,
        /// Rest of a write that was cut short.
        torn: Vec<u8>,
        /// True if a line feed must come first.
        open: bool,
    },
}

/// The end of a file.
#[derive(Debug, PartialEq, Eq)]
struct Tail {
    head: Head,
    /// Bytes after the last line, without a line feed at their end.
    torn: Option<Vec<u8>>,
    /// True if a line feed must come first.
    open: bool,
}

impl Chain {
    /// Opens the file for appending.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let stream = path.metadata().is_ok_and(|metadata| !metadata.is_file());
        let mut options = OpenOptions::new();
        options.append(true);
        if stream {
            // A late or slow reader must not block a call.
            options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        } else {
            options.read(true).create(true).mode(0o600).custom_flags(private_file::nofollow());
        }
        let opened = options.open(path).map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::LOOP) => io::Error::other("it is a link: name the file itself"),
            _ => error,
        });
        let file = Arc::new(opened?);
        if !stream {
            private_file::check_log(&file.metadata()?).map_err(io::Error::other)?;
        }
        let state = if stream {
            State::Stream { head: Head::START, torn: Vec::new(), open: false }
        } else {
            State::File { known: None, acts: Acts::default() }
        };
        let chain = Self { file, state, lost: 0 };
        // Refuses the file of another program before anything is done.
        let tail = chain.tail()?;
        if tail.head == Head::START
            && !stream
            && let Some(folder) = path.parent()
        {
            // A new file is only as durable as its name. Not every file system supports syncing a folder.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(chain)
    }

    /// Appends events.
    pub(super) fn append(&mut self, now: Timestamp, events: &[Event]) -> io::Result<()> {
        let written = self.locked().and_then(|_lock| self.write(now, events));
        if written.is_err() {
            self.lost += events.len() as u64;
        }
        written.map(drop)
    }

    /// Appends the first of these orders, up to `most` orders in this place per hour, and syncs the file.
    pub(super) fn announce(
        &mut self,
        now: Timestamp,
        place: &Place,
        most: u32,
        orders: &[Event],
    ) -> io::Result<Vec<u64>> {
        let announced = self.locked().and_then(|_lock| {
            let left = self.left(now, place, most)?;
            let orders = &orders[..orders.len().min(left)];
            if orders.is_empty() {
                return Ok(Vec::new());
            }
            let seqs = self.write(now, orders)?;
            if let State::File { .. } = self.state {
                self.file.sync_data()?;
            }
            Ok(seqs)
        });
        if announced.is_err() {
            self.lost += orders.len() as u64;
        }
        announced
    }

    /// Returns the number of orders left of `most` in this place and hour.
    pub(super) fn left(&mut self, now: Timestamp, place: &Place, most: u32) -> io::Result<usize> {
        let spent = match &mut self.state {
            State::File { acts, .. } => acts.count(&self.file, now, place)?,
            State::Stream { .. } => 0,
        };
        Ok(usize::try_from(u64::from(most).saturating_sub(spent)).unwrap_or(usize::MAX))
    }

    /// Writes events in one go, after the end of the file; the lock is held.
    fn write(&mut self, now: Timestamp, events: &[Event]) -> io::Result<Vec<u64>> {
        let Tail { mut head, torn, open } = self.tail()?;
        let mut text = Vec::new();
        if open {
            text.push(b'\n');
        }
        if let Some(torn) = &torn {
            let event = Event::new("recovered").with("torn", Digest::of(torn).to_string()).with("bytes", torn.len());
            head = line::write(head, now, &event, &mut text);
        }
        if self.lost > 0 {
            head = line::write(head, now, &Event::new("lost").with("lines", self.lost), &mut text);
        }
        let mut seqs = Vec::with_capacity(events.len());
        for event in events {
            head = line::write(head, now, event, &mut text);
            seqs.push(head.seq);
        }
        let (written, result) = write_all(&self.file, &text);
        match &mut self.state {
            State::File { known, .. } => {
                *known = None;
                result?;
                *known = Some((self.file.metadata()?.len(), head));
            }
            State::Stream { head: last, torn, open } => {
                if let Err(error) = result {
                    let arrived = &text[..written];
                    let end = arrived.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    let (whole, rest) = arrived.split_at(end);
                    if let Some(head) = whole.split(|byte| *byte == b'\n').rev().find_map(line::claimed) {
                        (*last, *torn) = (head, rest.to_vec());
                    } else {
                        torn.extend_from_slice(arrived);
                    }
                    if let Some(head) = line::claimed(rest) {
                        (*last, *torn) = (head, Vec::new());
                    }
                    *open = arrived.last().map_or(*open, |byte| *byte != b'\n');
                    return Err(error);
                }
                (*last, *torn, *open) = (head, Vec::new(), false);
            }
        }
        self.lost = 0;
        Ok(seqs)
    }

    fn tail(&self) -> io::Result<Tail> {
        match &self.state {
            State::Stream { head, torn, open } => {
                Ok(Tail { head: *head, torn: Some(torn.clone()).filter(|torn| !torn.is_empty()), open: *open })
            }
            State::File { known, .. } => {
                let length = self.file.metadata()?.len();
                match known {
                    Some((known, head)) if *known == length => Ok(Tail { head: *head, torn: None, open: false }),
                    Some((known, _)) if *known > length => Err(io::Error::other("somebody has cut it off")),
                    _ => tail(&self.file, length),
                }
            }
        }
    }

    /// Locks the file against other processes until the returned value is dropped.
    fn locked(&self) -> io::Result<Option<Lock>> {
        if let State::Stream { .. } = self.state {
            return Ok(None);
        }
        private_file::lock(&self.file, LOCK_TIMEOUT)?;
        Ok(Some(Lock(Arc::clone(&self.file))))
    }
}

struct Lock(Arc<File>);

impl Drop for Lock {
    fn drop(&mut self) {
        // Fails only for a file that is not open.
        let _ = self.0.unlock();
    }
}

/// Writes everything; returns the number of bytes written, also on failure.
fn write_all(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Reads the end of a file.
fn tail(file: &File, length: u64) -> io::Result<Tail> {
    let mut wanted = TAIL_BYTES;
    loop {
        let from = length.saturating_sub(wanted);
        let mut bytes = vec![0; usize::try_from(length - from).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, from)?;
        // A line cut at the beginning is skipped.
        let first =
            if from == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1) };
        if let Some(tail) = Tail::of(&bytes[first..], from == 0)? {
            return Ok(tail);
        }
        if wanted >= TAIL_LIMIT {
            return Err(not_ours());
        }
        wanted *= 4;
    }
}

impl Tail {
    /// Finds the end of the chain in these bytes, which begin with a line; none when more of the file is needed.
    fn of(bytes: &[u8], everything: bool) -> io::Result<Option<Self>> {
        let mut end = bytes.len();
        let (head, rest) = loop {
            let start = bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if line::is_whole(&bytes[start..end]) {
                let head = line::claimed(&bytes[start..end]).ok_or_else(not_ours)?;
                break (head, bytes.get(end + 1..).unwrap_or_default());
            }
            if start == 0 {
                if everything {
                    break (Head::START, bytes);
                }
                return Ok(None);
            }
            end = start - 1;
        };
        let open = bytes.last().is_some_and(|byte| *byte != b'\n');
        if rest.is_empty() {
            return Ok(Some(Self { head, torn: None, open }));
        }
        // Lines of another program must not be taken for torn lines of this log.
        let mut pieces = rest.strip_suffix(b"\n").unwrap_or(rest).split(|byte| *byte == b'\n').peekable();
        let mut first = head == Head::START;
        while let Some(piece) = pieces.next() {
            let cut_off = open && pieces.peek().is_none() && !first;
            if !cut_off && !line::is_begun(piece) {
                return Err(not_ours());
            }
            first = false;
        }
        let torn = rest.strip_suffix(b"\n").unwrap_or(rest).to_vec();
        Ok(Some(Self { head, torn: Some(torn), open }))
    }
}

fn not_ours() -> io::Error {
    io::Error::other("it holds what is no audit log: name another file, or move this one away and verify it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: u64) -> (Vec<u8>, Head) {
        let mut text = Vec::new();
        let head = (0..count).fold(Head::START, |head, number| {
            line::write(head, Timestamp::UNIX_EPOCH, &Event::new("test").with("number", number), &mut text)
        });
        (text, head)
    }

    fn tail_of(bytes: &[u8]) -> io::Result<Tail> {
        Tail::of(bytes, true).map(|tail| tail.expect("everything was given"))
    }

    #[test]
    fn a_reopened_log_continues_the_chain_after_its_last_line() {
        assert_eq!(tail_of(b"").unwrap(), Tail { head: Head::START, torn: None, open: false });
        let (text, head) = lines(3);
        assert_eq!(tail_of(&text).unwrap(), Tail { head, torn: None, open: false });
        // All but the line feed arrived.
        assert_eq!(tail_of(&text[..text.len() - 1]).unwrap(), Tail { head, torn: None, open: true });
    }

    #[test]
    fn an_incomplete_last_line_is_recognised_as_torn() {
        let (text, head) = lines(2);
        for left in [&b"{"[..], b"{\"seq\":3,\"ti", b"{\"seq\":3,\"ti\n{\"seq", b"\0\0\0"] {
            let tail = tail_of(&[&text[..], left].concat()).unwrap();
            assert_eq!(tail, Tail { head, torn: Some(left.to_vec()), open: true });
        }
        let tail = tail_of(&[&text[..], b"{\"seq\":3\n"].concat()).unwrap();
        assert_eq!(tail, Tail { head, torn: Some(b"{\"seq\":3".to_vec()), open: false });
        assert_eq!(tail_of(b"{\"se").unwrap().head, Head::START);
    }

    #[test]
    fn a_file_that_is_no_audit_log_is_not_appended_to() {
        let (text, _) = lines(2);
        for other in [&b"root:x:0:0\n"[..], b"hello", b"\n", b"{\"seq\":1}\nhello\n"] {
            assert!(tail_of(other).is_err(), "{other:?}");
            if other.ends_with(b"\n") {
                assert!(tail_of(&[&text[..], other].concat()).is_err(), "{other:?}");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "not a log\n").unwrap();
        assert!(Chain::open(&path).unwrap_err().to_string().contains("no audit log"));
        assert_eq!(std::fs::read(&path).unwrap(), b"not a log\n");
    }
}
