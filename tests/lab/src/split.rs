//! Which cases the weights may learn from. The rule is fixed, and is the method's honesty: tuning looks at
//! [`Split::Train`] alone.

use crate::kinds::{self, Kind};

/// How many cases there are.
pub const CASES: u32 = 1_000;

/// Which half a case belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Weights are derived from these. Kinds that are held out never occur in them, not even as bystanders.
    Train,
    /// Reported. All kinds occur.
    Test,
}

impl Split {
    /// Even numbers teach, odd ones test.
    pub fn of(number: u32) -> Self {
        if number.is_multiple_of(2) { Self::Train } else { Self::Test }
    }

    /// The numbers of the first `cases` cases that belong to it.
    pub fn numbers(self, cases: u32) -> impl Iterator<Item = u32> {
        (0..cases).filter(move |&number| Self::of(number) == self)
    }

    /// The kinds that may occur.
    pub fn kinds(self) -> Vec<&'static Kind> {
        kinds::ALL.iter().filter(|kind| self == Self::Test || !kind.held_out).collect()
    }
}
