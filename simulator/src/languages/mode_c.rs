//! A station that speaks IEC 62056-21, mode C.

use std::time::Duration;

use dlms::Unit;
use iec62056_21::{ACK, Identification, Message, Mode, NAK, Receiver, Selection, Speed, check_character};
use models::{Decimal, Iec62056_21, Place};
use tokio::time::Instant;

use super::device::Device;
use crate::bus::Station;

const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
/// The speed that it proposes, `5`: 9600 bits per second.
const PROPOSED: u8 = b'5';
/// Bits of a character on the line.
const BITS: u64 = 10;
/// How long behind its read-out a meter can be asked for it again.
const REPEATABLE: Duration = Duration::from_millis(500);
/// Digits in front of the point, at least.
const DIGITS: usize = 6;
/// A data set that it does not have.
const UNKNOWN: &str = "(ER07)";

/// A meter, asleep until it is called.
pub(super) struct ModeCStation {
    device: Device,
    spec: Iec62056_21,
    receiver: Receiver,
    state: State,
    speed: u32,
    /// The speed at which it can be called. It proposes another one where that is the initial one of the standard.
    asleep_at: u32,
    /// When it falls asleep behind its read-out.
    awake_until: Option<Instant>,
    /// What it said last, for a repetition.
    said: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asleep,
    Identified,
    /// In programming mode; whether the password was right.
    Programming(bool),
}

impl ModeCStation {
    pub(super) fn new(device: Device, spec: Iec62056_21, speed: u32) -> Self {
        Self {
            device,
            spec,
            receiver: Receiver::new(),
            state: State::Asleep,
            speed,
            asleep_at: speed,
            awake_until: None,
            said: Vec::new(),
        }
    }

    /// What it says to a message.
    fn answer(&mut self, message: &Message<'_>) -> Vec<u8> {
        match (self.state, message) {
            (_, Message::Opening(address)) => self.open(address),
            (State::Identified, Message::Selection(selection)) => self.select(selection),
            (State::Identified | State::Programming(_), Message::Nak) => self.said.clone(),
            (State::Programming(_), Message::Command { letters: [b'B', _], .. }) => {
                self.sleep();
                Vec::new()
            }
            (State::Programming(admitted), Message::Command { letters, body }) => {
                self.command(admitted, *letters, body)
            }
            _ => Vec::new(),
        }
    }

    fn open(&mut self, address: &[u8]) -> Vec<u8> {
        let own = self.device.itself().line_address().unwrap_or_default();
        let is_meant = match str::from_utf8(address) {
            Ok("") => true,
            Ok(text) => text.parse() == Ok(own),
            Err(_) => false,
        };
        if !is_meant {
            return Vec::new();
        }
        self.sleep();
        self.state = State::Identified;
        let speed = Speed::of(PROPOSED).unwrap_or(Speed::INITIAL);
        let name = self.device.model().name.clone();
        let identification =
            Identification { manufacturer: *b"SIm", mode: Mode::C(speed), has_hdlc: false, name };
        let mut said = Vec::new();
        identification.encode(&mut said);
        said
    }

    fn select(&mut self, selection: &[u8; 6]) -> Vec<u8> {
        let Ok((selection, speed)) = Selection::decode(selection) else { return vec![NAK] };
        if self.asleep_at == Speed::INITIAL.baud() {
            self.speed = speed.baud();
        }
        match selection {
            Selection::ReadOut => {
                let said = block(&[STX], &self.read_out());
                let bits = BITS * u64::try_from(said.len()).unwrap_or(u64::MAX);
                let passes = Duration::from_millis(bits * 1000 / u64::from(self.speed.max(1)));
                self.awake_until = Some(Instant::now() + passes + REPEATABLE);
                said
            }
            Selection::Programming => {
                self.state = State::Programming(false);
                block(&[SOH, b'P', b'0', STX], "(00000000)")
            }
            Selection::Hdlc => Vec::new(),
        }
    }

    fn command(&mut self, admitted: bool, letters: [u8; 2], body: &[u8]) -> Vec<u8> {
        let text = str::from_utf8(body).unwrap_or_default();
        let (name, value) = text.split_once('(').unwrap_or((text, ""));
        match letters {
            [b'P', b'1'] => {
                let is_right = self.device.admits(None, value.trim_end_matches(')'));
                self.state = State::Programming(is_right);
                if is_right { vec![ACK] } else { block(&[SOH, b'B', b'0'], "") }
            }
            [b'R', b'1'] if admitted || self.device.admits(None, "") => {
                block(&[STX], &self.set(name).map_or(UNKNOWN.to_owned(), |values| format!("{name}{values}")))
            }
            [b'W', b'1'] if admitted || self.device.admits(None, "") => {
                match self.write(name, value.trim_end_matches(')')) {
                    Some(true) => vec![ACK],
                    Some(false) => Vec::new(),
                    None => block(&[STX], UNKNOWN),
                }
            }
            _ => block(&[STX], "(ER01)"),
        }
    }

    /// Sets a data set, where the model allows that. Whether an answer arrives; `None` when it does not have it, or the value is none of it.
    fn write(&self, name: &str, value: &str) -> Option<bool> {
        let (register, _) = self.device.model().parameters().find(
            |(register, _)| matches!(&register.at, Some(Place::Iec62056_21(place)) if place.set == name),
        )?;
        let held = printed(self.device.value(None, register)?, register.scaler, register.unit);
        let (_, unit) = held.trim_matches(['(', ')']).split_once('*').unwrap_or_default();
        let (digits, given) = value.split_once('*').unwrap_or((value, ""));
        let number: iec62056_21::Number = digits.parse().ok().filter(|_| given == unit)?;
        let kilo = if unit.starts_with('k') { 3 } else { 0 };
        let exponent = if unit.is_empty() { register.scaler } else { number.exponent + kilo };
        self.device.set(None, register, Decimal::new(number.mantissa, exponent).in_units_of(register.scaler)?)
    }

    /// Every data set, a line each.
    fn read_out(&self) -> String {
        let clock = self.spec.clock.iter().flat_map(|clock| [clock.date.as_str(), &clock.time]);
        let registers = self.device.model().registers.iter().filter_map(|register| match &register.at {
            Some(Place::Iec62056_21(place)) => Some(place.set.as_str()),
            _ => None,
        });
        let names = self.spec.serial.as_deref().into_iter().chain(clock).chain(registers);
        let lines = names.filter_map(|name| Some(format!("{name}{}\r\n", self.set(name)?)));
        lines.chain(["!\r\n".to_owned()]).collect()
    }

    /// The values of a data set, in brackets.
    fn set(&self, name: &str) -> Option<String> {
        if self.spec.serial.as_deref() == Some(name) {
            return Some(format!("({:08})", self.device.serial(None)));
        }
        let now = self.device.local();
        if let Some(clock) = &self.spec.clock {
            if clock.date == name {
                return Some(format!("({:02}-{:02}-{:02})", now.year() % 100, now.month(), now.day()));
            }
            if clock.time == name {
                return Some(format!("({:02}:{:02}:{:02})", now.hour(), now.minute(), now.second()));
            }
        }
        let mut values = String::new();
        for register in &self.device.model().registers {
            let Some(Place::Iec62056_21(place)) = &register.at else { continue };
            if place.set == name {
                values.push_str(&printed(self.device.value(None, register)?, register.scaler, register.unit));
            }
        }
        (!values.is_empty()).then_some(values)
    }

    fn sleep(&mut self) {
        self.state = State::Asleep;
        self.speed = self.asleep_at;
        self.awake_until = None;
    }
}

impl Station for ModeCStation {
    fn hear(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Duration {
        self.receiver.push(octets);
        let mut receiver = std::mem::take(&mut self.receiver);
        loop {
            match receiver.next_message() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    self.said = self.answer(&message);
                    if !self.device.drops() {
                        out.extend(self.said.iter().map(|octet| self.character(*octet)));
                    }
                }
                Err(_) => out.push(self.character(NAK)),
            }
        }
        self.receiver = receiver;
        self.device.delay()
    }

    fn speed(&self) -> u32 {
        match self.awake_until {
            Some(until) if Instant::now() > until => self.asleep_at,
            _ => self.speed,
        }
    }
}

impl ModeCStation {
    /// A character with its parity bit, where it has one.
    fn character(&self, octet: u8) -> u8 {
        if self.spec.parity { octet | (octet.count_ones() as u8 & 1) << 7 } else { octet }
    }
}

/// A message with its block check character.
fn block(start: &[u8], body: &str) -> Vec<u8> {
    let mut message = start.to_vec();
    message.extend_from_slice(body.as_bytes());
    message.push(ETX);
    message.push(check_character(&message[1..]));
    message
}

/// A value as displays have it: energy and power in thousands, with a point.
fn printed(value: i64, scaler: i8, unit: Unit) -> String {
    let thousands = matches!(unit.symbol(), "Wh" | "varh" | "VAh" | "W" | "var" | "VA");
    let (prefix, exponent) = if thousands { ("k", scaler - 3) } else { ("", scaler) };
    let sign = if value < 0 { "-" } else { "" };
    let places = usize::from(exponent.min(0).unsigned_abs());
    let digits = format!("{:0width$}", value.unsigned_abs(), width = DIGITS + places);
    let (whole, decimals) = digits.split_at(digits.len() - places);
    let point = if places > 0 { "." } else { "" };
    let unit = if unit.symbol().is_empty() { String::new() } else { format!("*{prefix}{}", unit.symbol()) };
    format!("({sign}{whole}{point}{decimals}{unit})")
}
