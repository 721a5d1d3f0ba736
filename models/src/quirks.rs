//! Habits in which meters differ from the standard.

use dlms::{DateTime, cosem::Form, hdlc::AddressSize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Habits in which meters of this model differ from the standard. Everything has the standard's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// What null-data means in a value column of a buffer. Default `"repeat"`.
    pub null_rule: NullRule,
    /// What the client writes as deviation into the limits of a range and into a time of activation. Default `"send"`.
    pub range_deviation: RangeDeviation,
    /// How the sign of a deviation is meant, in what the meter sends and in what it is sent. Default `"standard"`.
    pub deviation_sign: DeviationSign,
    /// Whether deviations contain summer time. Default `"contained"`.
    pub deviation_summer: DeviationSummer,
    /// What the clock shows in summer. Default `"zone"`.
    pub local_time: LocalTime,
    /// How the limits of a range are written: `"octets"`, as the standard has it, or `"typed"`. Default `"octets"`.
    #[serde(with = "crate::form")]
    pub range_dates: Form,
    /// Octets of the server address in HDLC frames, 1, 2 or 4, for meters that react to this size alone. One octet holds no device address. Default:
    /// the least that hold the address.
    #[serde(
        deserialize_with = "address_size",
        serialize_with = "octets_of_address",
        skip_serializing_if = "Option::is_none"
    )]
    pub server_address_size: Option<AddressSize>,
    /// Which of two invocation counters goes into the proof of GMAC, and which protects the message around it. Default `"lower"`.
    pub proof_counter: ProofCounter,
    /// Least protection of the meter's answers, when it is less than that of the requests. Default: as the requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Most rows that one request may ask for; longer ranges are read in parts. Default 2976, at least 1.
    pub max_rows_per_read: u32,
}

/// Which of two invocation counters goes into the proof of GMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofCounter {
    /// The lower one: the proof is made before the message around it.
    #[default]
    Lower,
    /// The higher one: for meters that count the message first, and refuse a proof below it.
    Higher,
}

/// Least protection of a meter's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// They may come in the clear.
    Clear,
    /// They carry an authentication tag.
    Authenticated,
    /// They are encrypted.
    Encrypted,
}

/// What null-data means in a value column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullRule {
    /// The same value as in the row before (IEC 62056-6-2, class 7).
    Repeat,
    /// There is no value.
    Absent,
}

/// What stands in the deviation field of the limits of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeDeviation {
    /// The offset of the meter's zone at that time.
    Send,
    /// 0x8000, "not specified": for meters that refuse or misread anything else.
    Unspecified,
}

/// What the sign of a deviation means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviationSign {
    /// UTC is local time plus the deviation (IEC 62056-6-2, 4.1.6.1): UTC+1 is -60.
    #[default]
    Standard,
    /// UTC is local time minus the deviation: UTC+1 is 60.
    Inverted,
}

/// Whether the deviation of a time in summer contains summer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviationSummer {
    /// UTC is local time plus the deviation all year (Blue Book, 4.1.6.1): -120 in a Berlin summer.
    #[default]
    Contained,
    /// It is that of standard time all year, -60 in Berlin, and the summer bit of the clock status says that local time is an hour ahead.
    LeftOut,
}

/// What local time a clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalTime {
    /// That of the people around: with summer time where there is any.
    #[default]
    Zone,
    /// Standard time all year.
    Standard,
}

impl DeviationSign {
    /// A time of the meter as the standard would have it, or the other way round.
    pub const fn apply(self, time: DateTime) -> DateTime {
        match self {
            Self::Standard => time,
            Self::Inverted => time.with_opposite_deviation(),
        }
    }
}

impl Default for Quirks {
    fn default() -> Self {
        // 31 days of quarter-hours: a month is one request.
        Self {
            null_rule: NullRule::Repeat,
            range_deviation: RangeDeviation::Send,
            deviation_sign: DeviationSign::Standard,
            deviation_summer: DeviationSummer::Contained,
            local_time: LocalTime::Zone,
            range_dates: Form::Octets,
            server_address_size: None,
            proof_counter: ProofCounter::Lower,
            answers: None,
            max_rows_per_read: 31 * 96,
        }
    }
}

fn address_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AddressSize>, D::Error> {
    AddressSize::try_from(u8::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn octets_of_address<S: Serializer>(size: &Option<AddressSize>, serializer: S) -> Result<S::Ok, S::Error> {
    size.map(|size| size as u8).serialize(serializer)
}
