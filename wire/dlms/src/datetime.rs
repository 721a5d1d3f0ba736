use crate::Error;
use crate::axdr::Data;

/// Octets of a date-time.
const LENGTH: usize = 12;
/// Deviation that is not specified.
const NO_DEVIATION: i16 = i16::MIN;
const SECONDS_PER_DAY: i64 = 86_400;

/// Date and time of COSEM (Blue Book, 4.1.6.1): twelve octets, each part of which may be unspecified. Kept as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime([u8; LENGTH]);

/// What a [`DateTime`] says, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Year; `None` when not specified.
    pub year: Option<u16>,
    /// Month 1 to 12; 0xFD end and 0xFE begin of daylight saving; 0xFF not specified.
    pub month: u8,
    /// Day 1 to 31; 0xFD second last, 0xFE last of the month; 0xFF not specified.
    pub day: u8,
    /// Day of the week, 1 Monday to 7 Sunday; 0xFF not specified.
    pub day_of_week: u8,
    /// Hour 0 to 23; 0xFF not specified. Some meters write 24 for the end of the day.
    pub hour: u8,
    /// Minute 0 to 59; 0xFF not specified.
    pub minute: u8,
    /// Second 0 to 59; 0xFF not specified.
    pub second: u8,
    /// Hundredths 0 to 99; 0xFF not specified.
    pub hundredths: u8,
    /// Minutes from local time to UTC: UTC = local + deviation; `None` when not specified.
    pub deviation: Option<i16>,
    /// Clock status: bit 0 invalid, 1 doubtful, 2 other clock base, 3 invalid clock status, 7 daylight saving; 0xFF not specified.
    pub status: u8,
}

impl DateTime {
    /// Bit of the status that says that daylight saving is on.
    pub const DAYLIGHT_SAVING: u8 = 0x80;

    /// No part of it is specified.
    pub const UNSPECIFIED: Self = Self([0xFF; LENGTH]);

    /// Takes the twelve octets. None are refused: meters send parts outside their ranges, and what they sent is kept.
    pub const fn new(octets: [u8; LENGTH]) -> Self {
        Self(octets)
    }

    /// The date and time that a value is: an octet-string of twelve octets, or the type of its own.
    ///
    /// # Errors
    /// [`Error::Length`] for another octet-string, [`Error::DataType`] for another type; they name `what`.
    pub fn of(data: &Data, what: &'static str) -> Result<Self, Error> {
        match data {
            Data::DateTime(time) => Ok(*time),
            Data::OctetString(octets) => {
                let wrong = Error::Length { what, expected: LENGTH, got: octets.len() };
                octets.as_slice().try_into().map(Self::new).map_err(|_| wrong)
            }
            other => Err(Error::DataType { expected: what, got: other.data_type() }),
        }
    }

    /// The twelve octets.
    pub const fn octets(&self) -> [u8; LENGTH] {
        self.0
    }

    /// The instant `seconds` after 1970-01-01 00:00:00 UTC, as a clock with this deviation shows it. Without a deviation, `seconds` are
    /// those of the local time as if it were UTC. Years outside 0 to 65534 are cut to these bounds.
    pub fn from_unix(seconds: i64, deviation: Option<i16>, status: u8) -> Self {
        let local = seconds.saturating_sub(i64::from(deviation.unwrap_or(0)) * 60);
        let (days, rest) = (local.div_euclid(SECONDS_PER_DAY), local.rem_euclid(SECONDS_PER_DAY));
        let (year, month, day) = civil(days);
        let [year_high, year_low] = u16::try_from(year.clamp(0, 0xFFFE)).unwrap_or(0).to_be_bytes();
        // 1970-01-01 was a Thursday.
        let day_of_week = (days + 3).rem_euclid(7) + 1;
        let [deviation_high, deviation_low] = deviation.unwrap_or(NO_DEVIATION).to_be_bytes();
        let part = |value: i64| u8::try_from(value).unwrap_or(0xFF);
        Self([
            year_high,
            year_low,
            part(month),
            part(day),
            part(day_of_week),
            part(rest / 3600),
            part(rest / 60 % 60),
            part(rest % 60),
            0,
            deviation_high,
            deviation_low,
            status,
        ])
    }

    /// What it says, part by part.
    pub const fn parts(&self) -> Parts {
        let [y1, y2, month, day, day_of_week, hour, minute, second, hundredths, d1, d2, status] = self.0;
        let year = match u16::from_be_bytes([y1, y2]) {
            0xFFFF => None,
            year => Some(year),
        };
        let deviation = match i16::from_be_bytes([d1, d2]) {
            NO_DEVIATION => None,
            deviation => Some(deviation),
        };
        Parts { year, month, day, day_of_week, hour, minute, second, hundredths, deviation, status }
    }

    /// Minutes from local time to UTC, when specified.
    pub const fn deviation(&self) -> Option<i16> {
        self.parts().deviation
    }

    /// The same date and time of day with this deviation: another instant.
    pub const fn with_deviation(mut self, deviation: i16) -> Self {
        [self.0[9], self.0[10]] = deviation.to_be_bytes();
        self
    }

    /// The same date and time with the deviation's sign turned round; an unspecified deviation stays.
    pub const fn with_opposite_deviation(self) -> Self {
        match self.deviation() {
            // The one number without an opposite is the unspecified one.
            Some(deviation) => self.with_deviation(deviation.wrapping_neg()),
            None => self,
        }
    }

    /// Clock status; 0xFF when not specified.
    pub const fn status(&self) -> u8 {
        self.0[11]
    }

    /// Seconds from 1970-01-01 00:00:00 to this date and time, both in local time. `None` when the date, the hour or the minute is
    /// not specified or outside its range. A second that is not specified counts as 0; some meters send none. 24:00:00.00 is the end of the day, which is the
    /// midnight that the next one begins with (ISO 8601); some meters write that.
    pub fn local_seconds(&self) -> Option<i64> {
        let Parts { year, month, day, hour, minute, second, hundredths, .. } = self.parts();
        let second = if second == 0xFF { 0 } else { second };
        let is_end_of_day = (hour, minute, second) == (24, 0, 0) && matches!(hundredths, 0 | 0xFF);
        let year = i64::from(year?);
        let days = days_from_civil(year, i64::from(month), i64::from(day));
        let exists = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && civil(days) == (year, i64::from(month), i64::from(day));
        (exists && (hour < 24 || is_end_of_day) && minute < 60 && second < 60).then(|| {
            days * SECONDS_PER_DAY + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)
        })
    }

    /// Seconds from 1970-01-01 00:00:00 UTC; `None` when [`local_seconds`](Self::local_seconds) or the deviation is missing.
    pub fn unix_seconds(&self) -> Option<i64> {
        Some(self.local_seconds()? + i64::from(self.deviation()?) * 60)
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap day comes last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day counted from 1970-01-01: the inverse of [`days_from_civil`].
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}
