//! Logs of events, which are read periodically.

use std::time::Duration;

use dlms::Obis;
use serde::{Deserialize, Serialize};

/// A log of events: a profile-generic object (class 7) that gets an entry whenever something happens. What its codes mean is in
/// [`Alarms::events`](crate::Alarms::events).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Short name for people and for the command line, such as `fraud`; unique among logs and profiles of the model.
    pub name: String,
    /// Logical name of the log, such as `0.0.99.98.1.255`; unique among logs and profiles of the model.
    pub obis: Obis,
    /// Entries that the meter keeps before it overwrites the oldest; at least 1.
    pub depth: u32,
    /// How often it is read, such as `"6h"`; at least one minute.
    #[serde(with = "humantime_serde")]
    pub read_every: Duration,
    /// Logical name of the captured object that holds the code. Default: the event-code object `0.b.96.11.e`, where the log captures none the
    /// first column with a number, and where it has none the status column.
    #[serde(default)]
    pub code: Option<Obis>,
    /// Logical name of the captured object that names the node that an entry is about, in the log of a concentrator. Default: entries are about the
    /// meter itself.
    #[serde(default)]
    pub node: Option<Obis>,
    /// Set when an entry holds a status word, each bit of which is an event of its own. Default: an entry holds one code.
    #[serde(default)]
    pub status_word: Option<StatusWord>,
    /// Set when an entry tells of an outage that is over, such as `outages = { long = "3m" }`: its number is for how many seconds the supply was gone. Default:
    /// an entry holds a code.
    #[serde(default)]
    pub outages: Option<Outages>,
}

/// How the status words of a log are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusWord {
    /// A word that has one of these bits is one code as a whole, such as 0x8011 with the bit 0x8000. Default 0: there is no such word.
    pub number: u32,
}

/// How the entries of a log of outages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outages {
    /// From how long on an outage is a long one, the code 1; a shorter one is the code 0. At least one second.
    #[serde(with = "humantime_serde")]
    pub long: Duration,
}

impl Log {
    /// The codes that an entry with this code or status word stands for, as [`Alarms::events`](crate::Alarms::events) has them: the code itself,
    /// or the value of each bit of a status word, the lowest first, or 1 and 0 for outages that were long and not. Never empty: a word without bits is the code 0.
    pub fn codes(&self, logged: u32) -> Vec<u32> {
        if let Some(Outages { long }) = self.outages {
            return vec![u32::from(Duration::from_secs(logged.into()) >= long)];
        }
        match self.status_word {
            Some(StatusWord { number }) if logged != 0 && logged & number == 0 => {
                (0..u32::BITS).map(|bit| 1 << bit).filter(|bit| logged & bit != 0).collect()
            }
            _ => vec![logged],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(status_word: Option<StatusWord>) -> Log {
        Log {
            name: "events".into(),
            obis: "1.0.99.98.0.255".parse().unwrap(),
            depth: 64,
            read_every: Duration::from_secs(3600),
            code: None,
            node: None,
            status_word,
            outages: None,
        }
    }

    #[test]
    fn a_status_word_is_as_many_events_as_it_has_bits() {
        let words = log(Some(StatusWord { number: 0x8000 }));
        assert_eq!(words.codes(0x00C0), [0x0040, 0x0080]);
        assert_eq!(words.codes(0x8011), [0x8011], "a number, though it has more bits than one");
        assert_eq!(words.codes(0), [0]);
        assert_eq!(log(Some(StatusWord::default())).codes(0x8001), [0x0001, 0x8000]);
        assert_eq!(log(None).codes(0x00C0), [0x00C0]);
    }

    #[test]
    fn mt_09_an_outage_is_long_from_its_limit_on() {
        let outages = Log { outages: Some(Outages { long: Duration::from_secs(180) }), ..log(None) };
        assert_eq!([0, 179, 180, u32::MAX].map(|seconds| outages.codes(seconds)), [[0], [0], [1], [1]]);
    }
}
