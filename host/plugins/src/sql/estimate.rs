//! Estimates of a value's cost before the server computes it: the size of its expression, its length, and its number of
//! distinct values.
//!
//! The planner replaces each use of a subquery's column by the column's expression, so that nested subqueries multiply:
//! their columns weigh as much as all that they refer to, and hold as much memory ([`super::memory`]). And a backend
//! caches some values for its lifetime (time zones, names of relations and roles that were looked up, patterns): those
//! must come from the text or from a table.

use std::ops::AddAssign;

/// Bytes of all parameters of an unapproved statement: each may be in the answer many times.
pub(crate) const PARAMETER_BYTES: usize = 4_096;

/// Heaviest statement. PostgreSQL 15 took 0.8 KiB for each unit in nested sums, 1.2 KiB in `BETWEEN` and `IN`, and
/// 250 KiB for each relation of a subquery that stands for a value: 13 MiB for the heaviest that is admitted.
pub(super) const MOST: u64 = 10_000;
/// Weight of a relation where its query is planned; it may be a view of several.
pub(super) const RELATION: u64 = 300;

/// Bytes of a column, except the following ones: a name, a number, a time.
const COLUMN_BYTES: u64 = 64;
/// Bytes of `pg_stat_activity.query`: four times what `track_activity_query_size` is by default.
const QUERY_BYTES: u64 = 4_096;
/// Bytes of a client's host name, which DNS bounds, and of a prepared transaction's.
const HOST_BYTES: u64 = 1_025;
/// Bytes of a row of a relation as one value.
const ROW_BYTES: u64 = 2 * QUERY_BYTES;

/// Copies of a value that a computation makes, or four bytes a character.
const COPIES: u64 = 8;
/// Copies of a value that a conversion to JSON makes, whose parts take 40 bytes and more.
const JSON_COPIES: u64 = 64;
/// Factor by which a value becomes longer as JSON.
const JSON_GROWTH: u64 = 8;
/// Digits that a division adds at most.
const DIVISION_DIGITS: u64 = 1_000;

/// Cost of an expression or a query for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Work {
    /// The size of the planned expressions and of the values for one row: about a KiB each.
    pub(super) weight: u64,
    /// Memory that the plan's nodes hold until the statement ends, KiB.
    pub(super) held_kib: u64,
}

impl Work {
    /// Returns the work of a plan node that holds memory.
    pub(super) fn holding(held_kib: u64) -> Self {
        Self { weight: 0, held_kib }
    }

    fn times(self, count: u64) -> Self {
        Self { weight: self.weight.saturating_mul(count), held_kib: self.held_kib.saturating_mul(count) }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.weight = self.weight.saturating_add(other.weight);
        self.held_kib = self.held_kib.saturating_add(other.held_kib);
    }
}

/// Origin of a value, by its number of distinct values. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The text itself, a parameter, or a column of a table.
    Stored,
    /// A computation that never returns a text.
    Number,
    /// A computation that may return a text.
    Computed,
}

/// The cost of a value, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    pub(super) work: Work,
    /// Maximum size of the value, bytes.
    pub(super) bytes: u64,
    pub(super) origin: Origin,
}

impl Estimate {
    /// No value.
    pub(super) const NOTHING: Self = Self { work: Work { weight: 0, held_kib: 0 }, bytes: 0, origin: Origin::Stored };
    /// A row of a relation as a whole.
    pub(super) const ROW: Self = Self::stored(ROW_BYTES);
    /// A value of an unbound name, which the end of the walk refuses.
    pub(super) const UNKNOWN: Self = Self { origin: Origin::Computed, ..Self::stored(COLUMN_BYTES) };
    /// A value of the session, or of a function in `FROM`.
    pub(super) const VALUE: Self = Self::stored(COLUMN_BYTES);

    /// Returns the estimate of a literal, a parameter or a column of a relation, of this many bytes.
    pub(super) const fn stored(bytes: u64) -> Self {
        Self { work: Work { weight: 1 + bytes / 1024, held_kib: 0 }, bytes, origin: Origin::Stored }
    }

    /// Returns the estimate of a column of a relation.
    pub(super) fn column(name: &str) -> Self {
        Self::stored(match name {
            "query" => QUERY_BYTES,
            "client_hostname" | "gid" => HOST_BYTES,
            _ => COLUMN_BYTES,
        })
    }

    /// Combines two values that both occur.
    pub(super) fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), ..self.or(other) }
    }

    /// Combines two values of which one occurs.
    pub(super) fn or(self, other: Self) -> Self {
        let mut work = self.work;
        work += other.work;
        Self { work, bytes: self.bytes.max(other.bytes), origin: self.origin.max(other.origin) }
    }

    /// Repeats the value, as often as the parser repeats it.
    pub(super) fn times(self, count: usize) -> Self {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        Self { work: self.work.times(count), bytes: self.bytes.saturating_mul(count), ..self }
    }

    /// Returns the estimate of a value computed from it that is no longer.
    pub(super) fn into(self, origin: Origin) -> Self {
        self.copied(COPIES, origin)
    }

    /// Returns the estimate of a value computed from it, with the same origin.
    pub(super) fn kept(self) -> Self {
        self.into(self.origin)
    }

    /// Returns the estimate of a boolean computed from it.
    pub(super) fn truth(self) -> Self {
        Self { bytes: 1, ..self.into(Origin::Number) }
    }

    /// Returns the estimate of its conversion to JSON.
    pub(super) fn json(self, origin: Origin) -> Self {
        Self { bytes: self.bytes.saturating_mul(JSON_GROWTH), ..self.copied(JSON_COPIES, origin) }
    }

    /// Returns the estimate of a quotient.
    pub(super) fn divided(self) -> Self {
        self.of(self.bytes.saturating_add(DIVISION_DIGITS))
    }

    /// Sets the size in bytes.
    pub(super) fn of(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    fn copied(self, copies: u64, origin: Origin) -> Self {
        let made = 1 + self.bytes.saturating_mul(copies) / 1024;
        let work = Work { weight: self.work.weight.saturating_add(made), ..self.work };
        Self { work, origin, ..self }
    }
}
