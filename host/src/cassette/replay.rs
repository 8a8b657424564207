//! A cassette that is played call by call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archon_pool_plugin::fault::Fault;

use super::{Call, Cassette, Header, Player, mismatch};

/// Plays a cassette: the n-th call of a component from its n-th call. Clones play the same one.
#[derive(Debug, Clone)]
pub struct Replay {
    header: Arc<Header>,
    calls: Arc<Mutex<VecDeque<Call>>>,
}

impl Replay {
    /// Plays a cassette from its beginning.
    pub fn new(cassette: Cassette) -> Self {
        let Cassette { header, calls } = cassette;
        Self { header: Arc::new(header), calls: Arc::new(Mutex::new(calls.into())) }
    }

    /// What was recorded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The input of the next call; none at the end.
    pub fn next_input(&self) -> Option<String> {
        self.locked().front().map(|call| call.input.clone())
    }

    /// The next call's imports, if it is one of this function.
    pub(crate) fn take(&self, function: &str) -> Result<Player, Fault> {
        let mut calls = self.locked();
        let next = calls.front().ok_or_else(|| mismatch("the cassette has no more calls"))?;
        if next.function != function {
            let recorded = next.function.escape_debug();
            return Err(mismatch(format!("the cassette's next call is of {recorded} and not of {function}")));
        }
        Ok(Player::new(calls.pop_front().map(|call| call.exchanges).unwrap_or_default()))
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
