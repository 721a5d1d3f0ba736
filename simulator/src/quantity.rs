//! What a column or register of a model measures, and its value at an instant.

use dlms::axdr::Data;
use dlms::{Obis, Unit};
use jiff::tz::TimeZone;
use models::ColumnSpec;

use crate::energy::{Flow, SLOT_S, total, total_at};
use crate::local::month_start;
use crate::noise::Noise;

/// Quarter-hours over which demand is averaged (sliding window of three, as the SED302's datasheet says).
const DEMAND_SLOTS: i64 = 3;
const CURRENCY: &str = "currency";
/// The maximum that a month adds to the cumulative one, in W, and what is used in a month, in Wh.
const MONTHLY_W: i64 = 5_000;
const MONTHLY_WH: i64 = 300_000;

/// A measured quantity with its place in the meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantity {
    kind: Kind,
    /// Power of ten from the unit of [`Kind`] to that of the model.
    shift: i8,
}

/// The meter and the instant for which a value is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) noise: Noise,
    pub(crate) zone: &'a TimeZone,
    /// Seconds since 1970.
    pub(crate) at: i64,
}

/// A-XDR type in which a value is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// double-long
    I32,
    /// long-unsigned
    U16,
    /// double-long-unsigned
    U32,
}

impl Wire {
    fn range(self) -> (i64, i64) {
        match self {
            Self::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Self::U16 => (0, i64::from(u16::MAX)),
            Self::U32 => (0, i64::from(u32::MAX)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Wh or varh since the meter was made.
    Total(Flow),
    /// The part of it that was counted at a rate, from 1.
    Rate(Flow, u8),
    /// Wh, varh or VAh since the meter was made that it makes from other totals; the number is the value group C.
    Made(u8),
    /// Wh or varh of the last so many seconds.
    Interval(Flow, i64),
    /// W or var averaged over the last so many seconds.
    Average(Flow, i64),
    /// W or var averaged over the demand window that ended at the last quarter-hour.
    Demand(Flow),
    /// The highest demand of the month.
    Maximum(Flow),
    /// W or var: the maxima of all months together, as if each had been the same.
    Cumulative(Flow),
    /// Wh or varh of the month.
    Month(Flow),
    /// W or var now.
    Power(Flow),
    /// W or var now on one of three phases.
    PhasePower(Flow),
    /// W above which a household is cut off.
    PowerLimit,
    /// Thousandths of a cubic metre of a device on a channel of M-Bus.
    Volume,
    /// VA now.
    ApparentPower,
    /// Tenths of a volt; the number is the phase.
    Voltage(i64),
    /// Hundredths of an ampere.
    Current(i64),
    /// Thousandths; 0 is the whole meter.
    PowerFactor(i64),
    /// Hundredths of a hertz.
    Frequency,
    /// Tenths of a volt at which a voltage is called too low (value group D = 31) or too high.
    VoltageLimit(u8),
    /// Seconds after which it is, or an outage is called long.
    Patience,
    /// Tenths of a degree; the number tells angles apart.
    Angle(i64),
    /// Hundredths of the currency: balance, charged in the month, consumed in the month.
    Balance,
    Charged,
    Consumed,
    /// Nothing, until something happens: bits of a status or alarm register, the last purchase, a level that was not set.
    Still,
    /// A quantity that this simulator has no picture of: any number, told apart by the stream.
    Other(u64),
}

impl Quantity {
    /// What an attribute of an object measures. `period_s` is the capture period of the profile that it stands in.
    pub(crate) fn of(column: &ColumnSpec, period_s: u32) -> Self {
        let kind = Kind::of(column, i64::from(period_s).max(SLOT_S));
        let shift = match kind {
            Kind::Other(_) => 0,
            _ => kind.scaler().saturating_sub(column.scaler),
        };
        Self { kind, shift }
    }

    /// The value in the scaler of the model, as it is sent: a register that cannot hold it stays at its end.
    pub(crate) fn value(self, moment: Moment<'_>) -> i64 {
        let value = self.kind.value(moment);
        let (least, most) = self.wire().range();
        let scaled = match self.shift {
            0 => value,
            1.. => value.saturating_mul(power_of_ten(self.shift)),
            _ => value / power_of_ten(self.shift),
        };
        scaled.clamp(least, most)
    }

    /// The value as an element of the protocol.
    pub(crate) fn data(self, moment: Moment<'_>) -> Data {
        self.element(self.value(moment))
    }

    /// A value as an element of the protocol.
    pub(crate) fn element(self, value: i64) -> Data {
        // The range of the type was kept above.
        match self.wire() {
            Wire::I32 => Data::DoubleLong(i32::try_from(value).unwrap_or(i32::MAX)),
            Wire::U16 => Data::LongUnsigned(u16::try_from(value).unwrap_or(u16::MAX)),
            Wire::U32 => Data::DoubleLongUnsigned(u32::try_from(value).unwrap_or(u32::MAX)),
        }
    }

    /// When the value came about (seconds since 1970): the quarter-hour of a maximum, the instant itself otherwise.
    pub(crate) fn since(self, moment: Moment<'_>) -> i64 {
        match self.kind {
            Kind::Maximum(flow) => maximum(moment, flow).1,
            _ => moment.at,
        }
    }

    /// The type in which a meter sends it.
    pub(crate) fn wire(self) -> Wire {
        match self.kind {
            Kind::Balance | Kind::Charged | Kind::Consumed | Kind::Made(16) => Wire::I32,
            Kind::Voltage(_) | Kind::Current(_) | Kind::PowerFactor(_) | Kind::Frequency
                if self.shift <= 0 =>
            {
                Wire::U16
            }
            _ => Wire::U32,
        }
    }
}

impl Kind {
    /// By value groups C and D of IEC 62056-6-1.
    fn of(column: &ColumnSpec, period_s: i64) -> Self {
        let octets = column.obis.octets();
        let [a, _, c, d, e, _] = octets;
        let other = Self::Other(u64::from_be_bytes([0, column.attribute.unsigned_abs(), 0, 1, c, d, e, 1]));
        if column.unit.symbol() == CURRENCY {
            return match e {
                0 => Self::Balance,
                1 => Self::Charged,
                _ => Self::Consumed,
            };
        }
        let phase = i64::from(c / 20);
        if matches!((c, d, e), (12, 43 | 44, _) | (96, 7, 20)) {
            return Self::Patience;
        }
        match (Flow::of_group_c(c), c, d) {
            (None, 97, 98) if a == 0 => Self::Still,
            (None, 128, 19) if a == 0 && matches!(e, 12 | 13 | 21 | 22) => Self::Still,
            (Some(_), _, 35 | 36) => Self::Still,
            (Some(flow), _, 8) if e == 0 => Self::Total(flow),
            (Some(flow), _, 8) => Self::Rate(flow, e),
            (None, 5..=10 | 15 | 16, 8) if e == 0 => Self::Made(c),
            (Some(flow), _, 29 | 30) => Self::Interval(flow, period_s),
            (Some(flow), _, 24 | 25 | 27 | 28) => Self::Average(flow, period_s),
            (Some(flow), _, 4) if column.class_id == 5 && column.attribute == 2 => {
                Self::Average(flow, DEMAND_SLOTS * SLOT_S)
            }
            (Some(flow), _, 4 | 5) => Self::Demand(flow),
            (Some(flow), _, 6) => Self::Maximum(flow),
            (Some(flow), _, 2) => Self::Cumulative(flow),
            (Some(flow), _, 9) => Self::Month(flow),
            (None, 81, 7) => Self::Angle(i64::from(e)),
            (None, 91, 7) => Self::Current(4),
            (Some(flow), _, 7) => Self::Power(flow),
            (None, 21 | 41 | 61, 7) => Self::PhasePower(Flow::ActiveImport),
            (None, 23 | 43 | 63, 7) => Self::PhasePower(Flow::ReactiveImport),
            (None, 128, 50) if a == 0 => Self::Volume,
            (None, 128, 61) if a == 0 => Self::PowerLimit,
            (None, 128, 62) if a == 0 => match e {
                2 => Self::Patience,
                3 => Self::PowerLimit,
                _ => Self::Still,
            },
            (None, 9, 7) => Self::ApparentPower,
            (None, 32 | 52 | 72, _) => Self::Voltage(phase),
            (None, 31 | 51 | 71, _) => Self::Current(phase),
            (None, 13 | 33 | 53 | 73, _) => Self::PowerFactor(phase),
            (None, 14, _) => Self::Frequency,
            (None, 12, 31 | 35) => Self::VoltageLimit(d),
            _ => other,
        }
    }

    fn scaler(self) -> i8 {
        match self {
            Self::Voltage(_) | Self::VoltageLimit(_) | Self::Angle(_) => -1,
            Self::Current(_) | Self::Frequency | Self::Balance | Self::Charged | Self::Consumed => -2,
            Self::PowerFactor(_) | Self::Volume => -3,
            _ => 0,
        }
    }

    /// Unit codes of IEC 62056-6-2.
    fn unit(self) -> Unit {
        let active = |flow: Flow| matches!(flow, Flow::ActiveImport | Flow::ActiveExport);
        Unit(match self {
            Self::Made(15 | 16) => 30,
            Self::Made(9 | 10) => 31,
            Self::Total(flow) | Self::Rate(flow, _) | Self::Interval(flow, _) | Self::Month(flow)
                if active(flow) =>
            {
                30
            }
            Self::Total(_) | Self::Rate(..) | Self::Made(_) | Self::Interval(..) | Self::Month(_) => 32,
            Self::Average(flow, _)
            | Self::Demand(flow)
            | Self::Maximum(flow)
            | Self::Cumulative(flow)
            | Self::Power(flow)
            | Self::PhasePower(flow)
                if active(flow) =>
            {
                27
            }
            Self::PowerLimit => 27,
            Self::Average(..)
            | Self::Demand(_)
            | Self::Maximum(_)
            | Self::Cumulative(_)
            | Self::Power(_)
            | Self::PhasePower(_) => 29,
            Self::Volume => 13,
            Self::Angle(_) => 8,
            Self::ApparentPower => 28,
            Self::Voltage(_) | Self::VoltageLimit(_) => 35,
            Self::Patience => 7,
            Self::Current(_) => 33,
            Self::Frequency => 44,
            Self::Balance | Self::Charged | Self::Consumed => 10,
            Self::PowerFactor(_) | Self::Still | Self::Other(_) => 255,
        })
    }

    fn value(self, moment: Moment<'_>) -> i64 {
        let Moment { noise, zone, at } = moment;
        let jitter = |stream, limit| noise.below(stream, at.div_euclid(60), limit);
        match self {
            Self::Total(flow) => total_at(noise, flow, at),
            Self::Rate(flow, rate) => rated(total_at(noise, flow, at), rate),
            Self::Made(c) => made(|flow| total_at(noise, flow, at), c),
            Self::Interval(flow, seconds) => used(noise, flow, at - seconds, at),
            Self::Average(flow, seconds) => used(noise, flow, at - seconds, at) * 3600 / seconds,
            Self::Demand(flow) => demand(noise, flow, at.div_euclid(SLOT_S)),
            Self::Maximum(flow) => maximum(moment, flow).0,
            Self::Cumulative(flow) => MONTHLY_W * (1 + used(noise, flow, 0, at) / MONTHLY_WH),
            Self::Month(flow) => used(noise, flow, month_start(zone, at), at),
            Self::Power(flow) => power(noise, flow, at),
            Self::PhasePower(flow) => power(noise, flow, at) / 3,
            Self::PowerLimit => 22_000,
            Self::Volume => total_at(noise, Flow::ActiveImport, at) / 10,
            Self::ApparentPower => {
                let active = power(noise, Flow::ActiveImport, at);
                let reactive = power(noise, Flow::ReactiveImport, at);
                (active * active + reactive * reactive).isqrt()
            }
            Self::VoltageLimit(31) => 1840,
            Self::VoltageLimit(_) => 2500,
            Self::Patience => 60,
            Self::Voltage(phase) => 2240 + jitter(stream(0x80, phase), 121),
            Self::Current(phase) => {
                let share = 75 + jitter(stream(0x90, phase), 51);
                power(noise, Flow::ActiveImport, at) * share / 690
            }
            Self::PowerFactor(phase) => 900 + jitter(stream(0xA0, phase), 100),
            Self::Frequency => 4990 + jitter(0xB0, 21),
            Self::Angle(which) => jitter(stream(0xD0, which), 3600),
            Self::Balance => 30_000 + charged(noise, zone, at) - consumed(noise, zone, at),
            Self::Charged => charged(noise, zone, at),
            Self::Consumed => consumed(noise, zone, at),
            Self::Still => 0,
            Self::Other(stream) => noise.below(stream, at, 10_000),
        }
    }
}

/// The column that a register would be, in the scaler and unit that this simulator counts in.
pub(crate) fn natural(obis: Obis, class_id: u16) -> ColumnSpec {
    let column = ColumnSpec { obis, class_id, attribute: 2, scaler: 0, unit: Unit::NONE, at: None };
    let kind = Kind::of(&column, SLOT_S);
    ColumnSpec { scaler: kind.scaler(), unit: kind.unit(), ..column }
}

fn power_of_ten(shift: i8) -> i64 {
    10_i64.saturating_pow(u32::from(shift.unsigned_abs()))
}

fn stream(base: u64, phase: i64) -> u64 {
    base + phase.unsigned_abs()
}

fn used(noise: Noise, flow: Flow, from: i64, to: i64) -> i64 {
    total_at(noise, flow, to) - total_at(noise, flow, from)
}

/// The part of a total that was counted at a rate: a fifth at each of the rates 2 to 4, the rest at the first. Of each unit one rate takes all, so that none ever counts back.
fn rated(total: i64, rate: u8) -> i64 {
    let fifth = |rate: u8| (total + 5 - i64::from(rate)) / 5;
    match rate {
        1 => total - [2, 3, 4].map(fifth).iter().sum::<i64>(),
        2..=4 => fifth(rate),
        _ => 0,
    }
}

/// A total that the meter makes from others, by value group C of IEC 62056-6-1.
fn made(total: impl Fn(Flow) -> i64, c: u8) -> i64 {
    let (import, export) = (total(Flow::ActiveImport), total(Flow::ActiveExport));
    let (inductive, capacitive) = (total(Flow::ReactiveImport), total(Flow::ReactiveExport));
    match c {
        5 => inductive - inductive / 3,
        6 => inductive / 3,
        7 => capacitive - capacitive / 3,
        8 => capacitive / 3,
        9 => import + inductive / 4,
        10 => export + capacitive / 4,
        15 => import + export,
        _ => import - export,
    }
}

/// W or var averaged over the quarter-hours that end with the given boundary.
fn demand(noise: Noise, flow: Flow, slot: i64) -> i64 {
    let energy = total(noise, flow, slot) - total(noise, flow, slot - DEMAND_SLOTS);
    energy * 3600 / (DEMAND_SLOTS * SLOT_S)
}

/// The highest demand of the month and when its window ended.
fn maximum(moment: Moment<'_>, flow: Flow) -> (i64, i64) {
    let first = month_start(moment.zone, moment.at).div_euclid(SLOT_S) + 1;
    let last = moment.at.div_euclid(SLOT_S);
    let highest = (first..=last).map(|slot| (demand(moment.noise, flow, slot), slot * SLOT_S)).max();
    highest.unwrap_or((0, moment.at))
}

/// W or var of the quarter-hour that the instant lies in; a boundary belongs to the quarter-hour that ends there.
fn power(noise: Noise, flow: Flow, at: i64) -> i64 {
    let slot = (at - 1).div_euclid(SLOT_S) + 1;
    (total(noise, flow, slot) - total(noise, flow, slot - 1)) * 3600 / SLOT_S
}

fn charged(noise: Noise, zone: &TimeZone, at: i64) -> i64 {
    2_000 + noise.below(0xC0, month_start(zone, at), 8_000)
}

fn consumed(noise: Noise, zone: &TimeZone, at: i64) -> i64 {
    let price_per_kwh = 20 + noise.below(0xC1, 0, 20);
    used(noise, Flow::ActiveImport, month_start(zone, at), at) * price_per_kwh / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_add_up_to_the_total_and_never_count_back() {
        let at = |total| [1, 2, 3, 4].map(|rate| rated(total, rate));
        for total in 0..1000 {
            let (before, after) = (at(total), at(total + 1));
            assert_eq!(before.iter().sum::<i64>(), total);
            assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{before:?} {after:?}");
        }
    }
}
