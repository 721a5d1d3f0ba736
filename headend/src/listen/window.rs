//! Which invocation counters a meter has used in its pushes. Datagrams may overtake each other, so not only a higher counter is
//! new: the 64 below the highest are remembered one by one.

use crate::store::pushes::Used;

/// Counters below the highest that are told apart.
const WIDTH: u32 = u64::BITS;

/// Notes the use of a counter. `None` when it was used before, or is too far below the highest to know.
pub(crate) fn note(used: Option<Used>, counter: u32) -> Option<Used> {
    let Some(Used { last, seen }) = used else {
        return Some(Used { last: counter, seen: 0 });
    };
    if counter > last {
        let step = counter - last;
        // The counter that was the highest so far is now `step` below.
        let seen = seen.checked_shl(step).unwrap_or(0) | 1_u64.checked_shl(step - 1).unwrap_or(0);
        return Some(Used { last: counter, seen });
    }
    let place = (last - counter).checked_sub(1).filter(|place| *place < WIDTH)?;
    let bit = 1 << place;
    (seen & bit == 0).then_some(Used { last, seen: seen | bit })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_counter_is_new_once() {
        let mut used = None;
        for counter in [7, 9, 8, u32::MAX, u32::MAX - 1] {
            let noted = note(used, counter);
            assert!(noted.is_some(), "{counter}");
            assert_eq!(note(noted, counter), None, "{counter}");
            used = noted;
        }
        assert_eq!(note(used, 7), None);
        assert_eq!(note(used, u32::MAX - WIDTH - 1), None);
        assert!(note(used, u32::MAX - WIDTH).is_some());
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_all(counters in prop::collection::vec(0_u32..200, 1..200)) {
            let (mut used, mut all) = (None, BTreeSet::new());
            for counter in counters {
                let known = all.last().is_some_and(|last| counter + WIDTH < *last) || all.contains(&counter);
                let noted = note(used, counter);
                prop_assert_eq!(noted.is_none(), known, "{}", counter);
                all.insert(counter);
                used = noted.or(used);
            }
        }
    }
}
