//! Replay of a cassette call by call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archon_pool_contract::fault::Fault;

use super::fault::mismatch;
use super::format::{Call, Cassette, Header};
use super::replayer::Replayer;

/// Replays a cassette: the n-th call of a component is answered from its n-th call. Clones share the position.
#[derive(Debug, Clone)]
pub struct Replay {
    header: Arc<Header>,
    calls: Arc<Mutex<VecDeque<Call>>>,
}

impl Replay {
    /// Replays a cassette from its beginning.
    pub fn new(cassette: Cassette) -> Self {
        let Cassette { header, calls } = cassette;
        Self { header: Arc::new(header), calls: Arc::new(Mutex::new(calls.into())) }
    }

    /// Returns the cassette's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the input of the next call; none at the end.
    pub fn next_input(&self) -> Option<String> {
        self.locked().front().map(|call| call.input.clone())
    }

    /// Takes the next call, which must be one of this function.
    pub(crate) fn take(&self, function: &str) -> Result<Replayer, Fault> {
        let mut calls = self.locked();
        let next = calls.front().ok_or_else(|| mismatch("the cassette has no more calls"))?;
        if next.function != function {
            let recorded = next.function.escape_debug();
            return Err(mismatch(format!("the cassette's next call is of {recorded} and not of {function}")));
        }
        Ok(Replayer::new(calls.pop_front().map(|call| call.exchanges).unwrap_or_default()))
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
