//! The terminal itself: what it says of its version, its clock, its records of events and the meters it was configured with, and how its clock is set.

use crate::{
    Address, Afn, Control, Error, Frame, Function, Moment, Point, Sequence, Unit,
    forward::AUTHENTICATION,
    meters::{self, Configured},
};

/// Clock (AFN 0CH), counts of records (AFN 0CH), and the order to set the clock (AFN 05H).
const CLOCK: Function = Function::F2;
const COUNTS: Function = Function::new(7);
const SET_CLOCK: Function = Function::new(31);
/// The meters that it was configured with (AFN 0AH).
const METERS: Function = Function::new(10);
/// A denial as a whole, and one of single units (AFN 00H).
const DENIED: Function = Function::F2;
const ITEMISED: Function = Function::F3;

/// Which of its records a terminal is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Important ones (AFN 0EH, F1).
    Important,
    /// The others (F2).
    General,
}

/// What a terminal can be asked about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Who made it, and what runs in it (AFN 09H, F1).
    Version,
    /// What its clock shows (AFN 0CH, F2).
    Clock,
    /// How many records it has made of each kind, of which it keeps the last 256 (AFN 0CH, F7).
    Counts,
    /// Records (AFN 0EH).
    Records {
        /// Of which kind.
        kind: Kind,
        /// The place of the first, which is its count modulo 256.
        from: u8,
        /// The place behind the last.
        until: u8,
    },
    /// The meters that it was configured with (AFN 0AH, F10).
    Meters {
        /// Number of the first, from 1.
        first: u16,
        /// How many.
        count: u16,
    },
}

impl Question {
    /// Appends the frame that a master station sends to a terminal with the number `number`, 0 to 15.
    ///
    /// # Errors
    /// None that happens: the frame is short.
    pub fn encode(self, address: Address, number: u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let limits = match self {
            Self::Records { from, until, .. } => vec![from, until],
            Self::Meters { first, count } => meters::asked(first, count),
            _ => Vec::new(),
        };
        let (afn, function) = self.what();
        send((Control::REQUEST, afn), (address, number), function, &limits, out)
    }

    /// What a terminal is asked.
    ///
    /// # Errors
    /// [`Error::Other`] for a frame that is no such question, [`Error::Truncated`].
    pub fn read(frame: &Frame<'_>) -> Result<Self, Error> {
        let unit = asked(frame)?;
        if (frame.afn, unit.function) == (Afn::PARAMETERS, METERS) {
            let (first, count) = meters::wanted(unit.data)?;
            return Ok(Self::Meters { first, count });
        }
        let kind = if unit.function == Function::F1 { Kind::Important } else { Kind::General };
        let (from, until) = match (frame.afn, unit.data) {
            (Afn::EVENTS, [from, until, ..]) => (*from, *until),
            (Afn::EVENTS, _) => return Err(Error::Truncated { what: "the places of records" }),
            _ => (0, 0),
        };
        let known = [Self::Version, Self::Clock, Self::Counts, Self::Records { kind, from, until }];
        let asked = known.into_iter().find(|question| question.what() == (frame.afn, unit.function));
        asked.ok_or(Error::Other { what: "question" })
    }

    const fn what(self) -> (Afn, Function) {
        match self {
            Self::Version => (Afn::CONFIGURATION, Function::F1),
            Self::Clock => (Afn::CLASS_1, CLOCK),
            Self::Counts => (Afn::CLASS_1, COUNTS),
            Self::Records { kind: Kind::Important, .. } => (Afn::EVENTS, Function::F1),
            Self::Records { kind: Kind::General, .. } => (Afn::EVENTS, Function::F2),
            Self::Meters { .. } => (Afn::PARAMETERS, METERS),
        }
    }
}

/// What a terminal answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Who made it, and what runs in it.
    Version {
        /// Code of the maker.
        maker: String,
        /// Number that the maker gave it.
        device: String,
        /// Version of its software.
        software: String,
    },
    /// What its clock shows.
    Clock(Moment),
    /// Important records so far, and others, modulo 256.
    Counts {
        /// Important ones.
        important: u8,
        /// The others.
        general: u8,
    },
    /// Records, the oldest first.
    Records(Vec<Record>),
    /// The meters that it was configured with, of those that were asked for.
    Meters(Vec<Configured>),
    /// It did what it was ordered.
    Done,
    /// It does not.
    Denied,
}

/// A record of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which kind of event (ERC).
    pub code: u8,
    /// When, to the minute; `None` when that is no time.
    pub at: Option<Moment>,
    /// The rest of it.
    pub rest: Vec<u8>,
}

/// Octets of the texts of a version, one behind the other; what follows is its date, what the terminal has room for, and its hardware.
const MAKER: usize = 4;
const DEVICE: usize = 8;
const SOFTWARE: usize = 4;
/// All octets of a version.
const VERSION: usize = 41;
/// Octets of a time in a record.
const TIME: usize = 5;

impl Answer {
    /// Appends the answer of a terminal to what it was asked with the number `number`; of a confirmation, of an order to set its clock.
    ///
    /// # Errors
    /// [`Error::TooLong`] for records or meters that do not fit.
    pub fn encode(
        &self,
        to: Question,
        (address, number): (Address, u8),
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (mut afn, mut function) = to.what();
        let mut data = Vec::new();
        match self {
            Self::Version { maker, device, software } => {
                for (text, length) in [(maker, MAKER), (device, DEVICE), (software, SOFTWARE)] {
                    data.extend(text.bytes().chain(std::iter::repeat(0)).take(length));
                }
                data.resize(VERSION, 0);
            }
            Self::Clock(moment) => data.extend(moment.octets()),
            Self::Counts { important, general } => data.extend([*important, *general]),
            Self::Records(records) => {
                let Question::Records { from, until, .. } = to else {
                    return Err(Error::Other { what: "question" });
                };
                data.extend([0, 0, from, until]);
                for Record { code, at, rest } in records {
                    let length = u8::try_from(TIME + rest.len());
                    let limit = usize::from(u8::MAX) - TIME;
                    let length =
                        length.map_err(|_| Error::TooLong { what: "a record", got: rest.len(), limit })?;
                    data.extend([*code, length]);
                    data.extend(at.map_or([0xEE; TIME], Moment::minute_octets));
                    data.extend(rest);
                }
            }
            Self::Meters(configured) => meters::encode(configured, &mut data)?,
            Self::Done => (afn, function) = (Afn::CONFIRMATION, Function::F1),
            Self::Denied => (afn, function) = (Afn::CONFIRMATION, DENIED),
        }
        send((Control::ANSWER, afn), (address, number), function, &data, out)
    }

    /// What a terminal answered; what follows (counts of events, a time stamp) is of no interest.
    ///
    /// # Errors
    /// [`Error::Other`] for a frame that is no such answer, [`Error::Truncated`], [`Error::Unexpected`] for a clock that shows no time.
    pub fn read(frame: &Frame<'_>) -> Result<Self, Error> {
        if !frame.control.is_up() {
            return Err(Error::Other { what: "answer" });
        }
        let unit = Unit::read(frame.body)?;
        match (frame.afn, unit.function) {
            (Afn::CONFIRMATION, Function::F1) => Ok(Self::Done),
            (Afn::CONFIRMATION, DENIED) => Ok(Self::Denied),
            (Afn::CONFIRMATION, ITEMISED) => verdict(unit.data),
            (Afn::CONFIGURATION, Function::F1) => version(unit.data),
            (Afn::CLASS_1, CLOCK) => {
                let octets = cut::<6>(unit.data, "a clock")?;
                Moment::of(octets)
                    .map(Self::Clock)
                    .ok_or(Error::Unexpected { what: "the clock", got: octets[0] })
            }
            (Afn::CLASS_1, COUNTS) => {
                let [important, general] = cut(unit.data, "the counts of records")?;
                Ok(Self::Counts { important, general })
            }
            (Afn::EVENTS, Function::F1 | Function::F2) => records(unit.data),
            (Afn::PARAMETERS, METERS) => meters::read(unit.data).map(Self::Meters),
            _ => Err(Error::Other { what: "answer" }),
        }
    }
}

/// The order to set the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetClock {
    /// What it is to show.
    pub to: Moment,
    /// What shows the terminal that the order is a master station's, where it asks for that.
    pub authentication: Option<[u8; AUTHENTICATION]>,
}

impl SetClock {
    /// Appends the frame of the order with the number `number`.
    ///
    /// # Errors
    /// None that happens: the frame is short.
    pub fn encode(&self, address: Address, number: u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut data = self.to.octets().to_vec();
        data.extend(self.authentication.iter().flatten());
        send((Control::ORDER, Afn::CONTROL), (address, number), SET_CLOCK, &data, out)
    }

    /// Reads the order.
    ///
    /// # Errors
    /// [`Error::Other`] for another frame, [`Error::Truncated`], [`Error::Unexpected`] for what is no time.
    pub fn read(frame: &Frame<'_>) -> Result<Self, Error> {
        let unit = asked(frame)?;
        if (frame.afn, unit.function) != (Afn::CONTROL, SET_CLOCK) {
            return Err(Error::Other { what: "order to set the clock" });
        }
        let octets = cut::<6>(unit.data, "a time")?;
        let to = Moment::of(octets).ok_or(Error::Unexpected { what: "the time", got: octets[0] })?;
        let authentication = unit.data.get(octets.len()..).and_then(|rest| rest.first_chunk().copied());
        Ok(Self { to, authentication })
    }
}

fn send(
    (control, afn): (Control, Afn),
    (address, number): (Address, u8),
    function: Function,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut body = Vec::new();
    Unit { point: Point::TERMINAL, function, data }.encode(&mut body);
    Frame { control, address, afn, sequence: Sequence::single(number), body: &body }.encode(out)
}

/// What a master station sent about the terminal itself.
fn asked<'a>(frame: &Frame<'a>) -> Result<Unit<'a>, Error> {
    let unit = Unit::read(frame.body)?;
    match !frame.control.is_up() && unit.point == Point::TERMINAL {
        true => Ok(unit),
        false => Err(Error::Other { what: "question" }),
    }
}

/// A confirmation of single units: each with a code, of which 0 is none.
fn verdict(data: &[u8]) -> Result<Answer, Error> {
    let [_afn, _d1, _d2, _t1, _t2, code] = cut(data, "a confirmation")?;
    Ok(if code == 0 { Answer::Done } else { Answer::Denied })
}

fn version(data: &[u8]) -> Result<Answer, Error> {
    let texts = cut::<{ MAKER + DEVICE + SOFTWARE }>(data, "a version")?;
    let (maker, rest) = texts.split_at(MAKER);
    let (device, software) = rest.split_at(DEVICE);
    Ok(Answer::Version { maker: text(maker), device: text(device), software: text(software) })
}

/// Letters without what fills them up; others are left out.
fn text(octets: &[u8]) -> String {
    let letters = octets.iter().filter(|octet| octet.is_ascii_graphic() || **octet == b' ');
    letters.copied().map(char::from).collect::<String>().trim().to_owned()
}

fn records(data: &[u8]) -> Result<Answer, Error> {
    let [_, _, from, until] = cut(data, "the places of records")?;
    let mut rest = data.get(4..).unwrap_or_default();
    let mut records = Vec::new();
    for _ in 0..until.wrapping_sub(from) {
        // A terminal that has made fewer sends fewer.
        let Some((&[code, length], behind)) = rest.split_first_chunk() else { break };
        let truncated = Error::Truncated { what: "a record" };
        let (record, behind) = behind.split_at_checked(usize::from(length)).ok_or(truncated)?;
        let (at, others) = match record.split_first_chunk::<TIME>() {
            Some((at, others)) => (Moment::of_minute(*at), others),
            None => (None, record),
        };
        records.push(Record { code, at, rest: others.to_vec() });
        rest = behind;
    }
    Ok(Answer::Records(records))
}

fn cut<const N: usize>(data: &[u8], what: &'static str) -> Result<[u8; N], Error> {
    data.first_chunk().copied().ok_or(Error::Truncated { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment { year: 26, month: 11, day: 26, weekday: 4, hour: 18, minute: 5, second: 9 };

    fn terminal() -> Address {
        Address::parse("07550007").unwrap().by(1)
    }

    fn octets(write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        out
    }

    fn frame(octets: &[u8]) -> Frame<'_> {
        Frame::read(octets, crate::USER_DATA_MAX).unwrap().unwrap().0
    }

    #[test]
    fn questions_answers_and_the_order_are_read_as_they_were_written() {
        let records = Question::Records { kind: Kind::General, from: 254, until: 1 };
        let made = vec![
            Record { code: 14, at: Some(Moment { second: 0, weekday: 0, ..NOW }), rest: vec![1; 5] },
            Record { code: 3, at: None, rest: Vec::new() },
        ];
        let version =
            Answer::Version { maker: "ACME".into(), device: "00000017".into(), software: "1.02".into() };
        let configured = vec![Configured { number: 33, point: 7, address: [1, 0, 0, 0, 0, 0] }];
        let cases = [
            (Question::Version, version),
            (Question::Clock, Answer::Clock(NOW)),
            (Question::Counts, Answer::Counts { important: 3, general: 255 }),
            (records, Answer::Records(made)),
            (Question::Clock, Answer::Denied),
            (Question::Meters { first: 33, count: 2 }, Answer::Meters(configured)),
        ];
        for (question, answer) in cases {
            let asked = octets(|out| question.encode(terminal(), 5, out));
            assert_eq!(Question::read(&frame(&asked)), Ok(question));
            assert!(Answer::read(&frame(&asked)).is_err());
            let said = octets(|out| answer.encode(question, (terminal(), 5), out));
            assert_eq!(Answer::read(&frame(&said)), Ok(answer));
        }
        let order = SetClock { to: NOW, authentication: Some([7; AUTHENTICATION]) };
        let sent = octets(|out| order.encode(terminal(), 5, out));
        assert_eq!(SetClock::read(&frame(&sent)), Ok(order));
    }

    /// F31 and F2 as terminals have them: `40 03` and `02 00` behind the point 0.
    #[test]
    fn the_octets_are_those_of_the_standard() {
        let sent = octets(|out| SetClock { to: NOW, authentication: None }.encode(terminal(), 5, out));
        let expected =
            [0x68, 0x4A, 0, 0x4A, 0, 0x68, 0x4A, 0x55, 0x07, 0x07, 0x00, 0x02, 0x05, 0x65, 0, 0, 0x40, 0x03];
        assert_eq!(sent[..expected.len()], expected);
        assert_eq!(sent[expected.len()..sent.len() - 2], [0x09, 0x05, 0x18, 0x26, 0x91, 0x26]);
        let asked = octets(|out| Question::Clock.encode(terminal(), 0, out));
        assert_eq!(asked[12..18], [0x0C, 0x60, 0, 0, 0x02, 0]);
    }

    #[test]
    fn what_is_cut_short_is_refused_by_name() {
        let answers = [
            (
                Question::Version,
                Answer::Version { maker: String::new(), device: String::new(), software: String::new() },
            ),
            (Question::Clock, Answer::Clock(NOW)),
            (Question::Counts, Answer::Counts { important: 0, general: 0 }),
        ];
        for (question, answer) in answers {
            let said = octets(|out| answer.encode(question, (terminal(), 0), out));
            let whole = frame(&said);
            let short = Frame { body: &whole.body[..5], ..whole };
            assert!(matches!(Answer::read(&short), Err(Error::Truncated { .. })), "{question:?}");
        }
    }
}
