//! Which cases the weights may learn from. The rule is fixed, and is the method's honesty: tuning looks at
//! [`Split::Train`] alone.

use std::ops::Range;

use crate::kinds::{self, Kind};

/// The numbers whose even ones teach.
pub const TEACHING: Range<u32> = 0..4_000;
/// The numbers whose odd ones test. Whenever these were looked at and something was changed afterwards, they were drawn
/// anew, from numbers that nobody had looked at; `README.md` has what was seen.
pub const TESTING: Range<u32> = 32_000..36_000;

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

    /// The numbers of its cases.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        let drawn = match self {
            Self::Train => TEACHING,
            Self::Test => TESTING,
        };
        drawn.filter(move |&number| Self::of(number) == self)
    }

    /// The kinds that may occur.
    pub fn kinds(self) -> Vec<&'static Kind> {
        kinds::ALL.iter().filter(|kind| self == Self::Test || !kind.held_out).collect()
    }
}
