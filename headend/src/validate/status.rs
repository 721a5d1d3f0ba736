//! What a meter says of a capture itself: in the status of its time, and in a status word whose bits mean what the model says.

use models::{StatusBit, StatusMeaning};

use super::{Found, Numbers, Place, Stamp};
use crate::store::FlagRule;

/// `profile_row.clock_status` of a capture whose clock status the meter did not give.
const NOT_GIVEN: i16 = 255;
/// Clock status bits (IEC 62056-6-2, 4.1.6.1).
const INVALID: i16 = 1;
const DOUBTFUL: i16 = 2;

/// Adds what is said; whether the time can be believed.
pub(super) fn said(bits: &[StatusBit], stamp: Stamp, found: &mut Vec<Found>) -> bool {
    let mut rules: Vec<FlagRule> = Vec::new();
    let mut raise = |rule, place, said: i64| {
        if !rules.contains(&rule) {
            rules.push(rule);
            let numbers = Numbers { value: Some(said), ..Numbers::default() };
            found.push(Found { rule, ts: stamp.ts, place, numbers });
        }
    };
    if let Some(rule) = clock(stamp.clock_status) {
        raise(rule, Place::Clock, stamp.clock_status.into());
    }
    if let Some(word) = stamp.status.map(i32::cast_unsigned) {
        let set =
            bits.iter().filter(|one| word.checked_shr(one.bit.into()).is_some_and(|word| word & 1 == 1));
        set.for_each(|one| raise(rule(one.means), Place::Status, word.into()));
    }
    !rules.contains(&FlagRule::ClockInvalid)
}

const fn clock(status: i16) -> Option<FlagRule> {
    match (status & INVALID != 0, status & DOUBTFUL != 0) {
        _ if status == NOT_GIVEN => None,
        (true, _) => Some(FlagRule::ClockInvalid),
        (false, true) => Some(FlagRule::ClockDoubtful),
        (false, false) => None,
    }
}

const fn rule(meaning: StatusMeaning) -> FlagRule {
    match meaning {
        StatusMeaning::DeviceError => FlagRule::DeviceError,
        StatusMeaning::ClockInvalid => FlagRule::ClockInvalid,
        StatusMeaning::DataNotValid => FlagRule::DataNotValid,
        StatusMeaning::ClockAdjusted => FlagRule::ClockAdjusted,
        StatusMeaning::PowerDown => FlagRule::PowerDown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said_of(model: &str, clock_status: i16, status: Option<i32>) -> (bool, Vec<(FlagRule, Place)>) {
        let bits = &models::builtin().unwrap()[model].validation.status;
        let mut found = Vec::new();
        let is_valid = said(bits, Stamp { ts: 0, clock_status, status }, &mut found);
        (is_valid, found.iter().map(|found| (found.rule, found.place)).collect())
    }

    #[test]
    fn sen_03_bits_of_the_companion_specification_of_idis() {
        use FlagRule::{ClockAdjusted, ClockInvalid, DataNotValid, DeviceError, PowerDown};
        let cases = [(0, DeviceError), (2, DataNotValid), (5, ClockAdjusted), (7, PowerDown)];
        for (bit, rule) in cases {
            assert_eq!(said_of("sed302", 0, Some(1 << bit)), (true, vec![(rule, Place::Status)]), "{bit}");
        }
        assert_eq!(
            said_of("sed302", 255, Some(0b110)),
            (false, vec![(ClockInvalid, Place::Status), (DataNotValid, Place::Status)])
        );
        assert_eq!(said_of("sed302", 1, Some(0b10)), (false, vec![(ClockInvalid, Place::Clock)]), "once");
        let quiet = (true, vec![]);
        for status in [None, Some(0), Some(1 << 3), Some(1 << 4), Some(1 << 6), Some(0x100)] {
            assert_eq!(said_of("sed302", 0x80, status), quiet, "{status:?}");
        }
    }

    #[test]
    fn mt_06_bits_of_load_profiles_of_the_mx37x() {
        let rules =
            |word| said_of("mt371", 0, Some(word)).1.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
        assert_eq!(rules(0x01), [FlagRule::DeviceError]);
        assert_eq!(rules(0x10), [], "the end of a billing period");
        assert_eq!(rules(0x20), [FlagRule::ClockAdjusted]);
        assert_eq!(rules(0xC0), [FlagRule::PowerDown]);
        assert_eq!(rules(0x0E), [], "bits that are not known to be of a load profile");
    }

    proptest! {
        #[test]
        fn a_word_without_meanings_says_nothing(word in any::<i32>(), bit in 32_u8..) {
            let mut found = Vec::new();
            let stamp = Stamp { ts: 0, clock_status: 255, status: Some(word) };
            prop_assert!(said(&[], stamp, &mut found));
            let beyond = [StatusBit { bit, means: StatusMeaning::ClockInvalid }];
            prop_assert!(said(&beyond, stamp, &mut found));
            prop_assert!(found.is_empty());
        }
    }
}
