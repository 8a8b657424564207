//! Locking of a file or folder against other processes, for a limited time.

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Locks a file until it is closed or unlocked. Blocks the thread; fails when another process holds the lock longer.
pub fn lock(file: &File, timeout: Duration) -> io::Result<()> {
    let (started, mut pause) = (Instant::now(), Duration::from_micros(100));
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if started.elapsed() > timeout => {
                let message = format!("another process has locked it for {} s", timeout.as_secs());
                return Err(io::Error::other(message));
            }
            Err(TryLockError::WouldBlock) => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(10));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_refused_after_a_wait() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [one, other] = [(); 2].map(|()| File::open(file.path()).unwrap());
        lock(&one, Duration::ZERO).unwrap();
        assert!(lock(&other, Duration::from_millis(20)).unwrap_err().to_string().contains("another process"));
        one.unlock().unwrap();
        lock(&other, Duration::ZERO).unwrap();
    }
}
