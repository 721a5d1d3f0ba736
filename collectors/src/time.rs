//! The meter's times as instants, and instants as the meter's times.
//!
//! Times on the wire: IEC 62056-6-2, 4.1.6.1. UTC = local + deviation, so UTC+1 is a deviation of -60.

use dlms::DateTime;
use jiff::{
    SignedDuration, Timestamp, ToSpan, civil,
    tz::{AmbiguousOffset, TimeZone},
};
use models::{DeviationSign, Quirks, RangeDeviation};

/// Clock status: bits are not given (the octet is "not specified").
pub(crate) const STATUS_UNSPECIFIED: u8 = 0xFF;
/// Clock status bit 7: summer time is active.
const SUMMER: u8 = 0x80;
const DAY_S: u32 = 86_400;

/// Why a time of the meter is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    /// Year, month, day, hour or minute are wildcards, or not on the calendar.
    #[error("the date {0:02x?} is not on the calendar")]
    Invalid([u8; 12]),
    /// The first row has no time and there is none before it to count from.
    #[error("the first capture has no time")]
    FirstImplied,
    /// A row has no time and the profile has no period to count with.
    #[error("a capture has no time and the profile has no period")]
    NoPeriod,
}

/// An instant with what the meter said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The instant.
    pub(crate) at: Timestamp,
    /// Offset from UTC in minutes, positive to the east; `None` when the meter gave no deviation.
    pub(crate) offset_min: Option<i16>,
    /// Clock status bits.
    pub(crate) status: u8,
}

/// Clock status bit 0: the time is not valid.
const INVALID: u8 = 1;

/// The instant of a single time of a meter whose clock shows the time of `zone`; `None` when it is no time on the calendar. Without a deviation
/// it is local time; of two that are possible the summer bit decides, and without it the first counts. The same octets always are the same instant.
pub fn instant(time: &DateTime, zone: &TimeZone, sign: DeviationSign) -> Option<Timestamp> {
    let mut alone = Resolver::new(zone.clone(), 0, None).with_sign(sign);
    alone.resolve(Some(time)).ok().map(|moment| moment.at)
}

/// Whether a time says of itself that it is not valid.
pub(crate) const fn is_invalid(time: &DateTime) -> bool {
    let status = time.status();
    status != STATUS_UNSPECIFIED && status & INVALID != 0
}

/// Turns the times of one answer, in their order, into instants.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    zone: TimeZone,
    sign: DeviationSign,
    period_s: u32,
    /// Captures ascend, and none lies at or before this.
    after: Option<Timestamp>,
    previous: Option<Moment>,
    /// Seen in summer without the summer bit: the bit says nothing.
    ignores_summer_bit: bool,
}

impl Resolver {
    /// A resolver for a profile whose answer begins after the given instant, if that is known.
    pub(crate) fn new(zone: TimeZone, period_s: u32, after: Option<Timestamp>) -> Self {
        Self {
            zone,
            sign: DeviationSign::Standard,
            period_s,
            after,
            previous: None,
            ignores_summer_bit: false,
        }
    }

    /// For a meter that means deviations so.
    pub(crate) fn with_sign(self, sign: DeviationSign) -> Self {
        Self { sign, ..self }
    }

    /// Rows without a time follow each other by this period, in seconds.
    pub(crate) fn captured_every(&mut self, period_s: u32) {
        self.period_s = period_s;
    }

    /// Makes ready for another answer of the same meter, which begins after the given instant.
    pub(crate) fn restart(&mut self, after: Timestamp) {
        // What is known about the summer bit stays: an answer that begins in the repeated hour does not show it.
        self.after = Some(after);
        self.previous = None;
    }

    /// The instant of the next row; `None` stands for a time implied by the period.
    pub(crate) fn resolve(&mut self, time: Option<&DateTime>) -> Result<Moment, TimeError> {
        let moment = match time {
            Some(time) => self.explicit(time)?,
            None => self.implied()?,
        };
        self.after = Some(moment.at);
        self.previous = Some(moment);
        Ok(moment)
    }

    fn explicit(&mut self, time: &DateTime) -> Result<Moment, TimeError> {
        let invalid = || TimeError::Invalid(time.octets());
        let time = self.sign.apply(*time);
        let status = time.status();
        if let Some(deviation) = time.deviation() {
            let at = time.unix_seconds().and_then(|seconds| Timestamp::from_second(seconds).ok());
            let offset_min = deviation.checked_neg();
            return Ok(Moment { at: at.ok_or_else(invalid)?, offset_min, status });
        }
        let civil = time.local_seconds().and_then(civil_from).ok_or_else(invalid)?;
        let at = self.place(civil, status).ok_or_else(invalid)?;
        Ok(Moment { at, offset_min: None, status })
    }

    /// Null-data in the clock column: one period after the row before. A period of whole days goes by the calendar,
    /// because such captures are taken at local midnight and days have 23 to 25 hours.
    fn implied(&self) -> Result<Moment, TimeError> {
        let previous = self.previous.ok_or(TimeError::FirstImplied)?;
        let at = match self.period_s {
            0 => None,
            period if period % DAY_S == 0 => {
                let zoned = previous.at.to_zoned(self.zone.clone());
                zoned.checked_add(i64::from(period / DAY_S).days()).ok().map(|zoned| zoned.timestamp())
            }
            period => previous.at.checked_add(SignedDuration::from_secs(period.into())).ok(),
        };
        let at = at.ok_or(TimeError::NoPeriod)?;
        // What the meter did not say about this row is not invented.
        Ok(Moment { at, offset_min: None, status: STATUS_UNSPECIFIED })
    }

    fn place(&mut self, civil: civil::DateTime, status: u8) -> Option<Timestamp> {
        let says_summer = status != STATUS_UNSPECIFIED && status & SUMMER != 0;
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => {
                let at = offset.to_timestamp(civil).ok()?;
                self.ignores_summer_bit |= !says_summer && self.zone.to_offset_info(at).dst().is_dst();
                Some(at)
            }
            // The hour that the clock skips: the meter has not yet put its clock forward.
            AmbiguousOffset::Gap { before, .. } => before.to_timestamp(civil).ok(),
            AmbiguousOffset::Fold { before, after } => {
                let (first, second) = (before.to_timestamp(civil).ok()?, after.to_timestamp(civil).ok()?);
                let silent = status == STATUS_UNSPECIFIED || self.ignores_summer_bit;
                let follows = || self.after.is_none_or(|after| first > after);
                let is_first = says_summer || (silent && follows());
                Some(if is_first { first } else { second })
            }
        }
    }
}

/// An instant as a meter's clock shows it.
pub(crate) fn meter_time(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> Option<DateTime> {
    match quirks.range_deviation {
        RangeDeviation::Send => with_deviation(at, zone).map(|time| quirks.deviation_sign.apply(time)),
        RangeDeviation::Unspecified => Some(without_deviation(at, zone)),
    }
}

/// The limits of a range in the meter's terms, and the instants from and to which the meter may answer.
///
/// Without a deviation the meter cannot know which of two equal hours is meant, so a limit inside the repeated hour is
/// moved out of it: rows too many are dropped later, rows too few would be lost.
pub(crate) fn range_limits(
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
    quirks: &Quirks,
) -> Option<(DateTime, DateTime, Timestamp)> {
    match quirks.range_deviation {
        RangeDeviation::Send => Some((meter_time(from, zone, quirks)?, meter_time(to, zone, quirks)?, from)),
        RangeDeviation::Unspecified => {
            let start = widen(from, zone, Edge::Start);
            let end = widen(to, zone, Edge::End);
            Some((without_deviation(start, zone), without_deviation(end, zone), start))
        }
    }
}

fn with_deviation(at: Timestamp, zone: &TimeZone) -> Option<DateTime> {
    let offset_min = i16::try_from(zone.to_offset(at).seconds() / 60).ok()?;
    Some(DateTime::from_unix(at.as_second(), Some(offset_min.checked_neg()?), summer_bit(at, zone)))
}

/// The local time of an instant, as a meter without deviations shows it.
pub(crate) fn without_deviation(at: Timestamp, zone: &TimeZone) -> DateTime {
    let local = at.as_second() + i64::from(zone.to_offset(at).seconds());
    DateTime::from_unix(local, None, summer_bit(at, zone))
}

fn summer_bit(at: Timestamp, zone: &TimeZone) -> u8 {
    if zone.to_offset_info(at).dst().is_dst() { SUMMER } else { 0 }
}

/// Which end of a range.
#[derive(Clone, Copy)]
enum Edge {
    Start,
    End,
}

/// The instant itself, or, when its local time comes twice, the last second before the first or the first second after
/// the second of the two hours.
fn widen(at: Timestamp, zone: &TimeZone, edge: Edge) -> Timestamp {
    let civil = zone.to_datetime(at);
    let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(civil).offset() else {
        return at;
    };
    let repeated = SignedDuration::from_secs(i64::from(before.seconds() - after.seconds()));
    let second = SignedDuration::from_secs(1);
    let Some(put_back) = zone.preceding(at + repeated + second).next().map(|change| change.timestamp())
    else {
        return at;
    };
    match edge {
        Edge::Start => put_back - repeated - second,
        Edge::End => put_back + repeated,
    }
}

fn civil_from(local_seconds: i64) -> Option<civil::DateTime> {
    Timestamp::from_second(local_seconds).ok().map(|at| TimeZone::UTC.to_datetime(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: i64 = 900;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The ends of all quarter-hours of a local day: after its midnight up to and with the next one.
    fn quarters(day: civil::Date) -> Vec<Timestamp> {
        let midnight = |day: civil::Date| day.to_zoned(berlin()).unwrap().timestamp().as_second();
        let seconds = (midnight(day) + QUARTER..=midnight(day.tomorrow().unwrap())).step_by(900);
        seconds.map(|second| Timestamp::from_second(second).unwrap()).collect()
    }

    /// What a meter sends for an instant.
    fn sent(at: Timestamp, deviation: bool, status: Option<u8>) -> DateTime {
        let zone = berlin();
        let mut octets = without_deviation(at, &zone).octets();
        if deviation {
            octets = with_deviation(at, &zone).unwrap().octets();
        }
        octets[11] = status.unwrap_or(octets[11]);
        DateTime::new(octets)
    }

    fn resolve_all(times: &[DateTime], after: Option<Timestamp>) -> Vec<Timestamp> {
        let mut resolver = Resolver::new(berlin(), 900, after);
        times.iter().map(|time| resolver.resolve(Some(time)).unwrap().at).collect()
    }

    #[test]
    fn the_short_and_the_long_day_come_back_quarter_by_quarter() {
        for (day, count) in [
            (civil::date(2026, 3, 29), 92),
            (civil::date(2026, 10, 25), 100),
            (civil::date(2026, 7, 1), 96),
            (civil::date(2026, 12, 31), 96),
        ] {
            let expected = quarters(day);
            assert_eq!(expected.len(), count, "{day}");
            // With the deviation; without it and with the summer bit; with neither; with the bit never set.
            for (deviation, status) in [(true, None), (false, None), (false, Some(0xFF)), (false, Some(0))] {
                let times: Vec<_> = expected.iter().map(|at| sent(*at, deviation, status)).collect();
                assert_eq!(
                    resolve_all(&times, None),
                    expected,
                    "{day}, deviation {deviation}, status {status:?}"
                );
            }
        }
    }

    #[test]
    fn a_read_that_begins_in_the_repeated_hour_goes_by_bit_or_by_what_was_asked() {
        let (first, second) = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
        // Both are 02:30 in Berlin.
        assert_eq!(resolve_all(&[sent(first, false, None)], None), [first]);
        assert_eq!(resolve_all(&[sent(second, false, None)], None), [second]);
        assert_eq!(resolve_all(&[sent(second, false, Some(0xFF))], None), [first]);
        let asked = Some(at("2026-10-25T00:45:00Z"));
        assert_eq!(resolve_all(&[sent(second, false, Some(0xFF))], asked), [second]);
    }

    #[test]
    fn a_second_answer_goes_by_what_the_first_showed_of_the_summer_bit() {
        let (before, first) = (at("2026-10-24T23:45:00Z"), at("2026-10-25T00:00:00Z"));
        let mut resolver = Resolver::new(berlin(), 900, None);
        resolver.resolve(Some(&sent(before, false, Some(0)))).unwrap();
        resolver.restart(before);
        assert_eq!(resolver.resolve(Some(&sent(first, false, Some(0)))).unwrap().at, first);
        resolver.restart(first);
        assert_eq!(resolver.resolve(None), Err(TimeError::FirstImplied));
    }

    #[test]
    fn the_skipped_hour_is_read_as_the_time_before_the_change() {
        let skipped = civil::date(2026, 3, 29).at(2, 15, 0, 0);
        let local = TimeZone::UTC.to_timestamp(skipped).unwrap().as_second();
        let time = DateTime::from_unix(local, None, 0xFF);
        assert_eq!(resolve_all(&[time], None), [at("2026-03-29T01:15:00Z")]);
    }

    #[test]
    fn a_deviation_is_exact_and_becomes_an_offset_to_the_east() {
        let mut resolver = Resolver::new(TimeZone::UTC, 900, None);
        let time = DateTime::from_unix(at("2026-06-01T10:00:00Z").as_second(), Some(-120), 0x80);
        let moment = resolver.resolve(Some(&time)).unwrap();
        assert_eq!(moment, Moment { at: at("2026-06-01T10:00:00Z"), offset_min: Some(120), status: 0x80 });
    }

    #[test]
    fn implied_times_follow_the_period_and_days_follow_the_calendar() {
        let start = at("2026-03-28T23:00:00Z");
        let mut quarter_hours = Resolver::new(berlin(), 900, None);
        quarter_hours.resolve(Some(&sent(start, true, None))).unwrap();
        let next = quarter_hours.resolve(None).unwrap();
        assert_eq!(next, Moment { at: at("2026-03-28T23:15:00Z"), offset_min: None, status: 0xFF });
        assert_eq!(quarter_hours.resolve(None).unwrap().at, at("2026-03-28T23:30:00Z"));
        let mut days = Resolver::new(berlin(), 86_400, None);
        days.resolve(Some(&sent(start, true, None))).unwrap();
        // Local midnight after the day of 23 hours.
        assert_eq!(days.resolve(None).unwrap().at, at("2026-03-29T22:00:00Z"));
    }

    #[test]
    fn times_that_are_none_are_named() {
        let mut resolver = Resolver::new(berlin(), 0, None);
        assert_eq!(resolver.resolve(None), Err(TimeError::FirstImplied));
        let mut octets = sent(at("2026-06-01T10:00:00Z"), true, None).octets();
        resolver.resolve(Some(&DateTime::new(octets))).unwrap();
        assert_eq!(resolver.resolve(None), Err(TimeError::NoPeriod));
        octets[2] = 0xFF;
        assert_eq!(resolver.resolve(Some(&DateTime::new(octets))), Err(TimeError::Invalid(octets)));
        octets[2..4].copy_from_slice(&[2, 30]);
        assert_eq!(resolver.resolve(Some(&DateTime::new(octets))), Err(TimeError::Invalid(octets)));
    }

    #[test]
    fn limits_carry_the_offset_of_their_own_moment() {
        let range = (at("2026-03-28T12:00:00Z"), at("2026-03-29T12:00:00Z"));
        let (from, to, start) = range_limits(range, &berlin(), &Quirks::default()).unwrap();
        assert_eq!((from.deviation(), to.deviation()), (Some(-60), Some(-120)));
        assert_eq!(
            (from.unix_seconds(), to.unix_seconds()),
            (Some(range.0.as_second()), Some(range.1.as_second()))
        );
        assert_eq!(start, range.0);
    }

    #[test]
    fn a_deviation_of_the_other_sign_is_understood_and_sent() {
        let quirks = Quirks { deviation_sign: DeviationSign::Inverted, ..Quirks::default() };
        let summer = at("2026-07-01T12:00:00Z");
        let said = meter_time(summer, &berlin(), &quirks).unwrap();
        assert_eq!((said.deviation(), said.local_seconds()), (Some(120), Some(summer.as_second() + 7200)));
        let (from, _, start) = range_limits((summer, summer), &berlin(), &quirks).unwrap();
        assert_eq!((from, start), (said, summer));
        let mut resolver = Resolver::new(berlin(), 900, None).with_sign(DeviationSign::Inverted);
        let moment = resolver.resolve(Some(&said)).unwrap();
        assert_eq!((moment.at, moment.offset_min), (summer, Some(120)));
        // Where no deviation is said there is none to turn round.
        let silent = without_deviation(summer, &berlin());
        assert_eq!(resolver.resolve(Some(&silent)).unwrap().at, summer);
    }

    #[test]
    fn limits_without_deviation_stay_out_of_the_repeated_hour() {
        let quirks = Quirks { range_deviation: RangeDeviation::Unspecified, ..Quirks::default() };
        let limits = |from: &str, to: &str| {
            let (from, to, start) = range_limits((at(from), at(to)), &berlin(), &quirks).unwrap();
            assert_eq!((from.deviation(), to.deviation()), (None, None));
            let local = |time: DateTime| civil_from(time.local_seconds().unwrap()).unwrap().to_string();
            (local(from), local(to), start)
        };
        let wide =
            ("2026-10-25T01:59:59".to_owned(), "2026-10-25T03:00:00".to_owned(), at("2026-10-24T23:59:59Z"));
        for hour in ["00", "01"] {
            let inside = format!("2026-10-25T{hour}:30:00Z");
            assert_eq!(limits(&inside, &inside), wide);
        }
        assert_eq!(limits("2026-10-25T00:00:00Z", "2026-10-25T01:59:59Z"), wide);
        let plain = limits("2026-10-24T23:59:59Z", "2026-10-25T02:00:00Z");
        assert_eq!(plain, wide);
    }
}
