//! When a type of meter switches its household on and off by itself.

use std::fmt;

use serde::Deserialize;

use crate::ItemName;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A meter that switches its household on and off at times of the day, the same on every day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Times at most, 1 to 14.
    pub most: u8,
    /// Where they are, such as `at.dlt645 = { item = "04E005NN" }`.
    pub at: TimesPlace,
}

/// Where the times are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum TimesPlace {
    /// In an item of DL/T 645.
    #[serde(rename = "dlt645")]
    Dlt645(Dlt645Times),
}

/// A day table of DL/T 645, with a number for each of both states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlt645Times {
    /// The item.
    pub item: ItemName,
    /// The number of "on", 1 to 99. Default 1.
    #[serde(default = "default_on")]
    pub on: u8,
    /// The number of "off", 1 to 99. Default 2.
    #[serde(default = "default_off")]
    pub off: u8,
}

/// The times of a day, in their order; none when the meter does not switch by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayTimes(pub Vec<DayTime>);

/// From a time of the day on a household is supplied, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTime {
    /// Minute of the day by the meter's clock, 0 to 1439.
    pub minute: u16,
    /// Whether it is on from then.
    pub on: bool,
}

/// Times that a meter cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTimes {
    /// There are too many.
    #[error("{count} times are too many: {most} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many are allowed.
        most: u8,
    },
    /// One is not on the clock.
    #[error("minute {0} is none of a day: 0 to 1439 are allowed")]
    NoTime(u16),
    /// One is not behind the one before it.
    #[error("{0} overlaps with the one before it: times are ordered from midnight on, each once")]
    Order(DayTime),
}

impl Times {
    /// Whether a meter takes these times.
    ///
    /// # Errors
    /// [`BadTimes`], the first one.
    pub fn admit(&self, times: &DayTimes) -> Result<(), BadTimes> {
        let DayTimes(times) = times;
        if times.len() > self.most.into() {
            return Err(BadTimes::TooMany { count: times.len(), most: self.most });
        }
        if let Some(none) = times.iter().find(|time| time.minute >= DAY) {
            return Err(BadTimes::NoTime(none.minute));
        }
        match times.windows(2).find(|pair| pair[0].minute >= pair[1].minute) {
            Some(pair) => Err(BadTimes::Order(pair[1])),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DayTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(times) = self;
        if times.is_empty() {
            return f.write_str("no times");
        }
        for (place, time) in times.iter().enumerate() {
            write!(f, "{}{time}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minute, on } = self;
        write!(f, "{:02}:{:02} {}", minute / 60, minute % 60, if *on { "on" } else { "off" })
    }
}

const fn default_on() -> u8 {
    1
}

const fn default_off() -> u8 {
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hb_12_twelve_times_in_their_order_are_taken_and_others_are_not() {
        let at = TimesPlace::Dlt645(Dlt645Times { item: "04E005NN".parse().unwrap(), on: 1, off: 2 });
        let spec = Times { most: 12, at };
        let times = |minutes: &[u16]| {
            let on = |(place, minute): (usize, &u16)| DayTime { minute: *minute, on: place % 2 == 0 };
            DayTimes(minutes.iter().enumerate().map(on).collect())
        };
        let thirteen: Vec<u16> = (0..13).map(|hour| hour * 60 + 30).collect();
        assert_eq!(spec.admit(&times(&thirteen[..12])), Ok(()));
        assert_eq!(spec.admit(&times(&[])), Ok(()));
        assert_eq!(spec.admit(&times(&thirteen)), Err(BadTimes::TooMany { count: 13, most: 12 }));
        assert_eq!(spec.admit(&times(&[1440])), Err(BadTimes::NoTime(1440)));
        for minutes in [[390, 390], [391, 390]] {
            let error = spec.admit(&times(&minutes)).unwrap_err();
            assert_eq!(error, BadTimes::Order(DayTime { minute: 390, on: false }));
        }
        assert_eq!(times(&[390, 1320]).to_string(), "06:30 on, 22:00 off");
    }
}
