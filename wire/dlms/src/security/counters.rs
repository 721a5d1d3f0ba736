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

#[cfg(test)]
mod tests {
    use super::*;

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
