//! The meter's times as instants, and instants as the meter's times.
//!
//! Times on the wire: IEC 62056-6-2, 4.1.6.1. UTC = local + deviation, so UTC+1 is a deviation of -60.

use dlms::DateTime;
use jiff::{
    SignedDuration, Timestamp, ToSpan, civil,
    tz::{AmbiguousOffset, Offset, TimeZone},
};
use models::{DeviationSign, DeviationSummer, LocalTime, Quirks, RangeDeviation};

/// Clock status: bits are not given (the octet is "not specified").
pub(crate) const STATUS_UNSPECIFIED: u8 = 0xFF;
/// Clock status bit 7: summer time is active.
const SUMMER: u8 = 0x80;
const DAY_S: u32 = 86_400;
/// What summer time is, wherever nothing else is known.
const USUAL_SAVING_MIN: i16 = 60;

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
pub fn instant(time: &DateTime, zone: &TimeZone, quirks: &Quirks) -> Option<Timestamp> {
    Resolver::new(zone, quirks).resolve(Some(time)).ok().map(|moment| moment.at)
}

/// The instant of a local time that a clock shows without anything else.
pub(crate) fn placed(local: civil::DateTime, zone: &TimeZone, quirks: &Quirks) -> Option<Timestamp> {
    Resolver::new(zone, quirks).place(local, STATUS_UNSPECIFIED)
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
    summer: DeviationSummer,
    local: LocalTime,
    period_s: u32,
    /// Captures ascend, and none lies at or before this.
    after: Option<Timestamp>,
    previous: Option<Moment>,
    /// Seen in summer without the summer bit: the bit says nothing.
    ignores_summer_bit: bool,
}

impl Resolver {
    /// A resolver for a meter whose clock shows the time of `zone`, with these habits.
    pub(crate) fn new(zone: &TimeZone, quirks: &Quirks) -> Self {
        Self {
            zone: zone.clone(),
            sign: quirks.deviation_sign,
            summer: quirks.deviation_summer,
            local: quirks.local_time,
            period_s: 0,
            after: None,
            previous: None,
            ignores_summer_bit: false,
        }
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
            let at = at.ok_or_else(invalid)?;
            let more_min = match self.summer {
                DeviationSummer::LeftOut if says_summer(status) => saving_min(at, &self.zone),
                DeviationSummer::LeftOut | DeviationSummer::Contained => 0,
            };
            let at = at.checked_sub(SignedDuration::from_mins(more_min.into())).map_err(|_| invalid())?;
            let offset_min = deviation.checked_neg().and_then(|offset| offset.checked_add(more_min));
            return Ok(Moment { at, offset_min, status });
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
        if self.local == LocalTime::Standard {
            let about = TimeZone::UTC.to_timestamp(civil).ok()?;
            return standard_offset(about, &self.zone).to_timestamp(civil).ok();
        }
        let says_summer = says_summer(status);
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
        RangeDeviation::Send => {
            with_deviation(at, zone, quirks).map(|time| quirks.deviation_sign.apply(time))
        }
        RangeDeviation::Unspecified => Some(without_deviation(at, zone, quirks)),
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
    let repeats_hours = quirks.local_time == LocalTime::Zone;
    match quirks.range_deviation {
        RangeDeviation::Unspecified if repeats_hours => {
            let start = widen(from, zone, Edge::Start);
            let end = widen(to, zone, Edge::End);
            Some((without_deviation(start, zone, quirks), without_deviation(end, zone, quirks), start))
        }
        RangeDeviation::Unspecified | RangeDeviation::Send => {
            Some((meter_time(from, zone, quirks)?, meter_time(to, zone, quirks)?, from))
        }
    }
}

fn with_deviation(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> Option<DateTime> {
    let said = match quirks.deviation_summer {
        DeviationSummer::Contained => local_offset(at, zone, quirks),
        DeviationSummer::LeftOut => standard_offset(at, zone),
    };
    let deviation = i16::try_from(said.seconds() / 60).ok()?.checked_neg()?;
    Some(without_deviation(at, zone, quirks).with_deviation(deviation))
}

/// The local time of an instant, as a meter without deviations shows it.
pub(crate) fn without_deviation(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> DateTime {
    let offset = local_offset(at, zone, quirks);
    let is_summer = offset != standard_offset(at, zone);
    let local = at.as_second() + i64::from(offset.seconds());
    DateTime::from_unix(local, None, if is_summer { SUMMER } else { 0 })
}

fn local_offset(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> Offset {
    match quirks.local_time {
        LocalTime::Zone => zone.to_offset(at),
        LocalTime::Standard => standard_offset(at, zone),
    }
}

/// What the offset of a zone would be without summer time.
pub(crate) fn standard_offset(at: Timestamp, zone: &TimeZone) -> Offset {
    let info = zone.to_offset_info(at);
    if !info.dst().is_dst() {
        return info.offset();
    }
    let winter = zone.preceding(at).find(|change| !change.dst().is_dst());
    winter.map_or(info.offset(), |winter| winter.offset())
}

/// Minutes by which summer time moves the clocks of a zone about an instant; an hour where it does not know any.
fn saving_min(at: Timestamp, zone: &TimeZone) -> i16 {
    let saved = zone.to_offset(at).seconds() - standard_offset(at, zone).seconds();
    i16::try_from(saved / 60).ok().filter(|saved| *saved != 0).unwrap_or(USUAL_SAVING_MIN)
}

const fn says_summer(status: u8) -> bool {
    status != STATUS_UNSPECIFIED && status & SUMMER != 0
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
        let (zone, quirks) = (berlin(), Quirks::default());
        let mut octets = without_deviation(at, &zone, &quirks).octets();
        if deviation {
            octets = with_deviation(at, &zone, &quirks).unwrap().octets();
        }
        octets[11] = status.unwrap_or(octets[11]);
        DateTime::new(octets)
    }

    fn resolver(zone: &TimeZone, period_s: u32, after: Option<Timestamp>) -> Resolver {
        Resolver { period_s, after, ..Resolver::new(zone, &Quirks::default()) }
    }

    fn resolve_all(times: &[DateTime], after: Option<Timestamp>) -> Vec<Timestamp> {
        let mut resolver = resolver(&berlin(), 900, after);
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
        let mut resolver = resolver(&berlin(), 900, None);
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
        let mut resolver = resolver(&TimeZone::UTC, 900, None);
        let time = DateTime::from_unix(at("2026-06-01T10:00:00Z").as_second(), Some(-120), 0x80);
        let moment = resolver.resolve(Some(&time)).unwrap();
        assert_eq!(moment, Moment { at: at("2026-06-01T10:00:00Z"), offset_min: Some(120), status: 0x80 });
    }

    #[test]
    fn implied_times_follow_the_period_and_days_follow_the_calendar() {
        let start = at("2026-03-28T23:00:00Z");
        let mut quarter_hours = resolver(&berlin(), 900, None);
        quarter_hours.resolve(Some(&sent(start, true, None))).unwrap();
        let next = quarter_hours.resolve(None).unwrap();
        assert_eq!(next, Moment { at: at("2026-03-28T23:15:00Z"), offset_min: None, status: 0xFF });
        assert_eq!(quarter_hours.resolve(None).unwrap().at, at("2026-03-28T23:30:00Z"));
        let mut days = resolver(&berlin(), 86_400, None);
        days.resolve(Some(&sent(start, true, None))).unwrap();
        // Local midnight after the day of 23 hours.
        assert_eq!(days.resolve(None).unwrap().at, at("2026-03-29T22:00:00Z"));
    }

    #[test]
    fn times_that_are_none_are_named() {
        let mut resolver = resolver(&berlin(), 0, None);
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
        let mut resolver = Resolver::new(&berlin(), &quirks);
        let moment = resolver.resolve(Some(&said)).unwrap();
        assert_eq!((moment.at, moment.offset_min), (summer, Some(120)));
        // Where no deviation is said there is none to turn round.
        let silent = without_deviation(summer, &berlin(), &quirks);
        assert_eq!(resolver.resolve(Some(&silent)).unwrap().at, summer);
    }

    #[test]
    fn a_deviation_without_summer_time_is_understood_and_sent() {
        let quirks = Quirks { deviation_summer: DeviationSummer::LeftOut, ..Quirks::default() };
        let summer = at("2026-07-01T12:00:00Z");
        let said = meter_time(summer, &berlin(), &quirks).unwrap();
        assert_eq!((said.deviation(), said.status()), (Some(-60), SUMMER));
        assert_eq!(said.local_seconds(), Some(summer.as_second() + 7200));
        let moment = Resolver::new(&berlin(), &quirks).resolve(Some(&said)).unwrap();
        assert_eq!((moment.at, moment.offset_min), (summer, Some(120)));
        // Both hours of the night in which it comes twice, and a place where summer time is half an hour.
        for night in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            let said = meter_time(at(night), &berlin(), &quirks).unwrap();
            assert_eq!(instant(&said, &berlin(), &quirks), Some(at(night)));
        }
        let island = TimeZone::get("Australia/Lord_Howe").unwrap();
        let said = meter_time(at("2026-01-01T00:00:00Z"), &island, &quirks).unwrap();
        assert_eq!(said.deviation(), Some(-630));
        assert_eq!(instant(&said, &island, &quirks), Some(at("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn a_clock_that_knows_no_summer_time_is_understood_on_every_day() {
        for range_deviation in [RangeDeviation::Send, RangeDeviation::Unspecified] {
            let quirks = Quirks { local_time: LocalTime::Standard, range_deviation, ..Quirks::default() };
            for day in [civil::date(2026, 3, 29), civil::date(2026, 10, 25), civil::date(2026, 7, 1)] {
                for at in quarters(day) {
                    let said = meter_time(at, &berlin(), &quirks).unwrap();
                    assert_eq!((said.local_seconds(), said.status()), (Some(at.as_second() + 3600), 0));
                    assert_eq!(instant(&said, &berlin(), &quirks), Some(at));
                    let (from, _, start) = range_limits((at, at), &berlin(), &quirks).unwrap();
                    assert_eq!((from, start), (said, at));
                }
            }
        }
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
