//! Energy registers as a closed form: the total at any instant is computed without the totals before it.
//!
//! A day adds a share that differs from day to day, a table spreads it over the quarter-hours of the day, and noise
//! moves each quarter-hour's boundary by less than the smallest share, so a total never falls.

use crate::noise::Noise;

/// Seconds of a quarter-hour.
pub(crate) const SLOT_S: i64 = 900;
const SLOTS_PER_DAY: i64 = 96;
/// 2000-01-01: totals are zero before that day.
const FIRST_DAY: i64 = 10_957;

/// What flows, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    ActiveImport,
    ActiveExport,
    ReactiveImport,
    ReactiveExport,
}

impl Flow {
    /// By value group C of IEC 62056-6-1.
    pub(crate) fn of_group_c(c: u8) -> Option<Self> {
        match c {
            1 => Some(Self::ActiveImport),
            2 => Some(Self::ActiveExport),
            3 => Some(Self::ReactiveImport),
            4 => Some(Self::ReactiveExport),
            _ => None,
        }
    }

    fn stream(self) -> u64 {
        match self {
            Self::ActiveImport => 0x10,
            Self::ActiveExport => 0x20,
            Self::ReactiveImport => 0x30,
            Self::ReactiveExport => 0x40,
        }
    }

    /// Least Wh or varh of an average day, and how much more it may be.
    fn day(self) -> (i64, i64) {
        match self {
            Self::ActiveImport => (6_000, 26_000),
            Self::ActiveExport => (500, 6_000),
            Self::ReactiveImport => (1_500, 6_000),
            Self::ReactiveExport => (200, 800),
        }
    }
}

/// Wh or varh counted up to an instant (seconds since 1970).
pub(crate) fn total_at(noise: Noise, flow: Flow, at: i64) -> i64 {
    let slot = at.div_euclid(SLOT_S);
    let into = at.rem_euclid(SLOT_S);
    let start = total(noise, flow, slot);
    if into == 0 {
        return start;
    }
    start + (total(noise, flow, slot + 1) - start) * into / SLOT_S
}

/// Wh or varh counted up to the start of a quarter-hour, numbered from 1970.
pub(crate) fn total(noise: Noise, flow: Flow, slot: i64) -> i64 {
    let day = slot.div_euclid(SLOTS_PER_DAY);
    if day < FIRST_DAY {
        return 0;
    }
    let (least, more) = flow.day();
    let average = least + noise.below(flow.stream(), 0, more);
    let start = day_start(noise, flow, average, day);
    let quarter = slot.rem_euclid(SLOTS_PER_DAY);
    if quarter == 0 {
        return start;
    }
    let share = day_start(noise, flow, average, day + 1) - start;
    let passed = SHAPE[usize::try_from(quarter).unwrap_or(0)] + noise.below(flow.stream() + 2, slot, LEAST);
    start + share * passed / WHOLE
}

/// The total at midnight UTC: the average times the days, moved by less than one average day.
fn day_start(noise: Noise, flow: Flow, average: i64, day: i64) -> i64 {
    (day - FIRST_DAY) * average + noise.below(flow.stream() + 1, day, average)
}

/// Load of each hour of a day, relative: night, morning, noon and evening of a household.
const HOURS: [i64; 24] =
    [45, 40, 40, 40, 42, 50, 75, 100, 95, 80, 75, 80, 95, 90, 75, 70, 80, 110, 140, 160, 150, 120, 85, 60];
/// A weight is cut so fine that the noise has room below the smallest one.
const FINE: i64 = 64;
/// The smallest weight; noise stays below it.
const LEAST: i64 = 40 * FINE;
/// Weights of the quarter-hours before the given one.
const SHAPE: [i64; 97] = shape();
const WHOLE: i64 = SHAPE[96];

const fn shape() -> [i64; 97] {
    let mut sums = [0; 97];
    let mut quarter = 0;
    while quarter < 96 {
        sums[quarter + 1] = sums[quarter] + HOURS[quarter / 4] * FINE;
        quarter += 1;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOWS: [Flow; 4] =
        [Flow::ActiveImport, Flow::ActiveExport, Flow::ReactiveImport, Flow::ReactiveExport];
    /// 2026-03-01T00:00Z.
    const START: i64 = 1_772_323_200;

    #[test]
    fn the_smallest_hour_is_what_the_noise_stays_below() {
        assert_eq!(HOURS.iter().min().copied(), Some(LEAST / FINE));
    }

    #[test]
    fn totals_never_fall_and_every_day_adds() {
        for flow in FLOWS {
            for serial in 0..20 {
                let noise = Noise::of(7, serial);
                let slot = START / SLOT_S;
                let totals: Vec<i64> = (slot..=slot + 40 * 96).map(|slot| total(noise, flow, slot)).collect();
                assert!(totals.windows(2).all(|pair| pair[0] <= pair[1]), "{flow:?} {serial}");
                let midnights: Vec<i64> = totals.iter().copied().step_by(96).collect();
                assert!(midnights.windows(2).all(|pair| pair[0] < pair[1]), "{flow:?} {serial}");
            }
        }
    }

    #[test]
    fn totals_never_fall_between_quarter_hours() {
        let noise = Noise::of(1, 1);
        let totals: Vec<i64> =
            (START - 60..START + 7200).map(|at| total_at(noise, Flow::ActiveImport, at)).collect();
        assert!(totals.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(
            total_at(noise, Flow::ActiveImport, START),
            total(noise, Flow::ActiveImport, START / SLOT_S)
        );
    }

    #[test]
    fn the_closed_form_is_the_sum_of_its_intervals() {
        let noise = Noise::of(3, 9);
        for flow in FLOWS {
            let first = START / SLOT_S;
            let mut sum = total(noise, flow, first);
            for slot in first + 1..first + 30 * 96 {
                sum += total_at(noise, flow, slot * SLOT_S) - total_at(noise, flow, (slot - 1) * SLOT_S);
                assert_eq!(sum, total(noise, flow, slot));
            }
        }
    }

    #[test]
    fn a_day_is_a_household_and_fits_the_register() {
        for serial in 0..100 {
            let noise = Noise::of(5, serial);
            let day = START / SLOT_S;
            let used =
                total(noise, Flow::ActiveImport, day + 10 * 96) - total(noise, Flow::ActiveImport, day);
            assert!((30_000..500_000).contains(&used), "{used} Wh in ten days");
            let far = total(noise, Flow::ActiveImport, day + 100 * 366 * 96);
            assert!(u32::try_from(far).is_ok());
        }
    }
}
