//! DL/T 645, of 2007 and of 1997.

mod clock;
mod profile;
mod records;
mod snapshots;
mod times;

use std::collections::{BTreeMap, btree_map::Entry};

use dlt645::{
    Address, Answer, Authority, Edition, Error, Fault, Format, Frame, Identifier, Moment, Refusal, Request,
    Splitter, SwitchOrder, WAKE_UP,
};
use jiff::{Timestamp, civil::DateTime};
use models::{Decimal, Dlt645, Dlt645Place, Dlt645Switch, Model, Place, Reconnect, Register, SwitchPlace};

use super::{
    Ear, Number, Numbers, Pitch, Rejected, Say, SwitchState, clear_subject, clock_subject, demand_subject,
    ear::Item, no_value, register_subject, switch_subject, unspeakable, unsupported, write_subject, wrong,
};
use crate::{
    Failure, Level, Reason, Station, SwitchTo, diagnosis::Setback, exchange::Subject,
    task::set_parameter::no_room, turn::Turn, value,
};

/// Serial numbers have twelve digits.
const SERIAL: Format = Format { octets: 6, decimals: 0, signed: false };
/// Parts of one item at most.
const PARTS_MAX: u8 = 32;
/// How often an item is asked for from its beginning when the meter refuses the rest of it.
const STARTS_MAX: u32 = 3;
/// Digits of a password, and of an operator's number.
const PASSWORD_DIGITS: usize = 6;
const OPERATOR_DIGITS: usize = 8;
/// The century of a year with two digits.
const CENTURY: i16 = 2000;

/// The conversation with one station, or with one of its sub-units.
pub(super) struct Dlt645Driver<'a> {
    model: &'a Model,
    spec: &'a Dlt645,
}

/// Who is asked, and what the exchange is about.
struct Asked<'a> {
    request: Request<'a>,
    subject: Subject,
}

impl<'a> Dlt645Driver<'a> {
    pub(super) const fn new(model: &'a Model, spec: &'a Dlt645) -> Self {
        Self { model, spec }
    }

    /// The digits of the serial number.
    pub(super) async fn serial(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        let Some(item) = self.spec.serial else { return Ok(None) };
        let subject = Subject::get(&value::data(self.model.identity.serial));
        let octets = self.item(turn, item.of(turn.station().subunit), subject).await?;
        let number = SERIAL.read(&octets, 0).map_err(wrong)?;
        Ok(number
            .map(|number| format!("{:0width$}", number.mantissa, width = usize::from(SERIAL.octets) * 2)))
    }

    pub(super) const fn has_clock(&self) -> bool {
        self.spec.clock.is_some()
    }

    /// Date and time. Around midnight the date is read again, so that it is that of the time.
    pub(super) async fn clock(&self, turn: &mut Turn<'_>) -> Result<DateTime, Setback> {
        let Some(clock) = self.spec.clock else { return Err(unsupported(turn, "read_clock")) };
        let (date, time) = (clock.date.of(None), clock.time.of(None));
        let subject = clock_subject(self.model);
        let mut day = self.item(turn, date, subject).await?;
        let mut now = self.item(turn, time, subject).await?;
        if now.get(1..3) == Some(&[0, 0]) {
            day = self.item(turn, date, subject).await?;
            // What is read last is what the time of the reading belongs to.
            now = self.item(turn, time, subject).await?;
        }
        let [_, day, month, year] = exact(&day)?;
        let [second, minute, hour] = exact(&now)?;
        let moment = Moment::from_wire([second, minute, hour, day, month, year])
            .ok_or_else(|| wrong("its clock shows no time"))?;
        profile::calendar(moment)
    }

    /// Reads each item once, whatever stands in it.
    pub(super) async fn registers(
        &mut self,
        turn: &mut Turn<'_>,
        registers: &[&Register],
    ) -> Result<Numbers, Setback> {
        let subunit = turn.station().subunit;
        let mut items: BTreeMap<Identifier, Result<Item, Setback>> = BTreeMap::new();
        let mut numbers = Vec::with_capacity(registers.len());
        for register in registers {
            let Some(Place::Dlt645(place)) = &register.at else {
                return Err(unsupported(turn, &register.name));
            };
            let item = place.item.of(subunit);
            let found = match items.entry(item) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(empty) => {
                    turn.yield_to_urgent().await?;
                    let read = self.shared_item(turn, place, item, register_subject(register)).await;
                    match read {
                        Err(setback) if !(setback.is_absence() || setback.is_of_one()) => {
                            return Err(setback);
                        }
                        read => empty.insert(read),
                    }
                }
            };
            numbers.push(match found {
                Ok(item) => number(place, item, subunit, register.scaler),
                Err(setback) => Err(setback.clone()),
            });
        }
        Ok(numbers)
    }

    pub(super) async fn switch_state(&mut self, turn: &mut Turn<'_>) -> Result<SwitchState, Setback> {
        let place = self.switch(turn)?;
        let octets = self
            .item(turn, place.status.of(turn.station().subunit), switch_subject(self.model, None))
            .await?;
        let word: [u8; 2] = exact(&octets)?;
        let bit = |bit: u8| u16::from_le_bytes(word) >> bit & 1 == 1;
        Ok(SwitchState {
            open: bit(place.open_bit),
            ordered_open: Some(bit(place.ordered_bit)),
            is_closed_by_hand: place.reconnect == Reconnect::Permit,
        })
    }

    /// Orders the switch, until the deadline of the order by the meter's clock.
    pub(super) async fn order(&mut self, turn: &mut Turn<'_>, to: SwitchTo) -> Result<(), Setback> {
        let place = self.switch(turn)?;
        let order = match (to, place.reconnect) {
            (SwitchTo::Disconnected, _) => SwitchOrder::Trip,
            (SwitchTo::Connected, Reconnect::Close) => SwitchOrder::Close,
            (SwitchTo::Connected, Reconnect::Permit) => SwitchOrder::PermitClose,
        };
        let deadline = turn.deadline().unwrap_or_else(|| turn.now());
        let request = Request::Switch {
            order,
            circuit: place.n2.of(turn.station().subunit),
            authority: self.authority(turn.station())?,
            until: on_the_meter(deadline, turn.station()),
        };
        let subject = switch_subject(self.model, Some(to));
        self.ask::<true>(turn, &Asked { request, subject }).await.map(drop)
    }

    /// Clears the maximum demands.
    pub(super) async fn clear_demand(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        let request = Request::ClearDemand(self.authority(turn.station())?);
        let subject = demand_subject(self.model);
        self.ask::<true>(turn, &Asked { request, subject }).await.map(drop)
    }

    /// Clears the meter, or the sub-unit with an address of its own.
    pub(super) async fn clear(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        let request = Request::ClearMeter(self.authority(turn.station())?);
        let subject = clear_subject(self.model);
        self.ask::<true>(turn, &Asked { request, subject }).await.map(drop)
    }

    /// Writes an item that holds these numbers one behind the other, and nothing else.
    pub(super) async fn write(
        &mut self,
        turn: &mut Turn<'_>,
        values: &[(&Register, Decimal)],
    ) -> Result<(), Setback> {
        let (mut data, mut first) = (Vec::new(), None);
        for (register, value) in values {
            let Some(Place::Dlt645(place)) = &register.at else {
                return Err(unsupported(turn, &register.name));
            };
            let mantissa = value.in_units_of(register.scaler).ok_or_else(|| no_room(*value))?;
            place.format().write(mantissa, &mut data).ok_or_else(|| no_room(*value))?;
            first = first.or(Some((place.item, write_subject(register))));
        }
        let Some((item, subject)) = first else { return Ok(()) };
        if let Some(device) = turn.station().device_address {
            turn.memory().changed(device);
        }
        let authority = self.authority(turn.station())?;
        let item = item.of(turn.station().subunit);
        let request = Request::Write { item, authority, data: &data };
        self.ask::<true>(turn, &Asked { request, subject }).await.map(drop)
    }

    fn switch(&self, turn: &Turn<'_>) -> Result<&'a Dlt645Switch, Setback> {
        match self.model.switch.as_ref().and_then(|switch| switch.at.as_ref()) {
            Some(SwitchPlace::Dlt645(place)) => Ok(place),
            _ => Err(unsupported(turn, "switch")),
        }
    }

    /// An item; one that holds something for every sub-unit may have been read for another one a moment ago.
    async fn shared_item(
        &self,
        turn: &mut Turn<'_>,
        place: &Dlt645Place,
        item: Identifier,
        subject: Subject,
    ) -> Result<Item, Setback> {
        let device = turn.station().device_address.filter(|_| place.step > 0);
        if let Some(known) = device.and_then(|device| turn.memory().item(device, item.0)) {
            return Ok(known);
        }
        let octets = self.item(turn, item, subject).await?;
        let found = Item { at: turn.now(), octets };
        if let Some(device) = device {
            turn.memory().keep(device, item.0, found.clone());
        }
        Ok(found)
    }

    /// The octets of an item, in as many parts as it has.
    async fn item(
        &self,
        turn: &mut Turn<'_>,
        item: Identifier,
        subject: Subject,
    ) -> Result<Vec<u8>, Setback> {
        self.parts::<true>(turn, (Request::Read(item), item), subject).await
    }

    /// The octets that a request brings, and those of the item that follow them. `NAMED`: an answer says to which request it belongs.
    async fn parts<const NAMED: bool>(
        &self,
        turn: &mut Turn<'_>,
        (request, item): (Request<'_>, Identifier),
        subject: Subject,
    ) -> Result<Vec<u8>, Setback> {
        'anew: for _ in 0..STARTS_MAX {
            let mut whole = Vec::new();
            let mut asked = Asked { request: request.clone(), subject };
            for part in 1..=PARTS_MAX {
                let (octets, more) = match self.ask::<NAMED>(turn, &asked).await {
                    Ok(Heard::Item { octets, more }) => (octets, more),
                    Ok(Heard::Done) => return Err(wrong("it answers a read with something else")),
                    // A meter that was switched off meanwhile does not know any more what it began to give.
                    Err(setback) if setback.is_absence() && part > 1 => continue 'anew,
                    Err(setback) => return Err(setback),
                };
                whole.extend_from_slice(&octets);
                if !more {
                    return Ok(whole);
                }
                asked.request = Request::ReadNext(item, part);
            }
            return Err(wrong(format!("an item has more than {PARTS_MAX} parts")));
        }
        Err(wrong("it refuses the rest of what it began to give"))
    }

    /// A request as it goes over the line.
    fn spoken(&self, request: &Request<'_>, address: Address) -> Result<Vec<u8>, Setback> {
        let mut octets = WAKE_UP[..usize::from(self.spec.wake_up).min(WAKE_UP.len())].to_vec();
        request.encode(self.spec.edition, address, &mut octets).map_err(unspeakable)?;
        Ok(octets)
    }

    async fn ask<const NAMED: bool>(&self, turn: &mut Turn<'_>, asked: &Asked<'_>) -> Result<Heard, Setback> {
        let address = address(turn.station())?;
        let octets = self.spoken(&asked.request, address)?;
        let is_order = matches!(
            asked.request,
            Request::FreezeNow
                | Request::Switch { .. }
                | Request::Write { .. }
                | Request::ClearDemand(_)
                | Request::ClearMeter(_)
        );
        let say = Say {
            subject: asked.subject,
            octets: &octets,
            is_secret: is_order,
            is_order,
            is_long: false,
            speed: Pitch::Same,
        };
        let edition = self.spec.edition;
        let ear = || FrameEar::<NAMED> {
            splitter: Splitter::new(),
            edition,
            address,
            request: &asked.request,
            others: 0,
        };
        if is_order { turn.say_once(&say, &mut ear()).await } else { turn.say(&say, ear).await }
    }

    /// Who orders: level and operator of the model, password of the inventory; zeros where there is none.
    fn authority(&self, station: &Station) -> Result<Authority, Setback> {
        let digits = match &station.credentials.level {
            Level::Lls { password } => String::from_utf8_lossy(password.octets()).into_owned(),
            Level::None | Level::Hls(_) => String::new(),
        };
        let password = bcd(&digits, PASSWORD_DIGITS).ok_or_else(|| {
            let detail = "The password of a meter that speaks DL/T 645 has up to six digits; correct it.";
            Setback::Final(Failure::new(Reason::WrongPassword, detail))
        })?;
        let operator = bcd(&self.spec.operator.to_string(), OPERATOR_DIGITS).unwrap_or_default();
        let take = |octets: &[u8], at: usize| octets.get(at).copied().unwrap_or_default();
        Ok(Authority {
            level: self.spec.level,
            password: [0, 1, 2].map(|at| take(&password, at)),
            operator: [0, 1, 2, 3].map(|at| take(&operator, at)),
        })
    }
}

/// What came back, without the octets that it came in.
enum Heard {
    Item { octets: Vec<u8>, more: bool },
    Done,
}

/// Listens for the answer to a request. `NAMED`: it says to which request it belongs, as far as that matters.
struct FrameEar<'a, const NAMED: bool> {
    splitter: Splitter,
    edition: Edition,
    address: Address,
    request: &'a Request<'a>,
    /// Whole frames of others, or to other questions.
    others: u64,
}

impl<const NAMED: bool> FrameEar<'_, NAMED> {
    /// What a frame answers; `None` for one that is for somebody else, or late.
    fn read(
        edition: Edition,
        address: Address,
        request: &Request<'_>,
        frame: &Frame<'_>,
    ) -> Option<Result<Heard, Setback>> {
        if frame.address != address || !frame.control.is_answer() {
            return None;
        }
        match Answer::read(edition, request, frame) {
            Ok(Answer::Item { octets, more }) => Some(Ok(Heard::Item { octets: octets.to_vec(), more })),
            Ok(Answer::Address(_) | Answer::Done) => Some(Ok(Heard::Done)),
            Err(Error::OtherFunction { .. } | Error::OtherItem { .. } | Error::OtherPart { .. }) => None,
            Err(Error::Refused(refusal)) => Some(Err(refused(refusal))),
            Err(error) if error.fault() == Fault::Misuse => Some(Err(unspeakable(error))),
            Err(error) => Some(Err(wrong(error))),
        }
    }
}

impl<const NAMED: bool> Ear for FrameEar<'_, NAMED> {
    const ANSWERS_NAME_REQUESTS: bool = NAMED;

    type Answer = Heard;

    fn hear(&mut self, octets: &[u8], _: &mut Vec<u8>) -> Result<Option<Heard>, Setback> {
        self.splitter.push(octets);
        while let Some(frame) = self.splitter.next_frame() {
            match Self::read(self.edition, self.address, self.request, &frame) {
                Some(heard) => return heard.map(Some),
                None => self.others += 1,
            }
        }
        Ok(None)
    }

    fn rejected(&self) -> Rejected {
        let rejected = self.splitter.rejected();
        Rejected { frames: rejected.damaged + self.others, octets: rejected.noise }
    }
}

/// What a refusal means.
fn refused(refusal: Refusal) -> Setback {
    let is_absence = refusal.contains(Refusal::NO_SUCH_ITEM);
    let failure = if refusal.contains(Refusal::NOT_AUTHORISED) && !is_absence {
        let detail = format!(
            "The meter refused ({refusal}); correct the password in the inventory, or its level in the model."
        );
        Failure::new(Reason::WrongPassword, detail)
    } else {
        Failure::new(
            Reason::MeterRefused,
            format!("The meter refused ({refusal}); check the meter's model and its state."),
        )
    };
    Setback::Refused { failure, is_absence, may_pass: false }
}

/// The address of the station: twelve digits.
fn address(station: &Station) -> Result<Address, Setback> {
    let digits = station
        .device_address
        .ok_or_else(|| unspeakable("a meter that speaks DL/T 645 needs a device address"))?;
    digits.to_string().parse().map_err(unspeakable)
}

/// The number of a register inside of its item; digits that are `FF` throughout are no number.
fn number(place: &Dlt645Place, item: &Item, subunit: Option<u8>, scaler: i8) -> Result<Number, Setback> {
    let start = place.start(subunit);
    let inside = item.octets.get(start..).unwrap_or_default();
    let value = if place.bits {
        let octets = inside.get(..place.octets.into()).ok_or_else(|| wrong("an item that ends too early"))?;
        octets.iter().rev().fold(0, |word, octet| (word << 8) | i64::from(*octet))
    } else {
        place.format().read(inside, start).map_err(wrong)?.ok_or_else(no_value)?.mantissa
    };
    Ok(Number { value, scaler, at: Some(item.at) })
}

/// An instant as the meter's clock shows it.
fn on_the_meter(at: Timestamp, station: &Station) -> Moment {
    let local = at.to_zoned(station.zone.clone()).datetime();
    let two = |number: i8| number.unsigned_abs();
    Moment {
        year: u8::try_from(local.year().rem_euclid(100)).unwrap_or_default(),
        month: two(local.month()),
        day: two(local.day()),
        hour: two(local.hour()),
        minute: two(local.minute()),
        second: two(local.second()),
    }
}

/// Digits as packed BCD with the last two first; `None` for other characters, or for more digits than there are.
fn bcd(digits: &str, limit: usize) -> Option<Vec<u8>> {
    if digits.len() > limit || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut octets = vec![0; limit / 2];
    for (place, digit) in digits.bytes().rev().enumerate() {
        octets[place / 2] |= (digit - b'0') << (4 * (place % 2));
    }
    Some(octets)
}

/// Octets of a known number.
fn exact<const N: usize>(octets: &[u8]) -> Result<[u8; N], Setback> {
    octets.try_into().map_err(|_| wrong(format!("{} octets came where {N} are due", octets.len())))
}

#[cfg(test)]
mod tests {
    use super::bcd;

    #[test]
    fn digits_stand_with_the_last_two_first() {
        assert_eq!(bcd("123456", 6), Some(vec![0x56, 0x34, 0x12]));
        assert_eq!(bcd("7", 6), Some(vec![0x07, 0, 0]));
        assert_eq!(bcd("", 8), Some(vec![0; 4]));
        assert_eq!(bcd("1234567", 6), None);
        assert_eq!(bcd("12a", 6), None);
    }
}
