//! Times of rows as instants.

use dlms::DateTime;
use jiff::{
    SignedDuration, Timestamp, ToSpan, civil,
    tz::{AmbiguousOffset, Offset, TimeZone},
};
use models::{DeviationSign, DeviationSummer, LocalTime, Quirks};

use super::{INVALID, Moment, STATUS_UNSPECIFIED, civil_from, is_invalid, says_summer, standard_offset};

const DAY_S: u32 = 86_400;
/// What summer time is, wherever nothing else is known.
const USUAL_SAVING_MIN: i16 = 60;

/// Why a time of the meter is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    /// Year, month, day, hour or minute are wildcards, or not on the calendar.
    #[error("the date {0:02x?} is not on the calendar; check and set the meter's clock")]
    Invalid([u8; 12]),
    /// The first row has no time and there is none before it to count from.
    #[error("the first capture has no time; check and set the meter's clock")]
    FirstImplied,
    /// A row has no time and the profile has no period to count with.
    #[error("a capture has no time and the profile has no period; set one (attribute 4)")]
    NoPeriod,
    /// A time can be counted only when it is known in which order the rows stand.
    #[error(
        "a capture has no time, and nothing says in which order captures stand; let the client read the order (attribute 5)"
    )]
    OrderUnknown,
    /// A row has no time, and its neighbours are no neighbours in time.
    #[error(
        "a capture has no time and captures are sorted by a value; sort them by time (attributes 5 and 6)"
    )]
    SortedByValue,
}

/// In which order the rows of a buffer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By time, the oldest first.
    OldestFirst,
    /// By time, the newest first.
    NewestFirst,
    /// By a value.
    ByValue,
}

/// What is known of the order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sequence {
    Unknown,
    /// So far, by rows that say their time.
    Seen(Order),
    /// Rows go this way and that, as after a clock was put back.
    Mixed,
    /// For certain.
    Told(Order),
}

/// Turns the times of one answer, in the order of their rows, into instants.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    zone: TimeZone,
    sign: DeviationSign,
    summer: DeviationSummer,
    local: LocalTime,
    period_s: u32,
    sequence: Sequence,
    /// From when to when rows were asked for.
    asked: (Timestamp, Timestamp),
    previous: Option<Moment>,
    /// What the last time outside of a repeated hour was: its offset from UTC, and whether it bore the summer bit.
    told: Option<(Offset, bool)>,
}

impl Resolver {
    /// A resolver for a meter whose clock shows the time of `zone`, with these habits, and whose rows stand in the order of time.
    pub(crate) fn new(zone: &TimeZone, quirks: &Quirks) -> Self {
        Self {
            zone: zone.clone(),
            sign: quirks.deviation_sign,
            summer: quirks.deviation_summer,
            local: quirks.local_time,
            period_s: 0,
            sequence: Sequence::Told(Order::OldestFirst),
            asked: (Timestamp::MIN, Timestamp::MAX),
            previous: None,
            told: None,
        }
    }

    /// The same, where it is not known yet how rows stand.
    pub(crate) fn of_any_order(self) -> Self {
        Self { sequence: Sequence::Unknown, ..self }
    }

    /// Rows without a time follow each other by this period, in seconds.
    pub(crate) fn captured_every(&mut self, period_s: u32) {
        self.period_s = period_s;
    }

    /// Rows stand in this order.
    pub(crate) fn sorted(&mut self, order: Order) {
        self.sequence = Sequence::Told(order);
    }

    /// Makes ready for another answer of the same meter, which was asked for what lies between these instants.
    pub(crate) fn restart(&mut self, asked: (Timestamp, Timestamp)) {
        // What is known about order and summer bit stays: an answer that begins in the repeated hour does not show it.
        self.asked = asked;
        self.previous = None;
    }

    /// The instant of the next row; `None` stands for a time implied by the period.
    pub(crate) fn resolve(&mut self, time: Option<&DateTime>) -> Result<Moment, TimeError> {
        let moment = match time {
            Some(time) => self.explicit(time)?,
            None => self.implied()?,
        };
        if time.is_some() {
            self.watch_order(moment.at);
        }
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
        let at = self.place(civil, status)?.ok_or_else(invalid)?;
        Ok(Moment { at, offset_min: None, status })
    }

    /// Null-data in the clock column: one period away from the row before.
    fn implied(&mut self) -> Result<Moment, TimeError> {
        let previous = self.previous.ok_or(TimeError::FirstImplied)?;
        if self.period_s == 0 {
            return Err(TimeError::NoPeriod);
        }
        let (later, earlier) = (self.neighbour(previous.at, 1), self.neighbour(previous.at, -1));
        if self.sequence == Sequence::Unknown {
            // A meter gives what it was asked for, so that the limits of the range may leave one direction only.
            let (from, to) = self.asked;
            match (later.is_some_and(|at| at <= to), earlier.is_some_and(|at| at >= from)) {
                (true, false) => self.sequence = Sequence::Seen(Order::OldestFirst),
                (false, true) => self.sequence = Sequence::Seen(Order::NewestFirst),
                _ => {}
            }
        }
        let at = match self.sequence {
            Sequence::Seen(Order::OldestFirst) | Sequence::Told(Order::OldestFirst) => later,
            Sequence::Seen(Order::NewestFirst) | Sequence::Told(Order::NewestFirst) => earlier,
            Sequence::Seen(Order::ByValue) | Sequence::Told(Order::ByValue) => {
                return Err(TimeError::SortedByValue);
            }
            Sequence::Unknown | Sequence::Mixed => return Err(TimeError::OrderUnknown),
        };
        // What the meter did not say about this row is not invented, but what is counted from a time that is not valid is not valid either.
        let status = if is_invalid(previous.status) { INVALID } else { STATUS_UNSPECIFIED };
        Ok(Moment { at: at.ok_or(TimeError::NoPeriod)?, offset_min: None, status })
    }

    /// So many captures on. A period of whole days goes by the calendar where it does so from the start of a day, because such captures
    /// are taken at local midnight and days have 23 to 25 hours.
    fn neighbour(&self, at: Timestamp, captures: i64) -> Option<Timestamp> {
        let seconds = i64::from(self.period_s).checked_mul(captures)?;
        let zoned = at.to_zoned(self.zone.clone());
        if self.period_s.is_multiple_of(DAY_S) && zoned.start_of_day().is_ok_and(|start| start == zoned) {
            let date = zoned.date().checked_add((seconds / i64::from(DAY_S)).days()).ok()?;
            return date.to_zoned(self.zone.clone()).ok().map(|start| start.timestamp());
        }
        at.checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    /// Learns from a row that says its time.
    fn watch_order(&mut self, at: Timestamp) {
        let Some(previous) = self.previous.filter(|previous| previous.at != at) else { return };
        let order = if previous.at < at { Order::OldestFirst } else { Order::NewestFirst };
        self.sequence = match self.sequence {
            Sequence::Unknown => Sequence::Seen(order),
            Sequence::Seen(seen) if seen != order => Sequence::Mixed,
            same => same,
        };
    }

    /// The instant of a local time; `None` when the calendar does not go so far.
    pub(super) fn place(
        &mut self,
        civil: civil::DateTime,
        status: u8,
    ) -> Result<Option<Timestamp>, TimeError> {
        if self.local == LocalTime::Standard {
            let about = TimeZone::UTC.to_timestamp(civil).ok();
            return Ok(about.and_then(|about| standard_offset(about, &self.zone).to_timestamp(civil).ok()));
        }
        let at = match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => {
                if status != STATUS_UNSPECIFIED {
                    self.told = Some((offset, says_summer(status)));
                }
                offset.to_timestamp(civil)
            }
            // The hour that the clock skips: the meter has not yet put its clock forward.
            AmbiguousOffset::Gap { before, .. } => before.to_timestamp(civil),
            AmbiguousOffset::Fold { before, after } => {
                let both = (before.to_timestamp(civil), after.to_timestamp(civil));
                let (Ok(first), Ok(second)) = both else { return Ok(None) };
                let is_first = self.is_first((first, second), before, status)?;
                Ok(if is_first { first } else { second })
            }
        };
        Ok(at.ok())
    }

    /// Which of two instants with the same local time is meant. The summer bit says it; but some meters never set it, and some set it in winter,
    /// where the time zone database calls that the other time: that shows before the clocks are put back.
    fn is_first(&self, both: (Timestamp, Timestamp), summer: Offset, status: u8) -> Result<bool, TimeError> {
        let has_shown_none = self.told == Some((summer, false));
        if says_summer(status) {
            return Ok(!has_shown_none);
        }
        let says_nothing = status == STATUS_UNSPECIFIED || has_shown_none;
        match self.order_about(both).ok_or(TimeError::OrderUnknown)? {
            Order::OldestFirst | Order::ByValue if !says_nothing => Ok(false),
            Order::ByValue => Ok(true),
            // Whether the meter ever sets the bit shows in rows that come later.
            order => Ok(self.is_first_by_order(both, order)),
        }
    }

    /// The order of rows, which also follows from a row before that lies before or behind both instants.
    fn order_about(&self, (first, second): (Timestamp, Timestamp)) -> Option<Order> {
        let previous = self.previous.map(|previous| previous.at);
        match self.sequence {
            Sequence::Seen(order) | Sequence::Told(order) => Some(order),
            Sequence::Unknown | Sequence::Mixed => match previous? {
                previous if previous < first => Some(Order::OldestFirst),
                previous if previous > second => Some(Order::NewestFirst),
                _ => None,
            },
        }
    }

    fn is_first_by_order(&self, (first, second): (Timestamp, Timestamp), order: Order) -> bool {
        let previous = self.previous.map(|previous| previous.at);
        // Captures lie whole periods apart, which an hour need not be.
        let period_s = i64::from(self.period_s % DAY_S).max(1);
        let fits = |at: Timestamp| {
            previous.is_none_or(|previous| at.duration_since(previous).as_secs() % period_s == 0)
        };
        match (fits(first), fits(second), order) {
            (true, false, _) => true,
            (false, true, _) => false,
            (_, _, Order::NewestFirst) => {
                previous.map_or(second > self.asked.1, |previous| second >= previous)
            }
            _ => previous.map_or(first >= self.asked.0, |previous| first > previous),
        }
    }
}

/// Minutes by which summer time moves the clocks of a zone about an instant; an hour where it does not know any.
fn saving_min(at: Timestamp, zone: &TimeZone) -> i16 {
    let saved = zone.to_offset(at).seconds() - standard_offset(at, zone).seconds();
    i16::try_from(saved / 60).ok().filter(|saved| *saved != 0).unwrap_or(USUAL_SAVING_MIN)
}
