//! Columns of one capture that have to add up, because the meter makes one from the others (IEC 62056-6-1, value groups C and E of energies).

use dlms::Obis;

use super::Numbers;
use super::counter::digits;
use super::plan::pow10;

/// Value group D of energies since the beginning.
const TOTAL: u8 = 8;

/// Groups C: a sum, and what it is made of.
const ALGEBRA: [(u8, &[(u8, i128)]); 4] = [
    (15, &[(1, 1), (2, 1)]),  // absolute = import + export
    (16, &[(1, 1), (2, -1)]), // net = import - export
    (3, &[(5, 1), (6, 1)]),   // reactive import = quadrants I and II
    (4, &[(7, 1), (8, 1)]),   // reactive export = quadrants III and IV
];

/// A sum that has to hold in each capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    /// The column with the sum.
    pub(super) total: Term,
    parts: Vec<Term>,
    /// Not all parts are captured, maybe: they may be less than the sum.
    at_most: bool,
}

/// A column in a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    /// Its place among the values.
    pub(super) slot: usize,
    scaler: i8,
    sign: i128,
}

impl Sum {
    /// The places of its columns.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().chain([&self.total]).map(|term| term.slot)
    }

    /// Compares; `None` when it holds or a value is missing. Each column begins anew at `modulus`, in its own digits, and not all at the same time; `slack` units
    /// can have flowed between the values, because they were not read at once.
    pub(super) fn check(
        &self,
        value: impl Fn(usize) -> Option<i64>,
        modulus: i64,
        slack: i64,
    ) -> Option<Numbers> {
        let terms = || self.parts.iter().chain([&self.total]);
        let finest = terms().map(|term| term.scaler).min()?;
        let coarsest = terms().map(|term| term.scaler).max()?;
        let scaled = |term: &Term| {
            let shift = pow10(term.scaler.abs_diff(finest));
            value(term.slot).map(|value| i128::from(value).saturating_mul(shift))
        };
        let total = scaled(&self.total)?;
        let mut sum = 0_i128;
        for part in &self.parts {
            sum = sum.saturating_add(scaled(part)?.saturating_mul(part.sign));
        }
        // Each column is cut off behind its last digit by itself.
        let parts = i128::try_from(self.parts.len()).unwrap_or(i128::MAX);
        let bound = pow10(coarsest.abs_diff(finest)).saturating_mul((parts - 1).max(1));
        let bound = bound.saturating_add(i128::from(digits(slack.into(), 1, finest)) - 1);
        let over = sum.saturating_sub(total);
        // Columns that came to their end are off by whole turns of the finest one, which the others' are whole turns of, too.
        let turn = over.rem_euclid(modulus.max(1).into());
        let off = turn.min(i128::from(modulus) - turn);
        let holds = off <= bound || (self.at_most && over <= bound);
        (!holds).then(|| Numbers {
            value: Some(clamped(total)),
            reference: Some(clamped(sum)),
            bound: Some(clamped(bound)),
            scaler: finest,
        })
    }
}

/// The sums of a layout, whose value columns with attribute 2 are these: place, logical name, scaler.
pub(super) fn sums(columns: &[(usize, Obis, i8)]) -> Vec<Sum> {
    let mut sums = Vec::new();
    for &(slot, obis, scaler) in columns {
        let [a, b, c, d, e, f] = obis.octets();
        if a != 1 || d != TOTAL || e != 0 {
            continue;
        }
        let total = Term { slot, scaler, sign: 1 };
        let term = |c: u8, sign: i128| {
            let wanted = Obis::new([a, b, c, d, e, f]);
            let found = columns.iter().find(|(_, obis, _)| *obis == wanted)?;
            Some(Term { slot: found.0, scaler: found.2, sign })
        };
        for (_, parts) in ALGEBRA.iter().filter(|(sum, _)| *sum == c) {
            if let Some(parts) = parts.iter().map(|(c, sign)| term(*c, *sign)).collect::<Option<Vec<_>>>() {
                sums.push(Sum { total, parts, at_most: false });
            }
        }
        let rates = columns.iter().filter(|(_, obis, _)| {
            let [.., rate, _] = obis.octets();
            (1..=63).contains(&rate) && *obis == Obis::new([a, b, c, d, rate, f])
        });
        let parts: Vec<_> = rates.map(|&(slot, _, scaler)| Term { slot, scaler, sign: 1 }).collect();
        if !parts.is_empty() {
            sums.push(Sum { total, parts, at_most: true });
        }
    }
    sums
}

fn clamped(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns(names: &[(&str, i8)]) -> Vec<(usize, Obis, i8)> {
        let places = names.iter().enumerate();
        places.map(|(slot, (name, scaler))| (slot, name.parse().unwrap(), *scaler)).collect()
    }

    const MODULUS: i64 = 100_000_000;

    fn checked(sums: &[Sum], values: &[i64]) -> Vec<Numbers> {
        sums.iter().filter_map(|sum| sum.check(|slot| values.get(slot).copied(), MODULUS, 0)).collect()
    }

    #[test]
    fn absolute_net_and_quadrants_add_up_within_a_digit() {
        let names = ["1.0.1.8.0.255", "1.0.2.8.0.255", "1.0.15.8.0.255", "1.0.16.8.0.255", "1.0.3.8.0.255"];
        let names = [&names[..], &["1.0.5.8.0.255", "1.0.6.8.0.255"]].concat();
        let sums = sums(&columns(&names.iter().map(|name| (*name, 0)).collect::<Vec<_>>()));
        assert_eq!(sums.len(), 3);
        assert_eq!(checked(&sums, &[100, 30, 131, 69, 50, 20, 29]), []);
        let numbers = |value, reference| Numbers {
            value: Some(value),
            reference: Some(reference),
            bound: Some(1),
            scaler: 0,
        };
        assert_eq!(
            checked(&sums, &[100, 30, 132, 72, 50, 20, 28]),
            [numbers(132, 130), numbers(72, 70), numbers(50, 48)]
        );
        assert_eq!(checked(&sums, &[100]), [], "what is missing is compared with nothing");
    }

    #[test]
    fn rates_are_no_more_than_their_total_whatever_the_scalers() {
        let sums = sums(&columns(&[("1.0.1.8.0.255", 3), ("1.0.1.8.1.255", 0), ("1.0.1.8.2.255", 0)]));
        assert_eq!(checked(&sums, &[5, 2000, 1000]), [], "a third rate may not be captured");
        assert_eq!(checked(&sums, &[5, 3000, 2999]), [], "the total is cut off behind kilowatt-hours");
        let numbers = Numbers { value: Some(5000), reference: Some(6001), bound: Some(1000), scaler: 0 };
        assert_eq!(checked(&sums, &[5, 3001, 3000]), [numbers]);
    }

    #[test]
    fn a_total_that_came_to_its_end_is_what_its_rates_are_without_the_turn() {
        let names = ["1.0.1.8.0.255", "1.0.1.8.1.255", "1.0.1.8.2.255", "1.0.2.8.0.255", "1.0.15.8.0.255"];
        let sums = sums(&columns(&names.map(|name| (name, 0))));
        assert_eq!(checked(&sums, &[700, 60_000_000, 40_000_700, 5, 705]), []);
        assert_eq!(
            checked(&sums, &[99_999_990, 60_000_000, 39_999_990, 20, 10]),
            [],
            "so the absolute energy"
        );
        let told = |values: &[i64]| checked(&sums, values).first().and_then(|numbers| numbers.value);
        assert_eq!(told(&[700, 60_000_000, 40_000_750, 5, 705]), Some(700), "more than a turn");
        assert_eq!(told(&[700, 60_000_000, 0, 5, 705]), Some(700), "less than a turn");
    }

    #[test]
    fn what_flowed_between_two_values_may_be_off() {
        let sums =
            sums(&columns(&["1.0.1.8.0.255", "1.0.2.8.0.255", "1.0.15.8.0.255"].map(|name| (name, -1))));
        let off = |absolute: i64, slack| {
            let values = [1000, 500, absolute];
            sums.iter().any(|sum| sum.check(|slot| values.get(slot).copied(), MODULUS, slack).is_some())
        };
        assert!(off(1502, 0) && !off(1501, 0));
        assert!(!off(1511, 1) && !off(1489, 1) && off(1512, 1) && off(1488, 1));
    }

    proptest! {
        #[test]
        fn what_a_meter_cuts_off_is_never_flagged(import in 0_i64..1 << 40, export in 0_i64..1 << 40, scaler in 0_i8..4) {
            let cut = |value: i64| value.div_euclid(10_i64.pow(scaler.unsigned_abs().into())) % MODULUS;
            let names = ["1.0.1.8.0.255", "1.0.2.8.0.255", "1.0.15.8.0.255", "1.0.16.8.0.255"];
            let sums = sums(&columns(&names.map(|name| (name, scaler))));
            let values = [cut(import), cut(export), cut(import + export), cut(import - export)];
            prop_assert_eq!(checked(&sums, &values), []);
        }

        #[test]
        fn rates_of_an_honest_meter_are_never_flagged(rates in proptest::collection::vec(0_i64..1 << 40, 1..4), coarse in 0_i8..4) {
            let names = ["1.0.1.8.0.255", "1.0.1.8.1.255", "1.0.1.8.2.255", "1.0.1.8.3.255"];
            let scalers = [coarse, 0, 0, 0];
            let named: Vec<_> = names.into_iter().zip(scalers).take(1 + rates.len()).collect();
            let total = rates.iter().sum::<i64>() / 10_i64.pow(coarse.unsigned_abs().into());
            let values: Vec<i64> = [total].iter().chain(&rates).map(|value| value % MODULUS).collect();
            prop_assert_eq!(checked(&sums(&columns(&named)), &values), []);
        }

        #[test]
        fn no_values_break_it(values in proptest::collection::vec(any::<i64>(), 3), scalers in any::<[i8; 3]>()) {
            let names = ["1.0.15.8.0.255", "1.0.1.8.0.255", "1.0.2.8.0.255"];
            let named: Vec<_> = names.into_iter().zip(scalers).collect();
            checked(&sums(&columns(&named)), &values);
        }
    }
}
