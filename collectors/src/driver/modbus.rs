//! Modbus RTU.

use modbus::{Answer, Answers, Error, Exception, Fault, Kind, Request, Table};
use models::{Decimal, Modbus, ModbusPlace, ModbusState, ModbusSwitch, Model, Place, Register, SwitchPlace};

use super::{
    Ear, Number, Numbers, Pitch, Rejected, Say, SwitchState, register_subject, switch_subject, unspeakable,
    unsupported, write_subject, wrong,
};
use crate::{
    Failure, Reason, Station, SwitchTo, diagnosis::Setback, exchange::Subject, task::set_parameter::no_room,
    turn::Turn, value,
};

/// Servers on a line (serial line 1.02, 2.2).
const SERVERS: std::ops::RangeInclusive<u64> = 1..=247;

/// Digits behind the point of a float at most.
const FLOAT_DECIMALS: i8 = 9;

/// The conversation with one server, or about one of its sub-units.
pub(super) struct ModbusDriver<'a> {
    model: &'a Model,
    spec: &'a Modbus,
}

impl<'a> ModbusDriver<'a> {
    pub(super) const fn new(model: &'a Model, spec: &'a Modbus) -> Self {
        Self { model, spec }
    }

    pub(super) async fn serial(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        let Some(place) = &self.spec.serial else { return Ok(None) };
        let subject = Subject::get(&value::data(self.model.identity.serial));
        let octets = self.octets(turn, place, subject).await?;
        number(place, 0, &octets).map(|number| Some(number.value.to_string()))
    }

    pub(super) async fn registers(
        &mut self,
        turn: &mut Turn<'_>,
        registers: &[&Register],
    ) -> Result<Numbers, Setback> {
        let mut numbers = Vec::with_capacity(registers.len());
        for register in registers {
            let Some(Place::Modbus(place)) = &register.at else {
                return Err(unsupported(turn, &register.name));
            };
            turn.yield_to_urgent().await?;
            let number = match self.octets(turn, place, register_subject(register)).await {
                Ok(octets) => number(place, register.scaler, &octets),
                Err(setback) if setback.is_of_one() => Err(setback),
                Err(setback) => return Err(setback),
            };
            numbers.push(number);
        }
        Ok(numbers)
    }

    pub(super) async fn switch_state(&mut self, turn: &mut Turn<'_>) -> Result<SwitchState, Setback> {
        let place = self.switch(turn)?;
        let shown = self.state(turn, place.state.as_ref().unwrap_or(&place.order)).await?;
        let ordered_open = match &place.state {
            None => None,
            Some(_) => Some(self.state(turn, &place.order).await?),
        };
        Ok(SwitchState { open: shown, ordered_open, is_closed_by_hand: false })
    }

    pub(super) async fn order(&mut self, turn: &mut Turn<'_>, to: SwitchTo) -> Result<(), Setback> {
        let state = &self.switch(turn)?.order;
        let at = state.at(turn.station().subunit);
        let value = match to {
            SwitchTo::Disconnected => state.open,
            SwitchTo::Connected => state.closed,
        };
        let request = match state.table {
            Table::Coils => Request::WriteCoil { coil: at, on: value != 0 },
            _ => Request::WriteRegister { register: at, value },
        };
        self.ask(turn, &request, switch_subject(self.model, Some(to))).await.map(drop)
    }

    /// Writes the registers of numbers that stand behind each other.
    pub(super) async fn write(
        &mut self,
        turn: &mut Turn<'_>,
        values: &[(&Register, Decimal)],
    ) -> Result<(), Setback> {
        let (mut octets, mut first) = (Vec::new(), None);
        for (register, value) in values {
            let Some(Place::Modbus(place)) = &register.at else {
                return Err(unsupported(turn, &register.name));
            };
            octets.extend(self::octets(place, register.scaler, *value).ok_or_else(|| no_room(*value))?);
            first = first.or(Some((place.first(turn.station().subunit), write_subject(register))));
        }
        let Some((first, subject)) = first else { return Ok(()) };
        let request = match octets[..] {
            [high, low] => Request::WriteRegister { register: first, value: u16::from_be_bytes([high, low]) },
            _ => Request::WriteRegisters { first, octets: &octets },
        };
        self.ask(turn, &request, subject).await.map(drop)
    }

    fn switch(&self, turn: &Turn<'_>) -> Result<&'a ModbusSwitch, Setback> {
        match self.model.switch.as_ref().and_then(|switch| switch.at.as_ref()) {
            Some(SwitchPlace::Modbus(place)) => Ok(place),
            _ => Err(unsupported(turn, "switch")),
        }
    }

    /// Whether a place says that the switch is open.
    async fn state(&self, turn: &mut Turn<'_>, state: &ModbusState) -> Result<bool, Setback> {
        let request = Request::Read { table: state.table, first: state.at(turn.station().subunit), count: 1 };
        let octets = self.ask(turn, &request, switch_subject(self.model, None)).await?;
        let found = match (state.table.is_bits(), &octets[..]) {
            (true, [bits, ..]) => u16::from(bits & 1),
            (false, [high, low]) => u16::from_be_bytes([*high, *low]),
            _ => return Err(wrong("a state of another length")),
        };
        match found {
            found if found == state.open => Ok(true),
            found if found == state.closed => Ok(false),
            other => Err(wrong(format!("the switch shows {other}, which the model does not know"))),
        }
    }

    /// The octets of a place.
    async fn octets(
        &self,
        turn: &mut Turn<'_>,
        place: &ModbusPlace,
        subject: Subject,
    ) -> Result<Vec<u8>, Setback> {
        let first = place.first(turn.station().subunit);
        let request = Request::Read { table: place.table, first, count: place.registers.into() };
        self.ask(turn, &request, subject).await
    }

    async fn ask(
        &self,
        turn: &mut Turn<'_>,
        request: &Request<'_>,
        subject: Subject,
    ) -> Result<Vec<u8>, Setback> {
        let server = server(turn.station())?;
        let mut octets = Vec::new();
        request.encode(server, &mut octets).map_err(unspeakable)?;
        let is_order = !matches!(request, Request::Read { .. });
        let say =
            Say { subject, octets: &octets, is_secret: false, is_order, is_long: false, speed: Pitch::Same };
        let ear = || AnswerEar { answers: Answers::new(), server, request };
        if is_order { turn.say_once(&say, &mut ear()).await } else { turn.say(&say, ear).await }
    }
}

/// The number that the octets of a place are.
fn number(place: &ModbusPlace, scaler: i8, octets: &[u8]) -> Result<Number, Setback> {
    let number = place.format().read(octets).map_err(wrong)?;
    let scaler = scaler.checked_add(number.exponent).ok_or_else(|| wrong("a number without room"))?;
    Ok(Number { value: number.mantissa, scaler, at: None })
}

/// A value as its registers hold it: as a whole number of the model's scaler, or with the fewest digits behind the point that a float needs.
fn octets(place: &ModbusPlace, scaler: i8, value: Decimal) -> Option<Vec<u8>> {
    let least = if place.kind == Kind::Float { -FLOAT_DECIMALS } else { 0 };
    (least..=0).rev().find_map(|exponent| {
        let mantissa = value.in_units_of(scaler.checked_add(exponent)?)?;
        let mut octets = Vec::new();
        place.format().write(modbus::Number { mantissa, exponent }, &mut octets)?;
        Some(octets)
    })
}

/// Listens for the answer to a request: the octets that were read.
struct AnswerEar<'a> {
    answers: Answers,
    server: u8,
    request: &'a Request<'a>,
}

impl Ear for AnswerEar<'_> {
    const ANSWERS_NAME_REQUESTS: bool = false;

    type Answer = Vec<u8>;

    fn hear(&mut self, octets: &[u8], _: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Setback> {
        self.answers.push(octets);
        match self.answers.answer(self.server, self.request) {
            Ok(None) => Ok(None),
            Ok(Some(Answer::Read(octets))) => Ok(Some(octets.to_vec())),
            Ok(Some(Answer::Written)) => Ok(Some(Vec::new())),
            Err(Error::Refused(exception)) => Err(refused(exception)),
            Err(error) if error.fault() == Fault::Misuse => Err(unspeakable(error)),
            Err(error) => Err(wrong(error)),
        }
    }

    fn rejected(&self) -> Rejected {
        Rejected { frames: 0, octets: self.answers.noise() }
    }
}

/// What a refusal means.
fn refused(exception: Exception) -> Setback {
    let detail = format!("The meter refused ({exception}); check the meter's model and its state.");
    Setback::Refused {
        failure: Failure::new(Reason::MeterRefused, detail),
        is_absence: exception == Exception::ADDRESS,
        may_pass: exception.is_passing(),
    }
}

/// The server's address.
fn server(station: &Station) -> Result<u8, Setback> {
    let address = station.device_address.filter(|address| SERVERS.contains(address));
    let address = address.and_then(|address| u8::try_from(address).ok());
    address.ok_or_else(|| unspeakable("a meter that speaks Modbus needs a device address from 1 to 247"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_that_is_none_and_digits_that_are_none_are_no_numbers() {
        let place = |kind, registers| ModbusPlace {
            table: Table::HoldingRegisters,
            register: 0,
            registers,
            kind,
            order: modbus::Order::Abcd,
            step: 0,
        };
        let float = |octets: &[u8]| number(&place(Kind::Float, 2), 3, octets);
        assert_eq!(float(&[0x42, 0xF6, 0xCC, 0xCD]), Ok(Number { value: 1234, scaler: 2, at: None }));
        let reason = |found: Result<Number, Setback>| match found {
            Err(Setback::Final(failure)) => failure.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(float(&[0x7F, 0xC0, 0, 0])), Reason::MeterBrokeRules);
        assert_eq!(reason(number(&place(Kind::Bcd, 1), 0, &[0xFF, 0xFF])), Reason::MeterBrokeRules);
    }
}
