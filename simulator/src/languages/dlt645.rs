//! A station that speaks DL/T 645.

mod captured;

use std::time::Duration;

use dlt645::{
    Address, Control, Edition, Format, Function, Identifier, Moment, Refusal, Splitter, SwitchOrder, WAKE_UP,
    frame, read_day_slots,
};
use models::{Dlt645, Dlt645Place, Dlt645Switch, Place, SwitchPlace, TimesPlace};

use super::device::{Device, Order};
use crate::bus::Station;

/// Octets of an item that go into one answer, behind the identifier and in front of the number of the part.
const PART: usize = 192;
/// Level, password and operator in front of what is ordered.
const AUTHORITY: usize = 8;
/// The operator in it, which the older edition does not know.
const OPERATOR: usize = 4;
const SERIAL: Format = Format { octets: 6, decimals: 0, signed: false };

/// A device, or each sub-unit of one that gives them addresses of their own.
pub(super) struct Dlt645Station {
    device: Device,
    spec: Dlt645,
    splitter: Splitter,
    /// What was asked for last and how it was answered, as long as parts of it are left.
    long: Option<(Identifier, Vec<u8>)>,
    speed: u32,
}

/// What comes back.
enum Reply {
    /// Done, with these data; more of them can be read.
    Done(Vec<u8>, bool),
    Refused(Refusal),
    /// Nothing.
    Silence,
}

/// A request that reached somebody.
struct Asked {
    function: Function,
    /// Whose address it was sent to.
    subunit: Option<u8>,
    data: Vec<u8>,
}

impl Dlt645Station {
    pub(super) fn new(device: Device, spec: Dlt645, speed: u32) -> Self {
        Self { device, spec, splitter: Splitter::new(), long: None, speed }
    }

    /// The request of a frame, and the address that answers it; `None` when nobody here does.
    fn asked(&self, address: Address, control: Control, data: &[u8]) -> Option<(Asked, Address)> {
        let function =
            Function::of(self.spec.edition, control.function()).filter(|_| !control.is_answer())?;
        let own = |meter: &crate::Meter| meter.line_address()?.to_string().parse::<Address>().ok();
        let mut parts = self.device.parts();
        let (subunit, own) = parts.find_map(|(subunit, meter)| {
            let own = own(meter)?;
            (address.reaches(own) && !meter.faults().silent).then_some((subunit, own))
        })?;
        Some((Asked { function, subunit, data: data.to_vec() }, own))
    }

    /// What is meant for everybody is done by all parts of the device, and answered by nobody.
    fn overhear(&self, control: Control, data: &[u8]) {
        let time = data.first_chunk().and_then(|octets| Moment::from_wire(*octets)).and_then(calendar);
        for (subunit, _) in self.device.parts() {
            match (Function::of(self.spec.edition, control.function()), time) {
                (Some(Function::Freeze), _) => _ = self.device.freeze(subunit),
                (Some(Function::SetTime), Some(time)) => self.device.tell_time(subunit, time),
                _ => {}
            }
        }
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let length = match self.spec.edition {
            Edition::Of1997 => 2,
            Edition::Of2007 => 4,
        };
        match asked.function {
            Function::Read | Function::ReadNext => self.read(asked, length),
            Function::ReadAddress => {
                let own = self
                    .device
                    .part(asked.subunit)
                    .and_then(|meter| meter.line_address()?.to_string().parse().ok());
                own.map_or(Reply::Silence, |own: Address| Reply::Done(own.wire().to_vec(), false))
            }
            Function::Switch => self.switch(asked),
            Function::Freeze => match self.device.freeze(asked.subunit) {
                Some(true) => Reply::Done(Vec::new(), false),
                Some(false) => Reply::Silence,
                None => Reply::Refused(Refusal::OTHER),
            },
            Function::SetTime => Reply::Silence,
            Function::Write => self.write(asked, length),
            Function::ClearDemand => self.cleared(asked, |subunit| self.device.clear_demand(subunit)),
            Function::ClearMeter => self.cleared(asked, |subunit| self.device.clear(subunit)),
        }
    }

    /// An item, or the part of it that is due.
    fn read(&mut self, asked: &Asked, length: usize) -> Reply {
        let Some((name, rest)) = asked.data.split_at_checked(length) else {
            return Reply::Refused(Refusal::OTHER);
        };
        let item = named(name);
        let kept = self.long.take().filter(|(of, _)| *of == item && asked.function == Function::ReadNext);
        let octets = match kept {
            Some((_, octets)) => Some(octets),
            None => self.captured(item, rest, asked.subunit).or_else(|| self.item(item, asked.subunit)),
        };
        let Some(octets) = octets else { return Reply::Refused(Refusal::NO_SUCH_ITEM) };
        let part = match (asked.function, self.spec.edition) {
            (Function::Read, _) => 0,
            (_, Edition::Of2007) => usize::from(rest.first().copied().unwrap_or_default()),
            // The older edition does not number parts; no item of its models is as long.
            (_, Edition::Of1997) => 1,
        };
        let Some(due) = octets.get(part * PART..) else { return Reply::Refused(Refusal::NO_SUCH_ITEM) };
        let mut data = name.to_vec();
        data.extend_from_slice(&due[..due.len().min(PART)]);
        if asked.function == Function::ReadNext && self.spec.edition == Edition::Of2007 {
            data.extend_from_slice(&rest[..1]);
        }
        let more = due.len() > PART;
        // The last part may be asked for again, when its answer got lost.
        self.long = (octets.len() > PART).then_some((item, octets));
        Reply::Done(data, more)
    }

    /// The octets of an item, as whoever has the address shows it.
    fn item(&self, item: Identifier, asked: Option<u8>) -> Option<Vec<u8>> {
        let model = self.device.model();
        let shares = model.names_subunits();
        let mut octets = Vec::new();
        for (subunit, _) in self.device.parts().filter(|(subunit, _)| shares || *subunit == asked) {
            if self.spec.serial.is_some_and(|serial| serial.of(subunit) == item) {
                SERIAL.write(self.device.serial(subunit), &mut octets)?;
                return Some(octets);
            }
            if let Some(word) = self.status(item, subunit) {
                return Some(word.to_vec());
            }
            if let Some(places) = self.times_of(item, subunit) {
                let table = self.device.part(subunit)?.times();
                return Some(if table.is_empty() { vec![0; places] } else { table });
            }
            for register in &model.registers {
                let Some(Place::Dlt645(place)) = &register.at else { continue };
                // What holds the numbers of all sub-units has none of the meter's own.
                let holds_it = subunit.is_some() || place.step == 0 || model.subunits == 0;
                if place.item.of(subunit) != item || !holds_it {
                    continue;
                }
                let end = place.start(subunit) + usize::from(place.octets);
                octets.resize(octets.len().max(end), 0);
                let value = self.device.value(subunit, register)?;
                octets[place.start(subunit)..end].copy_from_slice(&written(place, value)?);
            }
        }
        if octets.is_empty() { self.clock(item) } else { Some(octets) }
    }

    fn clock(&self, item: Identifier) -> Option<Vec<u8>> {
        let clock = self.spec.clock?;
        let now = self.device.local();
        // Both items are those of a broadcast, with the day of the week in front of the date.
        let [second, minute, hour, day, month, year] = moment(now).wire();
        if clock.time.of(None) == item {
            return Some(vec![second, minute, hour]);
        }
        let weekday = now.weekday().to_sunday_zero_offset().unsigned_abs();
        (clock.date.of(None) == item).then(|| vec![weekday, day, month, year])
    }

    /// The status word that shows a switch.
    fn status(&self, item: Identifier, subunit: Option<u8>) -> Option<[u8; 2]> {
        let place = self.switch_place().filter(|place| place.status.of(subunit) == item)?;
        let (open, ordered) = self.device.switch(subunit)?;
        let word = u16::from(open) << place.open_bit | u16::from(ordered) << place.ordered_bit;
        Some(word.to_le_bytes())
    }

    /// Sets what an item holds, where the model allows that.
    fn write(&self, asked: &Asked, length: usize) -> Reply {
        let authority = match self.spec.edition {
            Edition::Of1997 => AUTHORITY - OPERATOR,
            Edition::Of2007 => AUTHORITY,
        };
        let Some((name, rest)) = asked.data.split_at_checked(length) else {
            return Reply::Refused(Refusal::OTHER);
        };
        let Some((authority, data)) = rest.split_at_checked(authority) else {
            return Reply::Refused(Refusal::OTHER);
        };
        if !self.is_admitted(asked, authority) {
            return Reply::Refused(Refusal::NOT_AUTHORISED);
        }
        let item = named(name);
        if self.write_clock(item, data, asked.subunit).is_some() {
            return Reply::Done(Vec::new(), false);
        }
        if let Some(reply) = self.purchase(item, data, asked.subunit) {
            return reply;
        }
        if let Some(reply) = self.write_times(item, data, asked.subunit) {
            return reply;
        }
        let shares = self.device.model().names_subunits();
        let parts = self.device.parts().map(|(subunit, _)| subunit);
        let written = parts.filter(|subunit| shares || *subunit == asked.subunit).find_map(|subunit| {
            self.device.writable().find_map(|register| {
                let Some(Place::Dlt645(place)) = &register.at else { return None };
                (place.item.of(subunit) == item).then_some((subunit, register, place))
            })
        });
        let Some((subunit, register, place)) = written else {
            return Reply::Refused(Refusal::NO_SUCH_ITEM);
        };
        match place.format().read(data, 0) {
            Ok(Some(number)) if data.len() == usize::from(place.octets) => {
                match self.device.set(subunit, register, number.mantissa) {
                    Some(true) => Reply::Done(Vec::new(), false),
                    Some(false) => Reply::Silence,
                    None => Reply::Refused(Refusal::OTHER),
                }
            }
            _ => Reply::Refused(Refusal::OTHER),
        }
    }

    /// Octets of the table of times, where an item is that of a part.
    fn times_of(&self, item: Identifier, subunit: Option<u8>) -> Option<usize> {
        let times = self.device.model().times.as_ref()?;
        let TimesPlace::Dlt645(place) = &times.at;
        (place.item.of(subunit) == item).then(|| usize::from(times.most) * 3)
    }

    /// Takes a table of times; `None` when the item is none.
    fn write_times(&self, item: Identifier, data: &[u8], asked: Option<u8>) -> Option<Reply> {
        let shares = self.device.model().names_subunits();
        let mut parts = self.device.parts().map(|(subunit, _)| subunit);
        let subunit =
            parts.find(|subunit| (shares || *subunit == asked) && self.times_of(item, *subunit).is_some())?;
        let is_table = self.times_of(item, subunit) == Some(data.len()) && read_day_slots(data).is_ok();
        Some(match is_table.then(|| self.device.set_times(subunit, data)).flatten() {
            Some(true) => Reply::Done(Vec::new(), false),
            Some(false) => Reply::Silence,
            None => Reply::Refused(Refusal::OTHER),
        })
    }

    /// Takes a purchase; `None` when the item is of none.
    fn purchase(&self, item: Identifier, data: &[u8], asked: Option<u8>) -> Option<Reply> {
        let model = self.device.model();
        let registers = model.credit.as_ref()?.registers(model)?;
        let (Some(Place::Dlt645(number)), Some(Place::Dlt645(amount))) =
            (&registers.number.at, &registers.amount.at)
        else {
            return None;
        };
        let shares = model.names_subunits();
        let mut parts = self.device.parts().map(|(subunit, _)| subunit);
        let subunit =
            parts.find(|subunit| (shares || *subunit == asked) && number.item.of(*subunit) == item)?;
        let digits = data.split_at_checked(number.octets.into()).and_then(|(first, second)| {
            let is_whole = second.len() == usize::from(amount.octets);
            let number = number.format().read(first, 0).ok()??.mantissa;
            is_whole.then_some((number, amount.format().read(second, 0).ok()??.mantissa))
        });
        let bought = digits.and_then(|(number, amount)| self.device.buy(subunit, number, amount));
        Some(match bought {
            Some(true) => Reply::Done(Vec::new(), false),
            Some(false) => Reply::Silence,
            None => Reply::Refused(Refusal::OTHER),
        })
    }

    /// Clears maximum demands, or everything, where the model knows of that.
    fn cleared(&self, asked: &Asked, clear: impl Fn(Option<u8>) -> Option<bool>) -> Reply {
        let octets = match self.spec.edition {
            Edition::Of1997 => AUTHORITY - OPERATOR,
            Edition::Of2007 => AUTHORITY,
        };
        if asked.data.len() != octets || !self.is_admitted(asked, &asked.data) {
            return Reply::Refused(Refusal::NOT_AUTHORISED);
        }
        match clear(asked.subunit) {
            Some(true) => Reply::Done(Vec::new(), false),
            Some(false) => Reply::Silence,
            None => Reply::Refused(Refusal::OTHER),
        }
    }

    /// Sets date or time; `None` when the item is neither.
    fn write_clock(&self, item: Identifier, data: &[u8], subunit: Option<u8>) -> Option<()> {
        let clock = self.spec.clock?;
        let [second, minute, hour, day, month, year] = moment(self.device.local()).wire();
        let octets = match *data {
            [_, day, month, year] if clock.date.of(None) == item => [second, minute, hour, day, month, year],
            [second, minute, hour] if clock.time.of(None) == item => [second, minute, hour, day, month, year],
            _ => return None,
        };
        self.device.set_clock(subunit, calendar(Moment::from_wire(octets)?)?)
    }

    /// Whether somebody may order: level and password are right.
    fn is_admitted(&self, asked: &Asked, authority: &[u8]) -> bool {
        let password =
            authority[1..4].iter().rev().fold(String::new(), |text, octet| format!("{text}{octet:02X}"));
        authority[0] == self.spec.level && self.device.admits(asked.subunit, &password)
    }

    fn switch(&self, asked: &Asked) -> Reply {
        let Some((authority, [order, circuit, until @ ..])) = asked.data.split_at_checked(AUTHORITY) else {
            return Reply::Refused(Refusal::OTHER);
        };
        if !self.is_admitted(asked, authority) {
            return Reply::Refused(Refusal::NOT_AUTHORISED);
        }
        let until = until.first_chunk::<6>().and_then(|octets| Moment::from_wire(*octets));
        let now = moment(self.device.local());
        let key = |at: Moment| [at.year, at.month, at.day, at.hour, at.minute, at.second];
        let in_time = until.is_some_and(|until| key(until) >= key(now));
        let order = match SwitchOrder::of(*order) {
            Some(SwitchOrder::Trip) => Order::Open,
            Some(SwitchOrder::Close) => Order::Close,
            Some(SwitchOrder::PermitClose) => Order::Permit,
            _ => return Reply::Refused(Refusal::OTHER),
        };
        let Some(place) = self.switch_place().filter(|_| in_time) else {
            return Reply::Refused(Refusal::OTHER);
        };
        let subunit = match place.n2 {
            models::Part::Subunit if *circuit > 0 => Some(*circuit),
            _ => asked.subunit,
        };
        match self.device.order(subunit, order) {
            Some(true) => Reply::Done(Vec::new(), false),
            Some(false) => Reply::Silence,
            None => Reply::Refused(Refusal::OTHER),
        }
    }

    fn switch_place(&self) -> Option<&Dlt645Switch> {
        match self.device.model().switch.as_ref()?.at.as_ref()? {
            SwitchPlace::Dlt645(place) => Some(place),
            SwitchPlace::Dlms(_) | SwitchPlace::Modbus(_) => None,
        }
    }
}

impl Station for Dlt645Station {
    fn hear(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Duration {
        self.splitter.push(octets);
        loop {
            let Some(heard) = self.splitter.next_frame() else { return self.device.delay() };
            let (address, control, data) = (heard.address, heard.control, heard.data.to_vec());
            if address == Address::BROADCAST {
                self.overhear(control, &data);
                continue;
            }
            let Some((asked, own)) = self.asked(address, control, &data) else { continue };
            let code = control.function();
            let (control, data) = match self.answer(&asked) {
                Reply::Done(data, more) => (Control::done(code, more), data),
                Reply::Refused(refusal) => (Control::refused(code), vec![refusal.0]),
                Reply::Silence => continue,
            };
            if self.device.drops() {
                continue;
            }
            out.extend_from_slice(&WAKE_UP);
            if let Err(error) = frame(own, control, &data, out) {
                tracing::debug!(%error, "a station says nothing");
            }
        }
    }

    fn speed(&self) -> u32 {
        self.speed
    }
}

/// The octets of a register: the lowest digits of a number, or a word of bits.
fn written(place: &Dlt645Place, value: i64) -> Option<Vec<u8>> {
    if place.bits {
        return Some(value.to_le_bytes()[..place.octets.into()].to_vec());
    }
    let mut number = Vec::new();
    place.format().write(value % 10_i64.pow(u32::from(place.octets) * 2), &mut number)?;
    Some(number)
}

/// The item of a request.
fn named(name: &[u8]) -> Identifier {
    Identifier(name.iter().rev().fold(0, |item, octet| (item << 8) | u32::from(*octet)))
}

/// A time of this century as the calendar has it.
fn calendar(at: Moment) -> Option<jiff::civil::DateTime> {
    let two = |number: u8| i8::try_from(number).unwrap_or_default();
    let year = 2000 + i16::from(at.year);
    let date = jiff::civil::Date::new(year, two(at.month), two(at.day)).ok()?;
    Some(date.at(two(at.hour), two(at.minute), two(at.second), 0))
}

/// A time as the protocol has it: two digits of everything.
fn moment(now: jiff::civil::DateTime) -> Moment {
    let two = |number: i8| number.unsigned_abs();
    Moment {
        year: u8::try_from(now.year().rem_euclid(100)).unwrap_or_default(),
        month: two(now.month()),
        day: two(now.day()),
        hour: two(now.hour()),
        minute: two(now.minute()),
        second: two(now.second()),
    }
}
