//! The recording of one call.

use std::collections::HashMap;

use super::exchange::Exchange;
use super::format::{Call, End};
use super::normalise::Literals;

/// A call that has not ended.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    literals: Literals,
    function: String,
    input: String,
    exchanges: Vec<Exchange>,
    /// The handles that were created, for each kind of resource.
    pub(crate) credentials: Numbers,
    pub(crate) sessions: Numbers,
    pub(crate) consoles: Numbers,
}

impl Recording {
    /// Begins a call.
    pub(crate) fn begin(function: &str, input: &str, literals: Literals) -> Self {
        Self { literals, function: function.to_owned(), input: input.to_owned(), ..Self::default() }
    }

    /// Adds an exchange.
    pub(crate) fn add(&mut self, mut exchange: Exchange) {
        self.literals.remove(&mut exchange);
        self.exchanges.push(exchange);
    }

    /// Ends the call.
    pub(crate) fn end(self, end: End) -> Call {
        let Self { function, input, exchanges, .. } = self;
        Call { function, input, exchanges, end }
    }
}

/// Handles of one kind, numbered from 1 in the order in which they were created.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    last: u32,
    by_handle: HashMap<u32, u32>,
}

impl Numbers {
    /// Numbers a new handle; a slot of the table may have had others before.
    pub(crate) fn give(&mut self, handle: u32) -> u32 {
        self.last += 1;
        self.by_handle.insert(handle, self.last);
        self.last
    }

    /// Returns the number of a handle.
    pub(crate) fn of(&self, handle: u32) -> u32 {
        self.by_handle.get(&handle).copied().unwrap_or_default()
    }
}
