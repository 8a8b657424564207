//! A stream that counts the bytes read, and yields between its reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use archon_pool_postgres::connect::Bytes;

/// Bytes that may still be read.
#[derive(Debug, Default)]
pub(super) struct Budget {
    left: AtomicUsize,
    exceeded: AtomicBool,
}

impl Budget {
    /// Allows this many bytes from now on.
    pub(super) fn allow(&self, bytes: usize) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// Returns true if more bytes were received.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        let Some(left) = left.checked_sub(bytes) else {
            self.exceeded.store(true, Ordering::Relaxed);
            return Err(io::Error::other("more bytes than allowed"));
        };
        self.left.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// A stream whose reads are counted.
pub(super) struct Counted {
    inner: Box<dyn Bytes>,
    budget: Arc<Budget>,
    has_read: bool,
}

impl Counted {
    pub(super) fn new(inner: Box<dyn Bytes>, budget: Arc<Budget>) -> Self {
        Self { inner, budget, has_read: false }
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A reader that loops as long as it receives data, as hyper does over `100 Continue`, could not be interrupted:
        // after each read it has to yield.
        if std::mem::take(&mut self.has_read) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.has_read = true;
        Poll::Ready(self.budget.take(buf.filled().len() - before))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn the_reader_yields_after_each_read_and_stops_at_the_budget() {
        let (near, mut far) = tokio::io::duplex(64);
        let budget = Arc::new(Budget::default());
        budget.allow(8);
        let mut counted = Counted::new(Box::new(near), Arc::clone(&budget));
        far.write_all(b"12345678").await.unwrap();
        let mut four = [0; 4];
        counted.read_exact(&mut four).await.unwrap();
        {
            let mut reading = std::pin::pin!(counted.read_exact(&mut four));
            let polled = reading.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "it lets others have the processor");
            reading.await.unwrap();
        }
        assert!(!budget.is_exceeded());
        far.write_all(b"9").await.unwrap();
        counted.read_exact(&mut four).await.unwrap_err();
        assert!(budget.is_exceeded());
    }
}
