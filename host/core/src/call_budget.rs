//! Limits on the data that one call reads and sends, counted over all of its statements.

use std::sync::atomic::{AtomicUsize, Ordering};

use archon_pool_contract::columns::Unfit;
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::{Cell, Value};

use crate::limits::{LimitError, Limits};

/// Remaining rows and bytes of one call. Statements of a batch run concurrently and share it.
#[derive(Debug)]
pub struct CallBudget {
    rows: AtomicUsize,
    bytes: AtomicUsize,
    requested: AtomicUsize,
    limits: (usize, usize, usize),
}

impl CallBudget {
    /// Creates the budget that the limits of a call allow.
    pub fn new(limits: &Limits) -> Self {
        Self {
            rows: AtomicUsize::new(limits.answer_rows),
            bytes: AtomicUsize::new(limits.answer_bytes),
            requested: AtomicUsize::new(0),
            limits: (limits.answer_rows, limits.answer_bytes, limits.request_bytes),
        }
    }

    /// Takes one row of this size; returns false if it does not fit.
    ///
    /// A row that does not fit ends the budget: returning only later rows that happen to fit would be an arbitrary
    /// selection.
    pub fn take_row(&self, bytes: usize) -> bool {
        let taken = take(&self.bytes, bytes) && take(&self.rows, 1);
        if !taken {
            self.bytes.store(0, Ordering::Relaxed);
        }
        taken
    }

    /// Appends a row to a row set; returns false, and notes that rows are missing, if it has `max_rows` or the row does
    /// not fit the budget. Fails where the row does not fit the columns.
    pub fn append<'a>(
        &self,
        set: &mut RowSet,
        max_rows: u32,
        row: impl Iterator<Item = Cell<'a>> + Clone,
    ) -> Result<bool, Unfit> {
        if set.count >= max_rows as usize || !self.take_row(weight(row.clone())) {
            set.truncated = true;
            return Ok(false);
        }
        set.push(row).map(|()| true)
    }

    /// Shortens a row set to the rows that fit the budget, at most `max_rows`.
    pub fn cut(&self, set: &mut RowSet, max_rows: u32) {
        let most = set.count.min(max_rows as usize);
        let kept = (0..most).take_while(|&row| self.take_row(weight(set.row(row)))).count();
        set.cut(kept);
    }

    /// Checks that rows and bytes are left.
    pub fn check(&self) -> Result<(), LimitError> {
        let (rows, bytes, _) = self.limits;
        if self.rows.load(Ordering::Relaxed) == 0 {
            Err(LimitError::AnswerRows(rows))
        } else if self.bytes.load(Ordering::Relaxed) == 0 {
            Err(LimitError::AnswerBytes(bytes))
        } else {
            Ok(())
        }
    }

    /// Counts bytes that the component passes to the host.
    pub fn request(&self, bytes: usize) -> Result<(), LimitError> {
        let limit = self.limits.2;
        let wanted = self.requested.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if wanted > limit { Err(LimitError::RequestBytes { wanted, limit }) } else { Ok(()) }
    }
}

/// Returns the size of a row in memory, bytes.
fn weight<'a>(row: impl Iterator<Item = Cell<'a>>) -> usize {
    row.map(|cell| cell.weight() + size_of::<Value>()).sum()
}

fn take(from: &AtomicUsize, amount: usize) -> bool {
    from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(answer_rows: usize, answer_bytes: usize) -> CallBudget {
        CallBudget::new(&Limits { answer_rows, answer_bytes, request_bytes: 10, ..Limits::default() })
    }

    #[test]
    fn rows_and_bytes_are_counted_over_the_call() {
        let few = budget(2, 1_000);
        assert!(few.take_row(10) && few.take_row(10));
        assert_eq!(few.check(), Err(LimitError::AnswerRows(2)));
        assert!(!few.take_row(10));
        let small = budget(100, 25);
        assert!(small.take_row(10) && small.take_row(10) && !small.take_row(10));
        assert_eq!(small.check(), Err(LimitError::AnswerBytes(25)));
    }

    #[test]
    fn arguments_are_counted_too() {
        let budget = budget(1, 1);
        assert_eq!(budget.request(6), Ok(()));
        assert_eq!(budget.request(6), Err(LimitError::RequestBytes { wanted: 12, limit: 10 }));
        assert_eq!(budget.request(usize::MAX), Err(LimitError::RequestBytes { wanted: usize::MAX, limit: 10 }));
    }
}
