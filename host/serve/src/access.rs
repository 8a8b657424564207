//! Address of the server: one of this machine alone.

use std::net::SocketAddr;

use archon_pool_contract::fault::{Fault, kind};
use tokio::net::TcpListener;

/// Address of the server.
#[derive(Debug, Clone)]
pub struct Access {
    /// Address to listen on.
    pub listen: SocketAddr,
}

impl Access {
    /// Refuses an address that other machines can reach.
    pub(crate) fn check(self) -> Result<Self, Fault> {
        if self.listen.ip().is_loopback() {
            return Ok(self);
        }
        let message = format!("--listen {}: other machines can reach this address: use 127.0.0.1 or ::1", self.listen);
        Err(Fault::invalid(message))
    }

    pub(crate) async fn bind(&self) -> Result<TcpListener, Fault> {
        TcpListener::bind(self.listen).await.map_err(|error| {
            Fault::new(kind::OVERLOADED, format!("--listen {}: the address cannot be used: {error}", self.listen))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_other_machines_reach_is_refused() {
        let checked = |address: &str| Access { listen: address.parse().expect("an address") }.check();
        for address in ["127.0.0.1:9788", "[::1]:9788", "127.8.8.8:1"] {
            assert!(checked(address).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:9788", "[::]:9788", "10.0.0.1:1"] {
            assert!(checked(address).is_err(), "{address}");
        }
    }
}
