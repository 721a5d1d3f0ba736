use std::fmt;

use crate::Error;

/// A reserved range of invocation counters, `next..end`.
///
/// A counter is spent the moment it is taken, whether or not the APDU ever leaves: under one key no
/// counter may be used twice (NIST SP 800-38D, 8). The type is therefore not `Clone`; who wants to
/// go on later makes a new range from [`next`](Self::next) and the end reserved.
pub struct Counters {
    next: u32,
    end: u32,
}

impl Counters {
    /// The range from `next` up to, not including, `end`. Empty when `end` is not above `next`.
    pub const fn new(next: u32, end: u32) -> Self {
        Self { next, end }
    }

    /// Spends one counter.
    ///
    /// # Errors
    /// [`Error::CountersSpent`] when none is left; the range must be reserved anew.
    pub fn take(&mut self) -> Result<u32, Error> {
        if self.left() == 0 {
            return Err(Error::CountersSpent);
        }
        let taken = self.next;
        self.next += 1;
        Ok(taken)
    }

    /// How many counters are left.
    pub const fn left(&self) -> u32 {
        self.end.saturating_sub(self.next)
    }

    /// The counter that [`take`](Self::take) would return next, were one left.
    pub const fn next(&self) -> u32 {
        self.next
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counters({}..{})", self.next, self.end)
    }
}

/// How far the counters under one key are used up. After the last one nothing can be sent under that key any more, so a new one has
/// to be there in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wear {
    /// Two thousand million are used, about half.
    Half,
    /// Nine in ten are used.
    Nearly,
}

impl Wear {
    const HALF: u32 = 2_000_000_000;
    const NEARLY: u32 = u32::MAX / 10 * 9;

    /// What is reached on the way from the counter `from` to the counter `to`; each stage is reached once.
    pub fn reached(from: u32, to: u32) -> Option<Self> {
        let stages = [(Self::NEARLY, Self::Nearly), (Self::HALF, Self::Half)];
        stages.into_iter().find(|(stage, _)| from < *stage && to >= *stage).map(|(_, wear)| wear)
    }
}

impl fmt::Display for Wear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Half => "about half",
            Self::Nearly => "nine in ten",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_15_wear_is_told_once_at_half_and_at_nine_tenths() {
        for (from, to, expected) in [
            (0, 1_999_999_999, None),
            (1_999_999_999, 2_000_000_000, Some(Wear::Half)),
            (2_000_000_000, 2_000_000_001, None),
            (5, 3_000_000_000, Some(Wear::Half)),
            (3_000_000_000, 3_865_470_560, None),
            (3_000_000_000, 3_865_470_561, Some(Wear::Nearly)),
            (5, u32::MAX, Some(Wear::Nearly)),
            (3_865_470_561, u32::MAX, None),
            (u32::MAX, 5, None),
        ] {
            assert_eq!(Wear::reached(from, to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn each_counter_is_taken_once() {
        let mut counters = Counters::new(7, 9);
        assert_eq!((counters.take(), counters.take()), (Ok(7), Ok(8)));
        assert_eq!(counters.take(), Err(Error::CountersSpent));
        assert_eq!((counters.next(), counters.left()), (9, 0));
    }

    #[test]
    fn the_last_counter_does_not_wrap() {
        let mut counters = Counters::new(u32::MAX - 1, u32::MAX);
        assert_eq!(counters.take(), Ok(u32::MAX - 1));
        assert_eq!(counters.take(), Err(Error::CountersSpent));
        assert_eq!(Counters::new(9, 3).take(), Err(Error::CountersSpent));
    }
}
