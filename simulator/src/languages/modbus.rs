//! A station that speaks Modbus RTU.

use std::time::Duration;

use modbus::{Exception, Number, Request, Requests, Table, write_answer, write_exception};
use models::{Modbus, ModbusPlace, ModbusState, ModbusSwitch, Place, Register, SwitchPlace};

use super::device::{Device, Order};
use crate::bus::Station;

/// A server.
pub(super) struct ModbusStation {
    device: Device,
    spec: Modbus,
    address: u8,
    requests: Requests,
    speed: u32,
}

impl ModbusStation {
    pub(super) fn new(device: Device, spec: Modbus, speed: u32) -> Self {
        let address =
            device.itself().line_address().and_then(|address| u8::try_from(address).ok()).unwrap_or_default();
        Self { device, spec, address, requests: Requests::of(address), speed }
    }

    fn answer(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let done = match *request {
            Request::Read { table, first, count } => match self.read(table, first, count) {
                Ok(octets) => {
                    write_answer(self.address, request, &octets, out).map_err(|_| Exception::FAILURE)
                }
                Err(exception) => Err(exception),
            },
            Request::WriteCoil { coil, on } => self.write(request, (Table::Coils, coil, on.into()), out),
            Request::WriteRegister { register, value } if self.parameter(register).is_some() => {
                self.set(request, (register, &value.to_be_bytes()), out)
            }
            Request::WriteRegister { register, value } => {
                self.write(request, (Table::HoldingRegisters, register, value), out)
            }
            Request::WriteRegisters { first, octets } => self.set(request, (first, octets), out),
        };
        if let Err(exception) = done {
            write_exception(self.address, request, exception, out);
        }
    }

    fn read(&self, table: Table, first: u16, count: u16) -> Result<Vec<u8>, Exception> {
        let places = (0..count).map(|place| first.saturating_add(place));
        if table.is_bits() {
            let mut octets = vec![0; usize::from(count.div_ceil(8))];
            for (at, place) in places.enumerate() {
                let on = self.state(table, place).ok_or(Exception::ADDRESS)? != 0;
                octets[at / 8] |= u8::from(on) << (at % 8);
            }
            return Ok(octets);
        }
        let mut octets = Vec::new();
        for place in places {
            let register =
                self.register(table, place).or_else(|| Some(self.state(table, place)?.to_be_bytes()));
            octets.extend_from_slice(&register.ok_or(Exception::ADDRESS)?);
        }
        Ok(octets)
    }

    /// The two octets of a register that is part of a number.
    fn register(&self, table: Table, register: u16) -> Option<[u8; 2]> {
        let serial = self.spec.serial.iter().map(|place| (None, place, self.device.serial(None)));
        let numbers = self.device.parts().flat_map(|(subunit, _)| {
            self.device.model().registers.iter().filter_map(move |spec| {
                let Some(Place::Modbus(place)) = &spec.at else { return None };
                // The meter's own numbers are not those of its first sub-unit.
                let is_own = subunit.is_none() && place.step > 0 && self.device.model().subunits > 0;
                (!is_own).then_some((subunit, place, self.device.value(subunit, spec)?))
            })
        });
        serial.chain(numbers).filter(|(_, place, _)| place.table == table).find_map(
            |(subunit, place, value)| {
                let at = register
                    .checked_sub(place.first(subunit))
                    .filter(|at| *at < u16::from(place.registers))?;
                let mut octets = Vec::new();
                place.format().write(Number { mantissa: value, exponent: 0 }, &mut octets)?;
                octets.get(usize::from(at) * 2..)?.first_chunk().copied()
            },
        )
    }

    /// What a place that belongs to a switch holds.
    fn state(&self, table: Table, place: u16) -> Option<u16> {
        let switch = self.switch_place()?;
        [Some(&switch.order), switch.state.as_ref()].into_iter().flatten().find_map(|state| {
            let (open, ordered) = self.device.switch(self.subunit_at(state, table, place)?)?;
            // What is written shows what was ordered, what is read only shows what is.
            let is_open =
                if switch.state.is_some() && std::ptr::eq(state, &switch.order) { ordered } else { open };
            Some(if is_open { state.open } else { state.closed })
        })
    }

    fn write(
        &self,
        request: &Request<'_>,
        (table, place, value): (Table, u16, u16),
        out: &mut Vec<u8>,
    ) -> Result<(), Exception> {
        let state = &self.switch_place().ok_or(Exception::ADDRESS)?.order;
        let subunit = self.subunit_at(state, table, place).ok_or(Exception::ADDRESS)?;
        let order = match value {
            value if value == state.open => Order::Open,
            value if value == state.closed => Order::Close,
            _ => return Err(Exception::VALUE),
        };
        match self.device.order(subunit, order) {
            Some(true) => write_answer(self.address, request, &[], out).map_err(|_| Exception::FAILURE),
            Some(false) => Ok(()),
            None => Err(Exception::ADDRESS),
        }
    }

    /// Sets the number whose registers are written, whole.
    fn set(
        &self,
        request: &Request<'_>,
        (first, octets): (u16, &[u8]),
        out: &mut Vec<u8>,
    ) -> Result<(), Exception> {
        let bought = self.purchase(first, octets);
        let done = if let Some((subunit, number, amount)) = bought {
            self.device.buy(subunit, number, amount)
        } else {
            let (subunit, register, place) = self.parameter(first).ok_or(Exception::ADDRESS)?;
            let number = place.format().read(octets).map_err(|_| Exception::VALUE)?;
            if octets.len() != usize::from(place.registers) * 2 || number.exponent != 0 {
                return Err(Exception::VALUE);
            }
            self.device.set(subunit, register, number.mantissa)
        };
        match done {
            Some(true) => write_answer(self.address, request, &[], out).map_err(|_| Exception::FAILURE),
            Some(false) => Ok(()),
            None => Err(Exception::ADDRESS),
        }
    }

    /// The purchase that registers hold: whose it is, its number and its amount.
    fn purchase(&self, first: u16, octets: &[u8]) -> Option<(Option<u8>, i64, i64)> {
        let model = self.device.model();
        let registers = model.credit.as_ref()?.registers(model)?;
        let (Some(Place::Modbus(number)), Some(Place::Modbus(amount))) =
            (&registers.number.at, &registers.amount.at)
        else {
            return None;
        };
        let mut parts = self.device.parts().map(|(subunit, _)| subunit);
        let is_own = model.subunits == 0;
        let subunit =
            parts.find(|subunit| (subunit.is_some() || is_own) && number.first(*subunit) == first)?;
        let (first, second) = octets.split_at_checked(number.format().octets())?;
        let read = |place: &ModbusPlace, octets: &[u8]| {
            place.format().read(octets).ok().map(|number| number.mantissa)
        };
        Some((subunit, read(number, first)?, read(amount, second)?))
    }

    /// The number that may be written and begins with a register.
    fn parameter(&self, first: u16) -> Option<(Option<u8>, &Register, &ModbusPlace)> {
        let has_subunits = self.device.model().subunits > 0;
        self.device.parts().find_map(|(subunit, _)| {
            self.device.writable().find_map(|register| {
                let Some(Place::Modbus(place)) = &register.at else { return None };
                let is_own = subunit.is_none() && place.step > 0 && has_subunits;
                (!is_own && place.first(subunit) == first).then_some((subunit, register, place))
            })
        })
    }

    /// Whose state stands at a place. Where sub-units have their own, the meter itself has none.
    fn subunit_at(&self, state: &ModbusState, table: Table, place: u16) -> Option<Option<u8>> {
        let mut parts = self.device.parts().map(|(subunit, _)| subunit);
        let has_subunits = self.device.model().subunits > 0 && state.step > 0;
        parts.find(|subunit| {
            state.table == table && state.at(*subunit) == place && (subunit.is_some() || !has_subunits)
        })
    }

    fn switch_place(&self) -> Option<&ModbusSwitch> {
        match self.device.model().switch.as_ref()?.at.as_ref()? {
            SwitchPlace::Modbus(place) => Some(place),
            SwitchPlace::Dlms(_) | SwitchPlace::Dlt645(_) => None,
        }
    }
}

impl Station for ModbusStation {
    fn hear(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Duration {
        self.requests.push(octets);
        let mut requests = std::mem::replace(&mut self.requests, Requests::of(self.address));
        while let Some(request) = requests.next_request() {
            if !self.device.drops() {
                self.answer(&request, out);
            }
        }
        self.requests = requests;
        self.device.delay()
    }

    fn speed(&self) -> u32 {
        self.speed
    }
}
