use crate::Error;

/// Which invocation counters a peer has used under one key. Datagrams may overtake each other, so not only a higher counter is new: the
/// 64 below the highest are remembered one by one, and lower ones count as used.
///
/// A counter is to be noted only when the tag of its APDU was right: a forged one would lock the peer out. How far it jumps says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayWindow {
    /// The highest counter.
    pub last: u32,
    /// Bit n: the counter that is n + 1 below the highest was used.
    pub seen: u64,
}

impl ReplayWindow {
    /// Counters below the highest that are told apart.
    pub const WIDTH: u32 = u64::BITS;

    /// Notes the use of a counter by a peer that has used those of `known`.
    ///
    /// # Errors
    /// [`Error::CounterReplayed`] when it was used before, or is too far below the highest to know.
    pub fn note(known: Option<Self>, counter: u32) -> Result<Self, Error> {
        let Some(Self { last, seen }) = known else {
            return Ok(Self { last: counter, seen: 0 });
        };
        if counter > last {
            let step = counter - last;
            // The counter that was the highest so far is now `step` below.
            let seen = seen.checked_shl(step).unwrap_or(0) | 1_u64.checked_shl(step - 1).unwrap_or(0);
            return Ok(Self { last: counter, seen });
        }
        let place = (last - counter).checked_sub(1).filter(|place| *place < Self::WIDTH);
        match place.map(|place| 1 << place) {
            Some(bit) if seen & bit == 0 => Ok(Self { last, seen: seen | bit }),
            _ => Err(Error::CounterReplayed { last, got: counter }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c_14_a_counter_is_new_once() {
        let mut known = None;
        for counter in [7, 9, 8, u32::MAX, u32::MAX - 1] {
            let noted = ReplayWindow::note(known, counter).unwrap();
            let refused = Error::CounterReplayed { last: noted.last, got: counter };
            assert_eq!(ReplayWindow::note(Some(noted), counter), Err(refused));
            known = Some(noted);
        }
        assert!(ReplayWindow::note(known, 7).is_err());
        assert!(ReplayWindow::note(known, u32::MAX - ReplayWindow::WIDTH - 1).is_err());
        assert!(ReplayWindow::note(known, u32::MAX - ReplayWindow::WIDTH).is_ok());
    }

    #[test]
    fn c_15_a_jump_to_the_end_leaves_nothing_behind_it_new_but_the_last_few() {
        let known = ReplayWindow::note(None, 5).unwrap();
        let jumped = ReplayWindow::note(Some(known), u32::MAX).unwrap();
        assert_eq!(jumped, ReplayWindow { last: u32::MAX, seen: 0 });
        for counter in [0, 5, 6, 1 << 20, u32::MAX - 65, u32::MAX] {
            let refused = Error::CounterReplayed { last: u32::MAX, got: counter };
            assert_eq!(ReplayWindow::note(Some(jumped), counter), Err(refused));
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_all(counters in prop::collection::vec(0_u32..200, 1..200)) {
            let (mut known, mut all) = (None, BTreeSet::new());
            for counter in counters {
                let low = all.last().is_some_and(|last| counter + ReplayWindow::WIDTH < *last);
                let noted = ReplayWindow::note(known, counter);
                prop_assert_eq!(noted.is_err(), low || all.contains(&counter), "{}", counter);
                all.insert(counter);
                known = noted.ok().or(known);
            }
        }
    }
}
