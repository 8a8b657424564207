//! Which cases the weights may learn from. The rule is fixed, and is the method's honesty: tuning looks at
//! [`Split::Train`] alone.

use crate::kinds::{self, Kind};

/// From how many numbers the cases that test are drawn, half of which are odd.
pub const CASES: u32 = 1_000;
/// From how many numbers those that teach are drawn, half of which are even. There are more of them, because the rare
/// accidents that a whole pool goes through are a handful in five hundred cases.
pub const TEACHING: u32 = 4_000;
/// How often the test half has been looked at and something was changed afterwards. Each time it is drawn anew, from
/// numbers that nobody has looked at; `README.md` has what was seen.
pub const LOOKED_AT: u32 = 4;

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
            Self::Train => 0..TEACHING,
            Self::Test => LOOKED_AT * CASES..(LOOKED_AT + 1) * CASES,
        };
        drawn.filter(move |&number| Self::of(number) == self)
    }

    /// The kinds that may occur.
    pub fn kinds(self) -> Vec<&'static Kind> {
        kinds::ALL.iter().filter(|kind| self == Self::Test || !kind.held_out).collect()
    }
}
