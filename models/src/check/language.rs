//! What holds for the languages of a model.

use std::ops::RangeInclusive;

use ::modbus::{Kind, Table};
use dlt645::Edition;

use super::Check;
use crate::{
    Dlt645, Dlt645Place, Dlt645Switch, Error, Iec62056_21, Iec62056_21Place, ItemName, Language, ModbusPlace,
    ModbusState, ModbusSwitch, Model, Place, Reach, Register, Switch, SwitchPlace,
};

/// Octets that wake a meter of DL/T 645 up (DL/T 645-2007, 5.1).
const WAKE_UP_MAX: u8 = 4;
const LEVEL_MAX: u8 = 9;
const OPERATOR_MAX: u32 = 99_999_999;
const ITEM_OCTETS: RangeInclusive<u8> = 1..=8;
/// Most octets of an item in all its parts.
const ITEM_MAX: usize = 4096;
/// Octets of a word of bits.
const WORD_OCTETS: u8 = 4;
/// Bits of a status word.
const BIT_MAX: u8 = 15;
/// Longest name of a data set, and longest address (IEC 62056-21, 6.3.1 and 6.5).
const SET_NAME_MAX: usize = 16;
const ADDRESS_DIGITS_MAX: u8 = 32;
/// Important records and others.
const RECORD_KINDS: usize = 2;
const PLACES: u32 = 0x1_0000;

impl Check<'_> {
    /// What stands in the model has to be of its language.
    pub(super) fn language(&self, model: &Model) -> Result<(), Error> {
        match &model.language {
            Language::Dlms => {}
            Language::Dlt645(spec) => self.dlt645(spec)?,
            Language::Iec62056_21(spec) => self.iec62056_21(spec)?,
            Language::Modbus(spec) => self.modbus(spec, model.subunits)?,
            Language::Gdw376(_) => self.terminal(model)?,
        }
        if model.language != Language::Dlms {
            self.without_dlms(model)?;
        }
        for (index, register) in model.registers.iter().enumerate() {
            self.place(&format!("registers[{index}]"), register, model)?;
        }
        model.switch.as_ref().map_or(Ok(()), |switch| self.switch_place(switch, model))
    }

    /// What only DLMS has.
    fn without_dlms(&self, model: &Model) -> Result<(), Error> {
        let language = model.language.as_str();
        let has_lock = model.switch.as_ref().is_some_and(|switch| switch.tamper_lock.is_some());
        for (key, is_there) in [
            ("profiles", !model.profiles.is_empty() && !matches!(model.language, Language::Dlt645(_))),
            ("firmware", model.firmware.is_some()),
            ("tariff", model.tariff.is_some()),
            ("association", model.association != Default::default()),
            ("identity", model.identity != Default::default()),
            ("transformers", model.transformers.is_some()),
            ("mbus", model.mbus.is_some()),
            ("scalers", !model.scalers.is_empty()),
            ("quirks", model.quirks != Default::default()),
            ("switch.tamper_lock", has_lock),
        ] {
            self.that(!is_there, key, || format!("is of DLMS, and the meter speaks {language}"))?;
        }
        let is_terminal = matches!(model.language, Language::Gdw376(_));
        self.that(is_terminal || !model.registers.is_empty(), "registers", || {
            "has no entries, at least 1 is expected".into()
        })
    }

    /// A terminal measures nothing itself.
    fn terminal(&self, model: &Model) -> Result<(), Error> {
        let forwards = model.concentrator.as_ref().map(|concentrator| &concentrator.reach);
        self.that(matches!(forwards, Some(Reach::Forward { .. })), "concentrator.reach.by", || {
            "has to be `forward` for a terminal of Q/GDW 376.1".into()
        })?;
        self.that(model.registers.is_empty(), "registers", || "has entries, and a terminal has none".into())?;
        self.that(model.logs.len() <= RECORD_KINDS, "logs", || {
            format!("has {} entries, and a terminal has records of {RECORD_KINDS} kinds", model.logs.len())
        })
    }

    fn place(&self, key: &str, register: &Register, model: &Model) -> Result<(), Error> {
        let language = &model.language;
        let at = format!("{key}.at");
        let Some(place) = &register.at else {
            return self.that(*language == Language::Dlms, &at, || {
                format!("is expected: `at.{} = …`", language.as_str())
            });
        };
        self.that(place.language() == language.as_str(), &at, || {
            format!("is of {}, and the meter speaks {}", place.language(), language.as_str())
        })?;
        match (place, language) {
            (Place::Dlt645(place), Language::Dlt645(spec)) => {
                self.dlt645_place(&format!("{at}.dlt645"), place, (spec.edition, model.subunits))
            }
            (Place::Iec62056_21(place), _) => self.iec62056_21_place(&at, place),
            (Place::Modbus(place), _) => self.modbus_place(&at, place, model.subunits),
            // Refused above.
            _ => Ok(()),
        }
    }

    fn switch_place(&self, switch: &Switch, model: &Model) -> Result<(), Error> {
        let language = &model.language;
        let Some(place) = &switch.at else {
            return self.that(*language == Language::Dlms, "switch.at", || match language {
                Language::Iec62056_21(_) => {
                    "iec62056-21 has no orders for a load switch: leave the section out".into()
                }
                other => format!("is expected: `at.{} = …`", other.as_str()),
            });
        };
        self.that(place.language() == language.as_str(), "switch.at", || {
            format!("is of {}, and the meter speaks {}", place.language(), language.as_str())
        })?;
        match (place, language) {
            (SwitchPlace::Dlms(place), _) => {
                self.that(place.connected != place.disconnected, "switch.at.dlms.connected", || {
                    "is the same number as `disconnected`".into()
                })?;
                self.that(switch.tamper_lock.is_none(), "switch.tamper_lock", || {
                    "is of a disconnect control, and there is a data object in its place".into()
                })
            }
            (SwitchPlace::Dlt645(place), Language::Dlt645(spec)) => self.dlt645_switch(place, spec.edition),
            (SwitchPlace::Modbus(place), _) => self.modbus_switch(place, model.subunits),
            // Refused above.
            _ => Ok(()),
        }
    }

    fn dlt645(&self, spec: &Dlt645) -> Result<(), Error> {
        let key = |name: &str| format!("language.dlt645.{name}");
        self.that(spec.wake_up <= WAKE_UP_MAX, &key("wake_up"), || format!("must be 0 to {WAKE_UP_MAX}"))?;
        self.that(spec.level <= LEVEL_MAX, &key("level"), || format!("must be 0 to {LEVEL_MAX}"))?;
        self.that(spec.operator <= OPERATOR_MAX, &key("operator"), || {
            format!("must be 0 to {OPERATOR_MAX}")
        })?;
        let items =
            spec.clock.iter().flat_map(|clock| [("clock.date", clock.date), ("clock.time", clock.time)]);
        for (name, item) in spec.serial.map(|item| ("serial", item)).into_iter().chain(items) {
            self.item(&key(name), item, spec.edition)?;
        }
        Ok(())
    }

    pub(super) fn item(&self, key: &str, item: ItemName, edition: Edition) -> Result<(), Error> {
        let digits = match edition {
            Edition::Of1997 => 4,
            Edition::Of2007 => 8,
        };
        self.that(item.octets() * 2 == digits, key, || {
            format!("`{item}` must have {digits} digits in the edition of {}", edition.year())
        })
    }

    pub(super) fn dlt645_place(
        &self,
        key: &str,
        place: &Dlt645Place,
        (edition, subunits): (Edition, u8),
    ) -> Result<(), Error> {
        self.item(&format!("{key}.item"), place.item, edition)?;
        self.that(ITEM_OCTETS.contains(&place.octets), &format!("{key}.octets"), || {
            format!("is {}, must be {} to {}", place.octets, ITEM_OCTETS.start(), ITEM_OCTETS.end())
        })?;
        let is_word = !place.signed && place.octets <= WORD_OCTETS;
        self.that(!place.bits || is_word, &format!("{key}.bits"), || {
            format!("needs a number without a sign of at most {WORD_OCTETS} octets")
        })?;
        let end = place.start(Some(subunits)) + usize::from(place.octets);
        self.that(end <= ITEM_MAX, &format!("{key}.offset"), || {
            format!("ends behind octet {ITEM_MAX} of an item")
        })
    }

    fn dlt645_switch(&self, switch: &Dlt645Switch, edition: Edition) -> Result<(), Error> {
        self.that(edition == Edition::Of2007, "switch.at", || {
            "the edition of 1997 has no orders for a switch".into()
        })?;
        self.item("switch.at.dlt645.status", switch.status, edition)?;
        for (name, bit) in [("open_bit", switch.open_bit), ("ordered_bit", switch.ordered_bit)] {
            self.that(bit <= BIT_MAX, &format!("switch.at.dlt645.{name}"), || {
                format!("must be 0 to {BIT_MAX}")
            })?;
        }
        Ok(())
    }

    fn iec62056_21(&self, spec: &Iec62056_21) -> Result<(), Error> {
        let key = |name: &str| format!("language.iec62056-21.{name}");
        self.that(spec.address_digits <= ADDRESS_DIGITS_MAX, &key("address_digits"), || {
            format!("must be 0 to {ADDRESS_DIGITS_MAX}")
        })?;
        let sets =
            spec.clock.iter().flat_map(|clock| [("clock.date", &clock.date), ("clock.time", &clock.time)]);
        for (name, set) in spec.serial.iter().map(|set| ("serial", set)).chain(sets) {
            self.set_name(&key(name), set)?;
        }
        Ok(())
    }

    fn iec62056_21_place(&self, key: &str, place: &Iec62056_21Place) -> Result<(), Error> {
        self.set_name(&format!("{key}.iec62056-21.set"), &place.set)
    }

    fn set_name(&self, key: &str, name: &str) -> Result<(), Error> {
        let plain = |octet: u8| octet.is_ascii_graphic() && !b"()/!".contains(&octet);
        let fits = (1..=SET_NAME_MAX).contains(&name.len()) && name.bytes().all(plain);
        self.that(fits, key, || {
            format!("must be 1 to {SET_NAME_MAX} visible characters without brackets, `/` and `!`")
        })
    }

    fn modbus(&self, spec: &crate::Modbus, subunits: u8) -> Result<(), Error> {
        let Some(serial) = &spec.serial else { return Ok(()) };
        self.modbus_place("language.modbus.serial", serial, subunits)?;
        self.that(serial.kind != Kind::Float, "language.modbus.serial.kind", || {
            "must be a whole number".into()
        })
    }

    fn modbus_place(&self, key: &str, place: &ModbusPlace, subunits: u8) -> Result<(), Error> {
        self.that(!place.table.is_bits(), &format!("{key}.modbus.table"), || {
            "must be holding or input".into()
        })?;
        let fits = match place.kind {
            Kind::Float => place.registers == 2,
            _ => matches!(place.registers, 1 | 2 | 4),
        };
        self.that(fits, &format!("{key}.modbus.registers"), || {
            "must be 1, 2 or 4, and 2 for a float".into()
        })?;
        let end = last(place.register, place.step, subunits) + u32::from(place.registers);
        self.that(end <= PLACES, &format!("{key}.modbus.register"), || "ends behind register 65535".into())
    }

    fn modbus_switch(&self, switch: &ModbusSwitch, subunits: u8) -> Result<(), Error> {
        let is_written = matches!(switch.order.table, Table::Coils | Table::HoldingRegisters);
        self.that(is_written, "switch.at.modbus.order.table", || "must be coils or holding".into())?;
        let states = [("order", Some(&switch.order)), ("state", switch.state.as_ref())];
        states.into_iter().filter_map(|(name, state)| Some((name, state?))).try_for_each(|(name, state)| {
            self.modbus_state(&format!("switch.at.modbus.{name}"), state, subunits)
        })
    }

    fn modbus_state(&self, key: &str, state: &ModbusState, subunits: u8) -> Result<(), Error> {
        let most = if state.table.is_bits() { 1 } else { u16::MAX };
        let fits = state.open != state.closed && state.open <= most && state.closed <= most;
        self.that(fits, &format!("{key}.open"), || {
            "`open` and `closed` must differ, and be 0 or 1 of a bit".into()
        })?;
        self.that(last(state.place, state.step, subunits) < PLACES, &format!("{key}.place"), || {
            "ends behind place 65535".into()
        })
    }
}

/// The place of the last sub-unit.
fn last(first: u16, step: u16, subunits: u8) -> u32 {
    u32::from(first) + u32::from(step) * u32::from(subunits.saturating_sub(1))
}
