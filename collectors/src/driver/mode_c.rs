//! IEC 62056-21, mode C: the read-out, or data sets one by one in programming mode.

use std::str;

use dlms::Obis;
use iec62056_21::{
    Command, DataSet, DataSets, Error, Event, Fault, Identification, Mode, Selection, Session, Speed, Value,
    Verb,
};
use jiff::civil::DateTime;
use models::{Decimal, Iec62056_21, Iec62056_21Place, Place, ReadBy, Register};

use super::{
    Ear, Number, Numbers, Pitch, Rejected, Say,
    digits::{like, power_of},
    no_value, unspeakable, unsupported, write_subject, wrong,
};
use crate::{
    Failure, Level, Reason, Station, diagnosis::Setback, exchange::Subject, task::set_parameter::no_room,
    turn::Turn, value,
};

/// Digits of a date and of a time: two for each part.
const MOMENT_DIGITS: usize = 6;
/// The century of a year with two digits.
const CENTURY: i16 = 2000;
/// Longest device address.
const ADDRESS_DIGITS_MAX: usize = 32;

/// The conversation with one meter.
pub(super) struct ModeCDriver<'a> {
    spec: &'a Iec62056_21,
    /// What the read-out of this work held.
    read_out: Option<Vec<u8>>,
}

impl<'a> ModeCDriver<'a> {
    pub(super) const fn new(spec: &'a Iec62056_21) -> Self {
        Self { spec, read_out: None }
    }

    pub(super) async fn serial(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        let Some(name) = &self.spec.serial else { return Ok(None) };
        let set = self.sets(turn, &[name]).await?.pop().flatten().ok_or_else(no_value)?;
        first(&set).map(|text| Some(text.trim().to_owned()))
    }

    /// Whether the clock can be asked for without everything else.
    pub(super) fn has_clock_of_its_own(&self) -> bool {
        self.spec.clock.is_some() && self.spec.read == ReadBy::Programming
    }

    pub(super) async fn clock(&mut self, turn: &mut Turn<'_>) -> Result<DateTime, Setback> {
        let Some(clock) = &self.spec.clock else { return Err(unsupported(turn, "read_clock")) };
        // What was read before is no clock.
        self.read_out = None;
        let mut sets = self.sets(turn, &[&clock.date, &clock.time]).await?;
        let (time, date) = (sets.pop().flatten(), sets.pop().flatten());
        let [year, month, day] = parts(&first(&date.ok_or_else(no_value)?)?)?;
        let [hour, minute, second] = parts(&first(&time.ok_or_else(no_value)?)?)?;
        DateTime::new(CENTURY + i16::from(year), month, day, hour, minute, second, 0).map_err(wrong)
    }

    pub(super) async fn registers(
        &mut self,
        turn: &mut Turn<'_>,
        registers: &[&Register],
    ) -> Result<Numbers, Setback> {
        let mut places = Vec::with_capacity(registers.len());
        for register in registers {
            let Some(Place::Iec62056_21(place)) = &register.at else {
                return Err(unsupported(turn, &register.name));
            };
            places.push((*register, place));
        }
        let names: Vec<&str> = places.iter().map(|(_, place)| place.set.as_str()).collect();
        let sets = self.sets(turn, &names).await?;
        Ok(places.iter().zip(sets).map(|((register, place), set)| number(register, place, set)).collect())
    }

    /// What a data set that may be set holds. It is asked for by itself: a read-out of a moment ago would not show what was written since.
    pub(super) async fn parameter(
        &mut self,
        turn: &mut Turn<'_>,
        register: &Register,
    ) -> Result<Number, Setback> {
        let Some(Place::Iec62056_21(place)) = &register.at else {
            return Err(unsupported(turn, &register.name));
        };
        loop {
            match self.read_each(turn, &[&place.set]).await {
                Ok(mut sets) => return number(register, place, sets.pop().flatten()),
                Err(setback) => turn.recover(setback).await?,
            }
        }
    }

    /// Writes a data set, with the digits and the unit that it shows.
    pub(super) async fn write(
        &mut self,
        turn: &mut Turn<'_>,
        register: &Register,
        value: Decimal,
    ) -> Result<(), Setback> {
        let Some(Place::Iec62056_21(place)) = &register.at else {
            return Err(unsupported(turn, &register.name));
        };
        self.read_out = None;
        let (mut talk, meter) = Talk::open(turn, self.spec).await?;
        let Mode::C(speed) = meter.mode else { return Err(unspeakable("the meter has no programming mode")) };
        let written = write_set(turn, &mut talk, speed, (register, place, value)).await;
        talk.close(turn).await;
        written
    }

    /// Data sets by name, each as the meter wrote it; `None` for one that it does not have. Begins anew when the line fails.
    async fn sets(&mut self, turn: &mut Turn<'_>, names: &[&str]) -> Result<Sets, Setback> {
        loop {
            let read = match (self.spec.read, &self.read_out) {
                (ReadBy::ReadOut, Some(known)) => return Ok(select(known, names)),
                (ReadBy::ReadOut, None) => self.read_out(turn).await.map(|whole| {
                    self.read_out = Some(whole);
                    None
                }),
                (ReadBy::Programming, _) => self.read_each(turn, names).await.map(Some),
            };
            match read {
                Ok(Some(sets)) => return Ok(sets),
                Ok(None) => {}
                Err(setback) => turn.recover(setback).await?,
            }
        }
    }

    async fn read_out(&self, turn: &mut Turn<'_>) -> Result<Vec<u8>, Setback> {
        let (mut talk, meter) = Talk::open(turn, self.spec).await?;
        match meter.mode {
            Mode::C(speed) => {
                let Heard::Data(whole) = talk.select(turn, Selection::ReadOut, speed).await? else {
                    return Err(wrong("no read-out"));
                };
                Ok(whole)
            }
            Mode::A | Mode::B(_) => Err(unspeakable("the meter sends in mode A or B, and is read in mode C")),
        }
    }

    async fn read_each(&self, turn: &mut Turn<'_>, names: &[&str]) -> Result<Sets, Setback> {
        let (mut talk, meter) = Talk::open(turn, self.spec).await?;
        let Mode::C(speed) = meter.mode else { return Err(unspeakable("the meter has no programming mode")) };
        let sets = read_sets(turn, &mut talk, speed, names).await;
        talk.close(turn).await;
        sets
    }
}

/// Reads data sets in programming mode.
async fn read_sets(
    turn: &mut Turn<'_>,
    talk: &mut Talk<'_>,
    speed: Speed,
    names: &[&str],
) -> Result<Sets, Setback> {
    talk.enter(turn, speed).await?;
    let mut sets = Vec::with_capacity(names.len());
    for name in names {
        let read = Command { verb: Verb::Read, kind: 1, item: name, value: "" };
        sets.push(match talk.command(turn, read).await {
            Ok(Heard::Data(whole)) => Some(whole),
            Ok(_) => return Err(wrong("no data set")),
            Err(setback) if setback.is_absence() => None,
            Err(setback) => return Err(setback),
        });
    }
    Ok(sets)
}

/// Writes a data set in programming mode.
async fn write_set(
    turn: &mut Turn<'_>,
    talk: &mut Talk<'_>,
    speed: Speed,
    (register, place, wanted): (&Register, &Iec62056_21Place, Decimal),
) -> Result<(), Setback> {
    talk.enter(turn, speed).await?;
    let read = Command { verb: Verb::Read, kind: 1, item: &place.set, value: "" };
    let Heard::Data(set) = talk.command(turn, read).await? else { return Err(wrong("no data set")) };
    let (text, unit) = nth(&set, place.value)?;
    let held: iec62056_21::Number = text.parse().map_err(wrong)?;
    let last = match &unit {
        None => register.scaler,
        Some(unit) => power_of(unit, register.unit)
            .and_then(|power| power.checked_add(held.exponent))
            .ok_or_else(|| wrong(format!("a value in {unit}")))?,
    };
    let digits = like(&text, wanted, last).ok_or_else(|| no_room(wanted))?;
    let value = unit.map_or(digits.clone(), |unit| format!("{digits}*{unit}"));
    talk.subject = write_subject(register);
    match talk.order(turn, Command { verb: Verb::Write, kind: 1, item: &place.set, value: &value }).await? {
        Heard::Accepted => Ok(()),
        _ => Err(wrong("an order is answered with something else")),
    }
}

/// Data sets as the meter wrote them, in the order in which they were asked for; `None` for one that it does not have.
type Sets = Vec<Option<Vec<u8>>>;

/// A session with a meter.
struct Talk<'a> {
    session: Session,
    spec: &'a Iec62056_21,
    subject: Subject,
}

/// What came.
enum Heard {
    Identified(Identification),
    Data(Vec<u8>),
    Accepted,
}

impl<'a> Talk<'a> {
    /// Wakes the meter up; who it is.
    async fn open(turn: &mut Turn<'_>, spec: &'a Iec62056_21) -> Result<(Self, Identification), Setback> {
        let mut out = Vec::new();
        let address = address(turn.station(), spec);
        let session = Session::open(&address, &mut out).map_err(unspeakable)?;
        let mut talk = Self { session, spec, subject: Subject::ASSOCIATE };
        match talk.say(turn, out, Pitch::Initial, false).await? {
            Heard::Identified(meter) => Ok((talk, meter)),
            _ => Err(wrong("no identification")),
        }
    }

    /// Says what is wanted, and goes on at the speed that the meter proposed.
    async fn select(
        &mut self,
        turn: &mut Turn<'_>,
        selection: Selection,
        speed: Speed,
    ) -> Result<Heard, Setback> {
        let mut out = Vec::new();
        self.session.select(selection, speed, &mut out).map_err(unspeakable)?;
        self.say(turn, out, Pitch::Then(speed.baud()), false).await
    }

    /// Goes into programming mode, with the password where there is one.
    async fn enter(&mut self, turn: &mut Turn<'_>, speed: Speed) -> Result<(), Setback> {
        self.select(turn, Selection::Programming, speed).await?;
        if let Some(password) = password(turn.station())? {
            self.command(turn, Command { verb: Verb::Password, kind: 1, item: "", value: &password }).await?;
        }
        Ok(())
    }

    /// Orders something: what becomes of it when no answer comes is not known.
    async fn order(&mut self, turn: &mut Turn<'_>, command: Command<'_>) -> Result<Heard, Setback> {
        let mut out = Vec::new();
        self.session.command(&command, &mut out).map_err(unspeakable)?;
        let octets = on_the_line(&out, self.spec);
        let say = Say { is_order: true, ..self.saying(&octets) };
        self.hear(turn, &say).await
    }

    async fn command(&mut self, turn: &mut Turn<'_>, command: Command<'_>) -> Result<Heard, Setback> {
        let mut out = Vec::new();
        self.subject = Subject::get(&value::data(Obis::new([0; 6])));
        self.session.command(&command, &mut out).map_err(unspeakable)?;
        self.say(turn, out, Pitch::Same, command.verb == Verb::Password).await
    }

    /// Sends the meter to sleep. That nothing but courtesy depends on it is why nothing can fail here.
    async fn close(mut self, turn: &mut Turn<'_>) {
        let mut out = Vec::new();
        self.session.close(&mut out);
        turn.say_farewell(&on_the_line(&out, self.spec)).await;
    }

    async fn say(
        &mut self,
        turn: &mut Turn<'_>,
        out: Vec<u8>,
        speed: Pitch,
        is_secret: bool,
    ) -> Result<Heard, Setback> {
        let octets = on_the_line(&out, self.spec);
        let say = Say { is_secret, speed, ..self.saying(&octets) };
        self.hear(turn, &say).await
    }

    fn saying<'b>(&self, octets: &'b [u8]) -> Say<'b> {
        let (is_secret, is_order, speed) = (false, false, Pitch::Same);
        Say { subject: self.subject, octets, is_secret, is_order, is_long: true, speed }
    }

    async fn hear(&mut self, turn: &mut Turn<'_>, say: &Say<'_>) -> Result<Heard, Setback> {
        turn.say_once(say, &mut SessionEar { session: &mut self.session, spec: self.spec, damaged: 0 }).await
    }
}

/// Listens for what comes of a session.
struct SessionEar<'a> {
    session: &'a mut Session,
    spec: &'a Iec62056_21,
    damaged: u64,
}

impl Ear for SessionEar<'_> {
    const ANSWERS_NAME_REQUESTS: bool = false;

    type Answer = Heard;

    fn hear(&mut self, octets: &[u8], reply: &mut Vec<u8>) -> Result<Option<Heard>, Setback> {
        self.session.push(octets);
        let mut out = Vec::new();
        loop {
            match self.session.poll(&mut out) {
                Ok(Event::Wait) => break,
                Ok(Event::Reply) => self.damaged += 1,
                Ok(Event::Identified(meter)) => return Ok(Some(Heard::Identified(meter))),
                Ok(Event::ReadOut(whole) | Event::Answer(whole) | Event::Challenge(whole)) => {
                    return Ok(Some(Heard::Data(whole.to_vec())));
                }
                Ok(Event::Accepted) => return Ok(Some(Heard::Accepted)),
                Err(error) => return Err(failed(&error)),
            }
        }
        reply.extend(on_the_line(&out, self.spec));
        Ok(None)
    }

    fn rejected(&self) -> Rejected {
        Rejected { frames: self.damaged, octets: 0 }
    }
}

/// What an error of the session means.
fn failed(error: &Error) -> Setback {
    match error {
        Error::Refused(_) => Setback::Refused {
            failure: Failure::new(
                Reason::MeterRefused,
                format!("{error}; check the meter's model and the password."),
            ),
            is_absence: true,
            may_pass: false,
        },
        Error::Ended => Setback::Final(Failure::new(
            Reason::WrongPassword,
            "The meter ended the session after the password; correct it before the meter locks up.",
        )),
        // What was damaged again and again may come through at another time.
        Error::Damaged { .. } | Error::NotUnderstood { .. } | Error::Unexpected { .. } => Setback::Flooded,
        other if other.fault() == Fault::Misuse => unspeakable(other),
        other => wrong(other),
    }
}

/// Characters as they go over the line: with their parity, where they have seven bits.
fn on_the_line(octets: &[u8], spec: &Iec62056_21) -> Vec<u8> {
    let parity = |octet: u8| if spec.parity { octet | (octet.count_ones() as u8 & 1) << 7 } else { octet };
    octets.iter().map(|octet| parity(*octet)).collect()
}

/// The device address as the request has it.
fn address(station: &Station, spec: &Iec62056_21) -> String {
    let width = usize::from(spec.address_digits).min(ADDRESS_DIGITS_MAX);
    station.device_address.map(|address| format!("{address:0width$}")).unwrap_or_default()
}

/// The password of the inventory, where it has one.
fn password(station: &Station) -> Result<Option<String>, Setback> {
    let Level::Lls { password } = &station.credentials.level else { return Ok(None) };
    let text = str::from_utf8(password.octets()).map_err(|_| {
        let detail =
            "The password of a meter that speaks IEC 62056-21 has printable characters only; correct it.";
        Setback::Final(Failure::new(Reason::WrongPassword, detail))
    })?;
    Ok(Some(text.to_owned()))
}

/// Each data set that was asked for, out of a read-out that came undamaged. Lines that are no data sets, such as a heading, say nothing of the others.
fn select(read_out: &[u8], names: &[&str]) -> Sets {
    let sets: Vec<DataSet<'_>> = DataSets::of(read_out).filter_map(Result::ok).collect();
    let text = |set: &DataSet<'_>| {
        let value = |value: &Value<'_>| match value.unit {
            Some(unit) => format!("({}*{unit})", value.text),
            None => format!("({})", value.text),
        };
        set.values.iter().map(value).collect::<String>().into_bytes()
    };
    names.iter().map(|name| sets.iter().find(|set| set.item == *name).map(text)).collect()
}

/// The first value of a data set.
fn first(set: &[u8]) -> Result<String, Setback> {
    nth(set, 0).map(|(text, _)| text)
}

/// A value of a data set, and its unit.
fn nth(set: &[u8], index: u8) -> Result<(String, Option<String>), Setback> {
    let set = DataSets::of(set).next().ok_or_else(no_value)?.map_err(wrong)?;
    let value = set.values.get(usize::from(index)).ok_or_else(no_value)?;
    Ok((value.text.to_owned(), value.unit.map(str::to_owned)))
}

/// The number of a register: with the unit that the meter wrote, or with that of the model where it wrote none.
fn number(register: &Register, place: &Iec62056_21Place, set: Option<Vec<u8>>) -> Result<Number, Setback> {
    let (text, unit) = nth(&set.ok_or_else(no_value)?, place.value)?;
    let number: iec62056_21::Number =
        text.parse().map_err(|error| wrong(format!("{} is {error}", place.set)))?;
    let scaler = match unit {
        None => register.scaler,
        Some(unit) => {
            let power = power_of(&unit, register.unit).ok_or_else(|| {
                wrong(format!("{} is in {unit}, the model says {}", place.set, register.unit))
            })?;
            number.exponent.saturating_add(power)
        }
    };
    Ok(Number { value: number.mantissa, scaler, at: None })
}

/// Three parts of two digits, whatever stands between them.
fn parts<T: TryFrom<u8> + Copy + Default>(text: &str) -> Result<[T; 3], Setback> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    if digits.len() != MOMENT_DIGITS {
        return Err(wrong("its clock shows no time"));
    }
    Ok([0, 2, 4].map(|at| T::try_from(digits[at] * 10 + digits[at + 1]).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_six_digits() {
        assert_eq!(parts::<u8>("14:20:30").unwrap(), [14, 20, 30]);
        assert_eq!(parts::<u8>("260301").unwrap(), [26, 3, 1]);
        assert!(parts::<u8>("1420").is_err());
    }

    #[test]
    fn a_line_that_is_no_data_set_hides_no_other() {
        let read_out =
            b"0.0.0(12345678)\r\nHEADER\r\n1.8.0(000123.45*kWh)\r\nF.F(a(b)\r\n2.8.0(7*kWh)\r\n!\r\n";
        let sets = select(read_out, &["1.8.0", "F.F", "2.8.0"]);
        assert_eq!(sets, [Some(b"(000123.45*kWh)".to_vec()), None, Some(b"(7*kWh)".to_vec())]);
    }

    #[test]
    fn characters_have_even_parity_or_none() {
        let spec = |parity| Iec62056_21 { parity, ..toml() };
        assert_eq!(on_the_line(b"/?1", &spec(true)), [0xAF, 0x3F, 0xB1]);
        assert_eq!(on_the_line(b"/?1", &spec(false)), *b"/?1");
    }

    fn toml() -> Iec62056_21 {
        Iec62056_21 { read: ReadBy::ReadOut, serial: None, clock: None, address_digits: 0, parity: true }
    }
}
