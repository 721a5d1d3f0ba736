//! What the types of the file cannot say.

mod circuit;
mod clearing;
mod credit;
mod language;
mod load;
mod profile;
mod times;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use dlms::profile::{CaptureObject, Column};

use crate::{
    AlarmBit, Alarms, Billing, Bounds, ClockSync, ColumnSpec, Concentrator, Error, Firmware, KEYS, Language,
    Log, MBus, Model, Outages, Place, Profile, Reach, Register, Severity, StatusBit, TEST_KEY, Tariff,
    Transformers, Validation,
};

const NAME_LIMIT: usize = 32;
const PROFILES_LIMIT: usize = 16;
const LOGS_LIMIT: usize = 16;
const REGISTERS_LIMIT: usize = 128;
const SCALERS_LIMIT: usize = 128;
const MBUS_CHANNELS: RangeInclusive<u8> = 1..=16;
/// The stored row has 16 slots for values.
const VALUE_COLUMNS_LIMIT: usize = 16;
const COLUMNS_LIMIT: usize = 32;
const DAY_S: u32 = 86_400;
/// Ten years of minutes.
const DEPTH_LIMIT: u32 = 10 * 366 * 1440;
const READ_EVERY_MIN: Duration = Duration::from_secs(60);
/// The window of a general block has six bits.
const GENERAL_BLOCK_WINDOW_LIMIT: u8 = 63;
const MAX_PDU_MIN: u16 = 64;
const EVENTS_LIMIT: usize = 1024;
const BITS_LIMIT: usize = 512;
const BIT_MAX: u8 = 63;
const OBJECTS_LIMIT: usize = 64;
/// Keys that no other meter has begin so.
const VENDOR: &str = "vendor.";
const KEY_LIMIT: usize = 48;
const BLOCK_SIZES: RangeInclusive<u32> = 16..=65_536;
/// Parts of a calendar: days are numbered with one octet, and nothing of a calendar is larger.
const CALENDAR_PARTS: RangeInclusive<u16> = 1..=255;
const SPECIAL_DAYS_LIMIT: u16 = 1000;
const TARIFF_NAME: RangeInclusive<u16> = 1..=64;
/// Verifying or activating an image.
const IMAGE_STEP: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(6 * 60 * 60);
/// An answer of a node through a concentrator.
const ANSWER_WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(10 * 60);
/// Ports of a terminal, and the speeds that they have (Q/GDW 376.1, AFN 10H).
const TERMINAL_PORTS: RangeInclusive<u8> = 1..=31;
const TERMINAL_SPEEDS: [u32; 8] = gdw376::forward::Characters::SPEEDS;
const MODULUS_MIN: u64 = 1000;
const NO_VALUE_LIMIT: usize = 16;
/// The slowest switch there is demagnetises for a quarter of an hour.
const SETTLE_MAX: Duration = Duration::from_secs(16 * 60);

/// A counter of billing periods.
const COUNTED_WITHIN_MAX: Duration = Duration::from_secs(5 * 60);

/// Refuses a model that no meter can be, naming file and key.
pub(crate) fn check(file: &str, model: &Model) -> Result<(), Error> {
    let check = Check { file };
    check.names(model)?;
    let window = model.association.general_block_window;
    check.that(window <= GENERAL_BLOCK_WINDOW_LIMIT, "association.general_block_window", || {
        format!("is {window}, 0 to {GENERAL_BLOCK_WINDOW_LIMIT} are allowed")
    })?;
    check.that(model.association.max_pdu >= MAX_PDU_MIN, "association.max_pdu", || {
        format!("is {}, at least {MAX_PDU_MIN} octets are needed", model.association.max_pdu)
    })?;
    check.that(model.quirks.max_rows_per_read > 0, "quirks.max_rows_per_read", || {
        "must be more than 0".into()
    })?;
    if let Some(switch) = &model.switch {
        check.that(switch.settle <= SETTLE_MAX, "switch.settle", || {
            format!("is {} s, at most {} s are allowed", switch.settle.as_secs(), SETTLE_MAX.as_secs())
        })?;
    }
    check.language(model)?;
    let count = model.profiles.len();
    let is_asked =
        model.language == Language::Dlms && model.concentrator.is_none() && !model.read_with_parent;
    let (least, most) = (usize::from(is_asked), if model.read_with_parent { 0 } else { PROFILES_LIMIT });
    check.that((least..=most).contains(&count), "profiles", || {
        format!("has {count} entries, {least} to {most} are allowed")
    })?;
    let count = model.registers.len();
    check.that(count <= REGISTERS_LIMIT, "registers", || {
        format!("has {count} entries, at most {REGISTERS_LIMIT} are allowed")
    })?;
    let mut names = Unique::new();
    let mut logical_names = Unique::new();
    for (index, profile) in model.profiles.iter().enumerate() {
        let key = format!("profiles[{index}]");
        check.unique(&mut names, &profile.name, &format!("{key}.name"))?;
        check.unique(&mut logical_names, &profile.obis, &format!("{key}.obis"))?;
        check.profile(&key, profile, model)?;
    }
    let count = model.logs.len();
    check.that(count <= LOGS_LIMIT, "logs", || {
        format!("has {count} entries, at most {LOGS_LIMIT} are allowed")
    })?;
    for (index, log) in model.logs.iter().enumerate() {
        let key = format!("logs[{index}]");
        check.unique(&mut names, &log.name, &format!("{key}.name"))?;
        check.unique(&mut logical_names, &log.obis, &format!("{key}.obis"))?;
        check.log(&key, log)?;
    }
    let mut names = Unique::new();
    for (index, register) in model.registers.iter().enumerate() {
        let key = format!("registers[{index}]");
        check.unique(&mut names, &register.name, &format!("{key}.name"))?;
        check.unique(&mut logical_names, &register.obis, &format!("{key}.obis"))?;
        check.register(&key, register)?;
        check.parameter(&key, register)?;
    }
    check.scalers(model)?;
    model.firmware.as_ref().map_or(Ok(()), |firmware| check.firmware(firmware))?;
    model.transformers.map_or(Ok(()), |transformers| check.transformers(transformers))?;
    model.mbus.map_or(Ok(()), |mbus| check.mbus(mbus))?;
    model.clock_sync.map_or(Ok(()), |sync| check.clock_sync(sync, &model.language))?;
    model.tariff.as_ref().map_or(Ok(()), |tariff| check.tariff(tariff))?;
    model.billing.as_ref().map_or(Ok(()), |billing| check.billing(billing, model))?;
    model.concentrator.as_ref().map_or(Ok(()), |concentrator| check.concentrator(concentrator))?;
    check.circuit(model)?;
    check.credit(model)?;
    check.load(model)?;
    check.times(model)?;
    check.clearing(model)?;
    check.validation(&model.validation)?;
    check.alarms(&model.alarms, model)
}

/// Whether a text may be the name of a model: lower-case letters, digits and hyphens, at most 32.
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= NAME_LIMIT && text.chars().all(plain)
}

/// Whether a text may be a canonical key: one of [`KEYS`], or `vendor.` and a name of one's own.
pub(crate) fn is_key(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    let own = text.strip_prefix(VENDOR).is_some_and(|name| !name.is_empty() && name.chars().all(plain));
    KEYS.contains(&text) || (own && text.len() <= KEY_LIMIT)
}

type Unique = BTreeSet<String>;

struct Check<'a> {
    file: &'a str,
}

impl Check<'_> {
    fn names(&self, model: &Model) -> Result<(), Error> {
        let name = &model.name;
        self.that(is_name(name), "name", || {
            format!("`{name}` must be 1 to {NAME_LIMIT} lower-case letters, digits and hyphens")
        })?;
        let stem = Path::new(self.file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        self.that(stem.as_deref() == Some(name), "name", || {
            format!("`{name}` must be the name of the file without `.toml`")
        })
    }

    fn profile(&self, key: &str, profile: &Profile, model: &Model) -> Result<(), Error> {
        let period = profile.period_s;
        self.that(period == 0 || DAY_S.is_multiple_of(period), &format!("{key}.period_s"), || {
            format!("is {period}, must be 0 or divide a day ({DAY_S})")
        })?;
        let channels = model.mbus.map_or(0, |mbus| mbus.channels);
        let has_channel = MBus::channel(profile.obis).is_none_or(|channel| channel <= channels);
        self.that(has_channel, &format!("{key}.obis"), || {
            "is that of an M-Bus channel that `[mbus]` has not".into()
        })?;
        self.depth(key, profile.depth)?;
        self.read_every(key, profile.read_every)?;
        self.columns(&format!("{key}.columns"), &profile.columns, model)?;
        self.profile_place(key, profile, model)
    }

    fn log(&self, key: &str, log: &Log) -> Result<(), Error> {
        self.depth(key, log.depth)?;
        self.read_every(key, log.read_every)?;
        let Some(Outages { long }) = log.outages else { return Ok(()) };
        self.that(log.status_word.is_none(), &format!("{key}.outages"), || {
            "stands beside `status_word`, and an entry holds one or the other".into()
        })?;
        self.that(long.as_secs() > 0, &format!("{key}.outages.long"), || "must be at least 1 s".into())
    }

    fn depth(&self, key: &str, depth: u32) -> Result<(), Error> {
        self.that((1..=DEPTH_LIMIT).contains(&depth), &format!("{key}.depth"), || {
            format!("is {depth}, must be 1 to {DEPTH_LIMIT} rows")
        })
    }

    fn columns(&self, key: &str, columns: &[ColumnSpec], model: &Model) -> Result<(), Error> {
        let count = columns.len();
        self.that((2..=COLUMNS_LIMIT).contains(&count), key, || {
            format!("has {count} entries, 2 to {COLUMNS_LIMIT} are allowed")
        })?;
        let first = &columns[0];
        self.that(
            first.class_id == 8 && first.obis == model.clock && first.attribute == 2,
            &format!("{key}[0]"),
            || format!("must be the clock: class_id 8, obis {}, attribute 2", model.clock),
        )?;
        let mut seen = Unique::new();
        let mut values = 0;
        for (index, column) in columns.iter().enumerate() {
            let key = format!("{key}[{index}]");
            self.that(column.attribute >= 2, &format!("{key}.attribute"), || {
                format!("is {}, must be 2 or more", column.attribute)
            })?;
            let what = format!("{}/{}/{}", column.class_id, column.obis, column.attribute);
            self.unique(&mut seen, &what, &format!("{key}.obis"))?;
            values += usize::from(kind(column) == Column::Value);
        }
        self.that((1..=VALUE_COLUMNS_LIMIT).contains(&values), key, || {
            format!("has {values} value columns, 1 to {VALUE_COLUMNS_LIMIT} are allowed")
        })
    }

    fn scalers(&self, model: &Model) -> Result<(), Error> {
        let count = model.scalers.len();
        self.that(count <= SCALERS_LIMIT, "scalers", || {
            format!("has {count} entries, at most {SCALERS_LIMIT} are allowed")
        })?;
        let mut names = Unique::new();
        let mut stated = model.scalers.iter().enumerate();
        stated.try_for_each(|(index, stated)| {
            self.unique(&mut names, &stated.obis, &format!("scalers[{index}].obis"))
        })
    }

    fn register(&self, key: &str, register: &Register) -> Result<(), Error> {
        let class_id = register.class_id;
        self.that(matches!(class_id, 1 | 3 | 4 | 5), &format!("{key}.class_id"), || {
            format!("is {class_id}, must be 1 (data), 3 (register), 4 (extended) or 5 (demand)")
        })?;
        self.read_every(key, register.read_every)
    }

    /// What is set is a place of its own: who writes it writes nothing else.
    fn parameter(&self, key: &str, register: &Register) -> Result<(), Error> {
        let Some(Bounds { least, most }) = register.set else { return Ok(()) };
        let key = format!("{key}.set");
        self.that(least <= most, &key, || format!("`least` is {least}, more than `most`, {most}"))?;
        self.that(!register.name.contains('='), &key, || "a name that is set has no `=`".into())?;
        self.that(is_alone(register), &key, || {
            "must not be a part of an item or data set, nor of registers that are only read".into()
        })
    }

    fn firmware(&self, firmware: &Firmware) -> Result<(), Error> {
        let block_size = firmware.max_block_size;
        self.that(BLOCK_SIZES.contains(&block_size), "firmware.max_block_size", || {
            format!("is {block_size}, must be {} to {} octets", BLOCK_SIZES.start(), BLOCK_SIZES.end())
        })?;
        let steps =
            [("verify_within", firmware.verify_within), ("activate_within", firmware.activate_within)];
        steps.into_iter().try_for_each(|(name, within)| {
            self.that(IMAGE_STEP.contains(&within), &format!("firmware.{name}"), || {
                format!("is {within:?}, must be {:?} to {:?}", IMAGE_STEP.start(), IMAGE_STEP.end())
            })
        })
    }

    fn tariff(&self, tariff: &Tariff) -> Result<(), Error> {
        let parts = [
            ("rates", tariff.rates, CALENDAR_PARTS),
            ("seasons", tariff.seasons, CALENDAR_PARTS),
            ("weeks", tariff.weeks, CALENDAR_PARTS),
            ("day_types", tariff.day_types, CALENDAR_PARTS),
            ("switches_per_day", tariff.switches_per_day, CALENDAR_PARTS),
            ("special_days", tariff.special_days, 0..=SPECIAL_DAYS_LIMIT),
            ("name_octets", tariff.name_octets, TARIFF_NAME),
        ];
        for (name, value, range) in parts {
            self.that(range.contains(&value), &format!("tariff.{name}"), || {
                format!("is {value}, must be {} to {}", range.start(), range.end())
            })?;
        }
        let has_table = tariff.special_days_table.is_some();
        self.that(has_table == (tariff.special_days > 0), "tariff.special_days", || {
            "must be more than 0 exactly when there is a `special_days_table`".into()
        })
    }

    fn billing(&self, billing: &Billing, model: &Model) -> Result<(), Error> {
        self.that(billing.settle <= COUNTED_WITHIN_MAX, "billing.settle", || {
            let most = COUNTED_WITHIN_MAX.as_secs();
            format!("is {} s, at most {most} s are allowed", billing.settle.as_secs())
        })?;
        let scripts = [("close", billing.close), ("reset_demand", billing.reset_demand)];
        self.that(scripts.iter().any(|(_, script)| script.is_some()), "billing", || {
            "needs `close` or `reset_demand`".into()
        })?;
        for (name, script) in scripts {
            self.that(
                script.is_none_or(|script| script.script > 0),
                &format!("billing.{name}.script"),
                || "must be at least 1".into(),
            )?;
        }
        if model.language == Language::Dlms {
            return Ok(());
        }
        let language = model.language.as_str();
        for (key, is_there) in [
            ("billing.close", billing.close.is_some()),
            ("billing.last", billing.last.is_some()),
            ("billing.reset_demand", !matches!(model.language, Language::Dlt645(_))),
        ] {
            self.that(!is_there, key, || format!("is nothing that a meter can that speaks {language}"))?;
        }
        let is_counted = model.registers.iter().any(|register| register.obis == billing.counter);
        self.that(is_counted, "billing.counter", || {
            format!("is {}, which must be one of the registers", billing.counter)
        })
    }

    fn validation(&self, validation: &Validation) -> Result<(), Error> {
        self.that(validation.max_power != Some(0), "validation.max_power", || "must be more than 0".into())?;
        let modulus = validation.counter_modulus;
        self.that(
            modulus >= MODULUS_MIN && i64::try_from(modulus).is_ok(),
            "validation.counter_modulus",
            || format!("is {modulus}, must be {MODULUS_MIN} to {}", i64::MAX),
        )?;
        let count = validation.no_value.len();
        self.that(count <= NO_VALUE_LIMIT, "validation.no_value", || {
            format!("has {count} entries, at most {NO_VALUE_LIMIT} are allowed")
        })?;
        let mut bits = BTreeSet::new();
        for StatusBit { bit, .. } in &validation.status {
            let is_bit = u32::from(*bit) < u32::BITS && bits.insert(bit);
            self.that(is_bit, "validation.status", || {
                format!("has bit {bit}, must have each of 0 to 31 once at most")
            })?;
        }
        Ok(())
    }

    fn concentrator(&self, concentrator: &Concentrator) -> Result<(), Error> {
        let within = concentrator.answer_within;
        self.that(ANSWER_WITHIN.contains(&within), "concentrator.answer_within", || {
            format!("is {within:?}, must be {:?} to {:?}", ANSWER_WITHIN.start(), ANSWER_WITHIN.end())
        })?;
        let takes_files = matches!(concentrator.reach, Reach::P2lpc {});
        self.that(takes_files || !concentrator.upgrades, "concentrator.upgrades", || {
            "is of concentrators that take files, with `reach.by = \"p2lpc\"`".into()
        })?;
        let Reach::Forward { port, baud, .. } = concentrator.reach else { return Ok(()) };
        self.that(TERMINAL_PORTS.contains(&port), "concentrator.reach.port", || {
            format!("is {port}, must be {} to {}", TERMINAL_PORTS.start(), TERMINAL_PORTS.end())
        })?;
        self.that(TERMINAL_SPEEDS.contains(&baud), "concentrator.reach.baud", || {
            format!("is {baud}, must be one of {TERMINAL_SPEEDS:?}")
        })
    }

    fn alarms(&self, alarms: &Alarms, model: &Model) -> Result<(), Error> {
        for (name, count, limit) in [
            ("events", alarms.events.len(), EVENTS_LIMIT),
            ("bits", alarms.bits.len(), BITS_LIMIT),
            ("objects", alarms.objects.len(), OBJECTS_LIMIT),
        ] {
            self.that(count <= limit, &format!("alarms.{name}"), || {
                format!("has {count} entries, at most {limit} are allowed")
            })?;
        }
        let mut sources = Unique::new();
        for (index, event) in alarms.events.iter().enumerate() {
            let key = format!("alarms.events[{index}]");
            self.unique(&mut sources, &format!("{}/{}", event.log, event.code), &format!("{key}.code"))?;
            self.meaning(&key, &event.key, event.severity, event.phase)?;
        }
        let mut sources = Unique::new();
        for (index, alarm) in alarms.bits.iter().enumerate() {
            let key = format!("alarms.bits[{index}]");
            self.that(alarm.bit <= BIT_MAX, &format!("{key}.bit"), || {
                format!("is {}, must be 0 to {BIT_MAX}", alarm.bit)
            })?;
            self.unique(&mut sources, &format!("{}/{}", alarm.register, alarm.bit), &format!("{key}.bit"))?;
            self.meaning(&key, &alarm.key, alarm.severity, alarm.phase)?;
            self.cleared(&key, alarm, model)?;
        }
        let mut sources = Unique::new();
        for (index, alarm) in alarms.objects.iter().enumerate() {
            let key = format!("alarms.objects[{index}]");
            self.unique(&mut sources, &alarm.object, &format!("{key}.object"))?;
            self.meaning(&key, &alarm.key, alarm.severity, alarm.phase)?;
        }
        Ok(())
    }

    /// Only where the register is read there is something that goes away.
    fn cleared(&self, at: &str, alarm: &AlarmBit, model: &Model) -> Result<(), Error> {
        let Some(cleared) = &alarm.cleared else { return Ok(()) };
        self.that(is_key(cleared), &format!("{at}.cleared"), || {
            format!("`{cleared}` is no canonical key; a key of one's own begins with `{VENDOR}`")
        })?;
        let is_read = model.registers.iter().any(|register| register.obis == alarm.register);
        self.that(is_read, &format!("{at}.cleared"), || {
            format!("needs {} among the registers, which are read", alarm.register)
        })
    }

    fn meaning(&self, at: &str, key: &str, severity: Severity, phase: Option<u8>) -> Result<(), Error> {
        self.that(is_key(key), &format!("{at}.key"), || {
            format!("`{key}` is no canonical key; a key of one's own begins with `{VENDOR}`")
        })?;
        self.that(key != TEST_KEY || severity == Severity::Info, &format!("{at}.severity"), || {
            "must be info: a test is no alarm".into()
        })?;
        self.that(phase.is_none_or(|phase| (1..=3).contains(&phase)), &format!("{at}.phase"), || {
            "must be 1 to 3".into()
        })
    }

    fn transformers(&self, transformers: Transformers) -> Result<(), Error> {
        let mut seen = Unique::new();
        for object in transformers.objects() {
            self.unique(&mut seen, &object, "transformers")?;
        }
        self.that(!seen.is_empty(), "transformers", || "needs `current` or `voltage`".into())
    }

    fn mbus(&self, mbus: MBus) -> Result<(), Error> {
        self.that(MBUS_CHANNELS.contains(&mbus.channels), "mbus.channels", || {
            let (least, most) = MBUS_CHANNELS.into_inner();
            format!("is {}, {least} to {most} are allowed", mbus.channels)
        })
    }

    fn clock_sync(&self, sync: ClockSync, language: &Language) -> Result<(), Error> {
        let (can, can_shift) = match language {
            Language::Dlms => (true, true),
            Language::Dlt645(spec) => (spec.clock.is_some(), true),
            Language::Gdw376(_) => (true, false),
            Language::Iec62056_21(_) | Language::Modbus(_) => (false, false),
        };
        self.that(can, "clock_sync", || {
            "is of meters that speak DLMS, or DL/T 645 and show a clock, and of terminals of Q/GDW 376.1"
                .into()
        })?;
        self.that(can_shift || !sync.shift, "clock_sync.shift", || {
            "is nothing that a terminal knows".into()
        })?;
        self.that(sync.shift || sync.set, "clock_sync", || "needs `shift` or `set`".into())
    }

    fn read_every(&self, key: &str, every: Duration) -> Result<(), Error> {
        self.that(every >= READ_EVERY_MIN, &format!("{key}.read_every"), || {
            format!("is {} s, must be at least {} s", every.as_secs(), READ_EVERY_MIN.as_secs())
        })
    }

    fn unique(&self, seen: &mut Unique, what: &impl Display, key: &str) -> Result<(), Error> {
        let what = what.to_string();
        self.that(!seen.contains(&what), key, || format!("`{what}` stands there twice"))?;
        seen.insert(what);
        Ok(())
    }

    fn that(&self, holds: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), Error> {
        if holds {
            return Ok(());
        }
        Err(Error::Invalid { file: self.file.to_owned(), key: key.to_owned(), message: message() })
    }
}

/// Whether who writes a register writes nothing else.
fn is_alone(register: &Register) -> bool {
    match &register.at {
        None => true,
        Some(Place::Dlt645(place)) => place.step == 0 && place.offset == 0 && !place.bits,
        Some(Place::Iec62056_21(place)) => place.value == 0,
        Some(Place::Modbus(place)) => place.table == ::modbus::Table::HoldingRegisters,
    }
}

fn kind(column: &ColumnSpec) -> Column {
    Column::of(&CaptureObject {
        class_id: column.class_id,
        instance: column.obis,
        attribute: column.attribute,
        data_index: 0,
    })
}
