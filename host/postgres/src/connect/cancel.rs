//! Cancelling of the statement that runs in a connection.

use tokio::io::AsyncReadExt as _;
use tokio_postgres::CancelToken;

use super::dial::{self, Opened, Place};
use crate::error;
use crate::target::SslNegotiation;
use crate::tls::Connector;
use crate::wire::{Filter, Filtered, PreparedTls};

/// Cancels the running statement, at the address and with the encryption of its connection.
pub(super) struct Cancel {
    pub(super) token: CancelToken,
    pub(super) place: Place,
    pub(super) host: String,
    pub(super) tls: Option<Connector>,
    pub(super) negotiation: SslNegotiation,
}

impl Cancel {
    /// Sends the request. Returns when the server has received it and closes the connection.
    pub(super) async fn send(self) -> Result<(), String> {
        let opened = dial::open(&self.place, &self.host, self.tls.as_ref(), self.negotiation).await;
        let stream = match opened.map_err(|error| error.to_string())? {
            Opened::Tls(stream, _) => stream,
            Opened::Plain(stream) if self.tls.is_none() => stream,
            Opened::Plain(_) => return Err("the server offers no TLS any more".to_owned()),
            Opened::Refused(_, said) => return Err(said),
        };
        let mut stream = Filtered::new(stream, None, Filter::default());
        let sent = self.token.cancel_query_raw(&mut stream, PreparedTls).await;
        sent.map_err(|error| error::chain(&error))?;
        // No answer is expected, so one byte is as good as the end.
        let _ = stream.read(&mut [0]).await;
        Ok(())
    }
}
