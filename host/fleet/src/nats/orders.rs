//! The kill budget of a fleet: a stream of orders that the engine bounds for each target and in all, on its own clock.

use std::time::{Duration, SystemTime};

use archon_pool_contract::host_api::Order;
use archon_pool_core::budget::Reserved;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::kv::{Operation, Store};
use async_nats::jetstream::message::PublishMessage;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::connection::Engine;
use super::streams::{CONTROL, ORDERS};
use crate::error::{BoardError, failed};

/// Time for which an order takes a place, and age from which the ledger counts: a younger one has not seen all orders of
/// the last hour.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Key of the word that stops all kills.
const KILLS: &str = "kills";

/// Key that is written to read the engine's clock.
const CLOCK: &str = "clock";

/// The ledger of orders.
#[derive(Debug, Clone)]
pub struct Ledger {
    engine: Engine,
    control: Store,
    worker: String,
    /// Age from which it counts.
    least_age: Duration,
}

impl Ledger {
    /// Opens the ledger. Kills are refused while it is younger than `least_age`: [`HOUR`].
    ///
    /// # Errors
    ///
    /// Fails if the fleet was not initialised.
    pub async fn open(engine: &Engine, worker: &str, least_age: Duration) -> Result<Self, BoardError> {
        let control = engine.bucket(CONTROL).await?;
        Ok(Self { engine: engine.clone(), control, worker: worker.to_owned(), least_age })
    }

    /// Takes a place for each order against this target, in their order. Without the engine's word nothing is granted.
    pub async fn reserve(&self, id: &str, orders: &[Order]) -> Reserved {
        if let Err(refusal) = self.admits().await {
            return Reserved { granted: 0, refusal };
        }
        for (granted, order) in orders.iter().enumerate() {
            if let Err(refusal) = self.take(id, order).await {
                return Reserved { granted, refusal };
            }
        }
        Reserved { granted: orders.len(), refusal: String::new() }
    }

    /// Checks that kills are allowed, and that the ledger is old enough.
    async fn admits(&self) -> Result<(), String> {
        let away = |error: BoardError| format!("the fleet's budget cannot be asked: {error}");
        if let Some(reason) = self.engine.kills_stopped_in(&self.control).await.map_err(away)? {
            return Err(format!("kills are stopped in this fleet: {reason}; `archon-pool fleet kills allow`"));
        }
        let age = self.age().await.map_err(away)?;
        if age < self.least_age {
            let left = (self.least_age - age).as_secs().div_ceil(60);
            return Err(format!(
                "the fleet's budget is new, and may not know all kills of the last hour: {left} min left"
            ));
        }
        Ok(())
    }

    /// Returns the age of the ledger on the engine's clock.
    async fn age(&self) -> Result<Duration, BoardError> {
        let stream = self.engine.context.get_stream(ORDERS).await.map_err(|error| failed(ORDERS, error))?;
        let created = stream.cached_info().created;
        self.control.put(CLOCK, self.worker.clone().into()).await.map_err(|error| failed(CONTROL, error))?;
        // Another worker's, if that came in between: the engine's time is as good.
        let entry = self.control.entry(CLOCK).await.map_err(|error| failed(CONTROL, error))?;
        let now = entry.ok_or_else(|| failed(CONTROL, "the clock could not be read"))?.created;
        Ok(SystemTime::from(now).duration_since(SystemTime::from(created)).unwrap_or_default())
    }

    /// Takes a place for one order; one that was taken before is granted again.
    async fn take(&self, id: &str, order: &Order) -> Result<(), String> {
        let Order { target, state, state_change, reason } = order;
        let body = json!({
            "v": 1, "id": id, "worker": self.worker, "pid": target.pid, "backendStart": target.backend_start,
            "state": state, "stateChange": state_change, "reason": reason,
        });
        let publish = PublishMessage::build().payload(body.to_string().into()).message_id(identity(id, order));
        let sent = self.engine.context.send_publish(format!("fleet.order.{id}"), publish).await;
        let refusal = match sent {
            Ok(sent) => match sent.await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let text = std::error::Error::source(&refusal).map(ToString::to_string).unwrap_or_default();
        Err(match refusal.kind() {
            PublishErrorKind::Other if text.contains("per subject") => {
                "the fleet's budget for this database is used up: `fleet init --kills-per-database`".to_owned()
            }
            PublishErrorKind::Other if text.contains("maximum messages") => {
                "the fleet's budget is used up: `fleet init --kills`".to_owned()
            }
            _ => format!("the fleet's budget cannot be asked: {refusal}"),
        })
    }
}

impl Engine {
    /// Stops all kills of the fleet for a reason, or allows them again.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn stop_kills(&self, reason: Option<&str>) -> Result<(), BoardError> {
        let control = self.bucket(CONTROL).await?;
        let changed = match reason {
            Some(reason) => {
                control.put(KILLS, reason.to_owned().into()).await.map(drop).map_err(|error| error.to_string())
            }
            None => control.delete(KILLS).await.map_err(|error| error.to_string()),
        };
        changed.map_err(|error| failed(CONTROL, error))
    }

    /// Returns the reason for which kills are stopped; none while they are allowed.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn kills_stopped(&self) -> Result<Option<String>, BoardError> {
        let control = self.bucket(CONTROL).await?;
        self.kills_stopped_in(&control).await
    }

    async fn kills_stopped_in(&self, control: &Store) -> Result<Option<String>, BoardError> {
        let entry = control.entry(KILLS).await.map_err(|error| failed(CONTROL, error))?;
        let stopped = entry.filter(|entry| entry.operation == Operation::Put);
        Ok(stopped.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()))
    }

    /// Returns the number of places that are taken: orders of the last hour.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not answer.
    pub async fn kills(&self) -> Result<u64, BoardError> {
        let stream = self.context.get_stream(ORDERS).await.map_err(|error| failed(ORDERS, error))?;
        Ok(stream.cached_info().state.messages)
    }
}

/// Returns the identity of an order: the session in the state in which it was seen.
fn identity(id: &str, order: &Order) -> String {
    let Order { target, state_change, .. } = order;
    let text = format!("{id}\0{}\0{}\0{state_change}", target.pid, target.backend_start);
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use archon_pool_contract::snapshot::SessionKey;

    use super::*;

    #[test]
    fn an_order_is_another_once_its_session_was_used() {
        let order = |state_change| Order {
            target: SessionKey { pid: 7, backend_start: 1 },
            state: "idle".to_owned(),
            state_change,
            reason: String::new(),
        };
        assert_eq!(identity("shop", &order(1)), identity("shop", &order(1)));
        assert_ne!(identity("shop", &order(1)), identity("shop", &order(2)));
        assert_ne!(identity("shop", &order(1)), identity("other", &order(1)));
    }
}
