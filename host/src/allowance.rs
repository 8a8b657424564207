//! What one call may still read and say, counted over all of its statements.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::{Limits, Reached};

/// What is left to one call. Statements of a batch are answered at the same time and share it.
#[derive(Debug)]
pub(crate) struct Allowance {
    rows: AtomicUsize,
    bytes: AtomicUsize,
    requested: AtomicUsize,
    limits: (usize, usize, usize),
}

impl Allowance {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            rows: AtomicUsize::new(limits.answer_rows),
            bytes: AtomicUsize::new(limits.answer_bytes),
            requested: AtomicUsize::new(0),
            limits: (limits.answer_rows, limits.answer_bytes, limits.request_bytes),
        }
    }

    /// Takes one row of so many bytes, or says that there is no room for it.
    ///
    /// A row that does not fit ends the allowance: what fits behind it would be a selection that nobody
    /// asked for.
    pub(crate) fn take_row(&self, bytes: usize) -> bool {
        let taken = take(&self.bytes, bytes) && take(&self.rows, 1);
        if !taken {
            self.bytes.store(0, Ordering::Relaxed);
        }
        taken
    }

    /// Whether anything may still be read.
    pub(crate) fn check(&self) -> Result<(), Reached> {
        let (rows, bytes, _) = self.limits;
        if self.rows.load(Ordering::Relaxed) == 0 {
            Err(Reached::AnswerRows(rows))
        } else if self.bytes.load(Ordering::Relaxed) == 0 {
            Err(Reached::AnswerBytes(bytes))
        } else {
            Ok(())
        }
    }

    /// Counts what the component gives the host.
    pub(crate) fn request(&self, bytes: usize) -> Result<(), Reached> {
        let limit = self.limits.2;
        let wanted = self.requested.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if wanted > limit { Err(Reached::RequestBytes { wanted, limit }) } else { Ok(()) }
    }
}

fn take(from: &AtomicUsize, amount: usize) -> bool {
    from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(answer_rows: usize, answer_bytes: usize) -> Allowance {
        Allowance::new(&Limits { answer_rows, answer_bytes, request_bytes: 10, ..Limits::default() })
    }

    #[test]
    fn rows_and_bytes_are_counted_over_the_call() {
        let few = allowance(2, 1_000);
        assert!(few.take_row(10) && few.take_row(10));
        assert_eq!(few.check(), Err(Reached::AnswerRows(2)));
        assert!(!few.take_row(10));
        let small = allowance(100, 25);
        assert!(small.take_row(10) && small.take_row(10) && !small.take_row(10));
        assert_eq!(small.check(), Err(Reached::AnswerBytes(25)));
    }

    #[test]
    fn what_is_given_is_counted_too() {
        let allowance = allowance(1, 1);
        assert_eq!(allowance.request(6), Ok(()));
        assert_eq!(allowance.request(6), Err(Reached::RequestBytes { wanted: 12, limit: 10 }));
        assert_eq!(allowance.request(usize::MAX), Err(Reached::RequestBytes { wanted: usize::MAX, limit: 10 }));
    }
}
