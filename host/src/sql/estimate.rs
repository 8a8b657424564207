//! The work that a value makes, before the server computes it: how large its expression becomes, and how many distinct
//! values it can have.
//!
//! The planner replaces each use of a subquery's column by the column's expression, so that nested subqueries multiply:
//! their columns weigh as much as all that they refer to. And a backend keeps some values for as long as it lives (time
//! zones, names of relations and roles that it was asked for, patterns): those must come from the text or from a table.

/// Heaviest statement. PostgreSQL 15 took 0.8 KiB for each unit in nested sums, 1.2 KiB in `BETWEEN` and `IN`, and
/// 250 KiB for each relation of a subquery that stands for a value: 13 MiB for the heaviest that is admitted.
pub(super) const MOST: u64 = 10_000;
/// Weight of a relation, which may be a view of several, where its query is planned.
pub(super) const RELATION: u64 = 300;

/// Where a value comes from, by how many distinct values it can have. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The text itself, a parameter, or a column as a table has it.
    Stored,
    /// A computation, and certainly no text.
    Number,
    /// A computation, perhaps a text.
    Computed,
}

/// The work that a value makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    pub(super) weight: u64,
    pub(super) origin: Origin,
}

impl Estimate {
    /// A literal or a column of a relation.
    pub(super) const STORED: Self = Self { weight: 1, origin: Origin::Stored };
    /// A value of a name that is not bound: the end of the walk refuses it.
    pub(super) const UNKNOWN: Self = Self { weight: 1, origin: Origin::Computed };
    /// No value at all.
    pub(super) const NOTHING: Self = Self { weight: 0, origin: Origin::Stored };

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { weight: self.weight.saturating_add(other.weight), origin: self.origin.max(other.origin) }
    }

    /// The same, as often as the parser repeats it.
    pub(super) fn times(self, count: usize) -> Self {
        Self { weight: self.weight.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX)), ..self }
    }

    /// Something that is computed of it.
    pub(super) fn into(self, origin: Origin) -> Self {
        Self { weight: self.weight.saturating_add(1), origin }
    }

    /// Something of the same origin that is computed of it.
    pub(super) fn kept(self) -> Self {
        self.into(self.origin)
    }
}
