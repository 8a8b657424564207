//! Routes of another crate, served until a signal ends it.

use archon_pool_contract::fault::Fault;
use axum::Router;

use crate::access::Access;
use crate::http::{Bound, others};
use crate::lifecycle::{Event, Signals};
use crate::remarks::Remarks;

/// An address with the routes that are served there.
#[derive(Debug)]
pub struct Endpoint {
    /// Address, and what clients must present.
    pub access: Access,
    /// Receiver of remarks.
    pub remarks: Remarks,
}

impl Endpoint {
    /// Answers requests until SIGTERM or SIGINT, and reads token and certificates again at SIGHUP. `path` is shown.
    pub async fn run(self, routes: Router, path: &str) -> Result<(), Fault> {
        let Self { access, remarks } = self;
        let mut signals = Signals::listen()?;
        let bound = Bound::open(access).await?;
        remarks.say(&format!("{}{path}", bound.address()));
        let server = others::start(bound, routes);
        while signals.next().await == Event::Reload {
            match server.reload() {
                Ok(()) => remarks.say("token and certificates read again"),
                Err(fault) => remarks.say(&format!("not read again, the earlier ones stay: {}", fault.message)),
            }
        }
        server.end().await;
        Ok(())
    }
}
