//! Splits cases and recordings into training and test data by a fixed rule: weights are fitted to [`Split::Train`] and
//! [`FITTED_LIBRARIES`] alone.

use std::ops::Range;

use crate::kinds::{self, Kind};

/// Range whose even numbers are training cases.
pub const TRAINING: Range<u32> = 0..4_000;
/// Range whose odd numbers are test cases. Whenever their results were seen before a change, a new range of unseen
/// numbers was chosen; `README.md` lists the results.
pub const TEST: Range<u32> = 32_000..36_000;

/// Libraries whose recordings the weights are fitted to: every other one by name. Those of the others are only scored.
pub const FITTED_LIBRARIES: [&str; 15] = [
    "asyncpg",
    "bb8",
    "connection-pool",
    "deadpool",
    "hikari",
    "pdo",
    "pg",
    "pgsql-persistent",
    "postgres",
    "psycopg-async-pool",
    "psycopg2",
    "sequelize",
    "sql-pq",
    "sqlx",
    "typeorm",
];

/// Half that a case belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Training cases. Held-out kinds never occur in them, not even as background.
    Train,
    /// Test cases, which are reported. All kinds occur.
    Test,
}

impl Split {
    /// Returns the split of a case: even numbers train, odd ones test.
    pub fn of(number: u32) -> Self {
        if number.is_multiple_of(2) { Self::Train } else { Self::Test }
    }

    /// Returns the numbers of its cases.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        let drawn = match self {
            Self::Train => TRAINING,
            Self::Test => TEST,
        };
        drawn.filter(move |&number| Self::of(number) == self)
    }

    /// Returns the kinds that may occur.
    pub fn kinds(self) -> Vec<&'static Kind> {
        kinds::ALL.iter().filter(|kind| self == Self::Test || !kind.held_out).collect()
    }
}
