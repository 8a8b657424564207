//! Streams for the driver: filtered, and with TLS that is already set up, or none.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready as polled};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::filter::Filter;

/// Size of a read.
const CHUNK: usize = 16 << 10;

/// A stream whose incoming messages pass a filter.
#[derive(Debug)]
pub(crate) struct Filtered<S> {
    inner: S,
    /// `tls-server-end-point` of the server's certificate, where SCRAM may be bound to it.
    channel_binding: Option<Vec<u8>>,
    filter: Filter,
    chunk: Box<[u8]>,
    ready: BytesMut,
}

impl<S> Filtered<S> {
    /// Filters the bytes that `inner` receives.
    pub(crate) fn new(inner: S, channel_binding: Option<Vec<u8>>, filter: Filter) -> Self {
        Self { inner, channel_binding, filter, chunk: vec![0; CHUNK].into(), ready: BytesMut::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Filtered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ready.is_empty() {
            let mut chunk = ReadBuf::new(&mut this.chunk);
            polled!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.filter.push(chunk.filled(), &mut this.ready)?;
        }
        let count = this.ready.len().min(buf.remaining());
        buf.put_slice(&this.ready[..count]);
        this.ready.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Filtered<S> {
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

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Filtered<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding.clone().map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// By reference, for a caller that continues to read from it.
impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for &mut Filtered<S> {
    fn channel_binding(&self) -> ChannelBinding {
        (**self).channel_binding()
    }
}

/// Passes the driver a stream whose encryption is set up already.
#[derive(Debug)]
pub(crate) struct PreparedTls;

impl<S: TlsStream + Unpin> TlsConnect<S> for PreparedTls {
    type Stream = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(stream))
    }
}
