//! What a push says: a pure step from octets to who it is from, when it was, and what it names.
//!
//! Bodies that describe themselves are read by their list (`listed.rs`). Most do not, so this is tolerant: a date-time is taken for the time, a
//! text for a name of the sender, six octets for a logical name, a number for the value of the object that was named last. What a number means
//! is up to the tables of the meter's model (`judge.rs`).

use dlms::apdu::{DataNotification, EventNotification, LongInvokeId};
use dlms::axdr::Data;
use dlms::push::{Push, TextContent, TextPush};
use dlms::{DateTime, Error, Obis};

use super::listed::{self, Column};

/// Names that one push gives at most; more are not looked at.
const NAMES: usize = 4;
/// Characters of a name at most, as in the inventory.
const NAME_LENGTH: usize = 64;
/// Things that one push may say.
const SAID: usize = 64;
/// Alarm register 1, which a text push is about.
const ALARM_REGISTER: Obis = Obis::new([0, 0, 97, 98, 0, 255]);
/// Interface classes of a profile and of a clock.
const PROFILE: u16 = 7;
const CLOCK: u16 = 8;
/// The attribute that holds the value.
const VALUE: i8 = 2;

/// A push, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// What it calls its sender, the likelier first.
    pub(crate) names: Vec<String>,
    /// What it says; never empty.
    pub(crate) said: Vec<Said>,
    /// Set when it asks for a confirmation.
    pub(crate) confirm: Option<LongInvokeId>,
    /// Itself, in the clear.
    pub(crate) plain: Vec<u8>,
}

/// One thing that a push says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// The object that it is about; `None` when none was named.
    pub(crate) object: Option<Obis>,
    /// What about it.
    pub(crate) content: Content,
    /// When it was.
    pub(crate) time: Option<DateTime>,
}

/// What is said about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Its value is this number.
    Number(u64),
    /// Its value is this number, one of those that a push lists whether they are worth an alarm or not.
    Listed(u64),
    /// It is a log, and this code was entered.
    Entry(u32),
    /// It has a value of another kind, or none.
    Other,
}

impl Content {
    /// What stands in an entry of a log; 0 when it is not about one.
    pub(crate) fn logged(self) -> i64 {
        match self {
            Self::Entry(code) => code.into(),
            Self::Number(number) | Self::Listed(number) => i64::try_from(number).unwrap_or_default(),
            Self::Other => 0,
        }
    }
}

/// Why a push cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obscure {
    /// It does not follow the protocol.
    #[error("{0}")]
    Broken(#[from] Error),
    /// It says more than a push may.
    #[error("it says more than {SAID} things")]
    TooMuch,
}

impl Message {
    /// Reads a push in the clear.
    pub(crate) fn read(plain: &[u8]) -> Result<Self, Obscure> {
        let mut reading = Reading::default();
        let mut confirm = None;
        match Push::decode(plain)? {
            Push::Data(data) => {
                confirm = Some(data.invoke).filter(|invoke| invoke.is_confirmed());
                reading.data(&data)?;
            }
            Push::Event(event) => reading.event(&event)?,
            Push::Text(text) => reading.text(&text),
        }
        if reading.said.len() > SAID {
            return Err(Obscure::TooMuch);
        }
        Ok(Self { names: reading.names, said: reading.said, confirm, plain: plain.to_vec() })
    }
}

#[derive(Default)]
struct Reading {
    names: Vec<String>,
    said: Vec<Said>,
    time: Option<DateTime>,
    /// Named, but nothing was said about it yet.
    object: Option<Obis>,
}

impl Reading {
    fn data(&mut self, data: &DataNotification<'_>) -> Result<(), Error> {
        self.time = data.time;
        let body = Data::decode(data.body)?;
        match listed::values(&body) {
            Some(values) => self.listed(&values),
            None => self.walk(&body),
        }
        if self.object.is_some() || self.said.is_empty() {
            self.say(Content::Other);
        }
        Ok(())
    }

    fn event(&mut self, event: &EventNotification<'_>) -> Result<(), Error> {
        self.time = event.time;
        self.object = Some(event.attribute.instance);
        let value = Data::decode(event.value)?;
        if event.attribute.class_id == PROFILE {
            self.rows(event.attribute.instance, &value);
        } else {
            self.walk(&value);
        }
        if self.object.is_some() {
            self.say(Content::Other);
        }
        Ok(())
    }

    fn text(&mut self, text: &TextPush<'_>) {
        self.names.push(text.identifier.to_owned());
        let (object, content) = match text.content {
            TextContent::Alarm(bits) => (ALARM_REGISTER, Content::Number(bits.into())),
            TextContent::Object(object) => (object, Content::Other),
        };
        self.object = Some(object);
        self.say(content);
    }

    /// Takes in the values of a push that describes itself.
    fn listed(&mut self, values: &[(Option<Column>, &Data)]) {
        let is_clock = |column: &Option<Column>| column.is_none_or(|column| column.class_id == CLOCK);
        for (_, value) in values.iter().filter(|(column, _)| is_clock(column)) {
            if let Leaf::Time(time) = leaf(value) {
                self.time = Some(time);
            }
        }
        for (column, value) in values {
            match (leaf(value), column) {
                (Leaf::Name(name), _) if self.names.len() < NAMES => self.names.push(name),
                (Leaf::Number(number), Some(Column { object, attribute: VALUE, .. })) => {
                    self.object = Some(*object);
                    self.say(Content::Listed(number));
                }
                (_, Some(Column { class_id: PROFILE, object, attribute: VALUE })) if is_log(*object) => {
                    self.rows(*object, value);
                }
                _ => {}
            }
        }
    }

    /// Takes in a value, part by part.
    fn walk(&mut self, value: &Data) {
        if let Data::Array(parts) | Data::Structure(parts) = value {
            match self.object {
                Some(log) if is_log(log) => self.rows(log, value),
                _ => parts.iter().for_each(|part| self.walk(part)),
            }
            return;
        }
        match leaf(value) {
            Leaf::Time(time) => self.time = Some(time),
            Leaf::Name(name) if self.names.len() < NAMES => self.names.push(name),
            Leaf::Object(object) => {
                if self.object.is_some() {
                    self.say(Content::Other);
                }
                self.object = Some(object);
            }
            Leaf::Number(number) if self.object.is_some() => self.say(Content::Number(number)),
            Leaf::Name(_) | Leaf::Number(_) | Leaf::Other => {}
        }
    }

    /// Takes in rows of a log, which are structures with a time and a code, in an array or alone.
    fn rows(&mut self, log: Obis, value: &Data) {
        self.object = None;
        match value {
            Data::Array(rows) => rows.iter().for_each(|row| self.rows(log, row)),
            Data::Structure(cells) => {
                let mut time = self.time;
                let mut code = None;
                for cell in cells.iter().map(leaf) {
                    match cell {
                        Leaf::Time(at) => time = Some(at),
                        Leaf::Number(number) if code.is_none() => code = u32::try_from(number).ok(),
                        _ => {}
                    }
                }
                let content = code.map_or(Content::Other, Content::Entry);
                self.said.push(Said { object: Some(log), content, time });
            }
            _ => self.said.push(Said { object: Some(log), content: Content::Other, time: self.time }),
        }
    }

    /// Says something about the object that was named last, if any.
    fn say(&mut self, content: Content) {
        self.said.push(Said { object: self.object.take(), content, time: self.time });
    }
}

/// What a value without parts is taken for.
enum Leaf {
    Time(DateTime),
    Name(String),
    Object(Obis),
    Number(u64),
    Other,
}

fn leaf(value: &Data) -> Leaf {
    match value {
        Data::DateTime(time) => Leaf::Time(*time),
        Data::OctetString(octets) | Data::VisibleString(octets) | Data::Utf8String(octets) => string(octets),
        Data::BitString(bits) if bits.len() <= 64 => {
            // The first bit of a bit-string is bit 0 of the register.
            let set = bits.iter().enumerate().filter(|(_, is_set)| *is_set);
            Leaf::Number(set.fold(0, |number, (bit, _)| number | 1 << bit))
        }
        Data::Unsigned(number) | Data::Enum(number) => Leaf::Number((*number).into()),
        Data::LongUnsigned(number) => Leaf::Number((*number).into()),
        Data::DoubleLongUnsigned(number) => Leaf::Number((*number).into()),
        Data::Long64Unsigned(number) => Leaf::Number(*number),
        Data::Integer(number) => Leaf::Number(number.cast_unsigned().into()),
        Data::Long(number) => Leaf::Number(number.cast_unsigned().into()),
        Data::DoubleLong(number) => Leaf::Number(number.cast_unsigned().into()),
        Data::Long64(number) => Leaf::Number(number.cast_unsigned()),
        _ => Leaf::Other,
    }
}

fn string(octets: &[u8]) -> Leaf {
    if let Ok(time) = <[u8; 12]>::try_from(octets).map(DateTime::new)
        && time.local_seconds().is_some()
    {
        return Leaf::Time(time);
    }
    let is_text = (1..=NAME_LENGTH).contains(&octets.len()) && octets.iter().all(u8::is_ascii_graphic);
    match (<[u8; 6]>::try_from(octets), std::str::from_utf8(octets)) {
        (_, Ok(text)) if is_text => Leaf::Name(text.to_owned()),
        (Ok(groups), _) => Leaf::Object(Obis::new(groups)),
        _ => Leaf::Other,
    }
}

/// Whether an object is an event log, 0.b.99.98.e.255.
fn is_log(object: Obis) -> bool {
    matches!(object.octets(), [0, _, 99, 98, _, _])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        let digits: String = hex.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    /// A thing said: object, content and time.
    type Plain = (Option<String>, Content, Option<i64>);

    /// Names, and what is said.
    fn read(hex: &str) -> (Vec<String>, Vec<Plain>) {
        let message = Message::read(&octets(hex)).unwrap();
        let said = message.said.iter().map(|said| {
            let time = said.time.and_then(|time| time.local_seconds());
            (said.object.map(|object| object.to_string()), said.content, time)
        });
        (message.names.clone(), said.collect())
    }

    fn local(text: &str) -> Option<i64> {
        Some(text.parse::<jiff::Timestamp>().unwrap().as_second())
    }

    #[test]
    fn a_last_gasp_of_iskraemeco_names_its_meter_and_an_object() {
        let (names, said) = read(
            "C2 090C 07E70706040A362600FF8880 0001 808080808000 02 0910 4B413650303035303339303231313130",
        );
        assert_eq!(names, ["KA6P005039021110"]);
        let object = Some("128.128.128.128.128.0".to_owned());
        assert_eq!(said, [(object, Content::Other, local("2023-07-06T10:54:38Z"))]);
        let (names, said) = read(
            "C2 090C 07E70A19030B122900FF8880 0001 0000600101FF 02 0910 4B414C37303035303838313136373132",
        );
        assert_eq!(names, ["KAL7005088116712"]);
        assert_eq!(said, [(Some("0.0.96.1.1.255".into()), Content::Other, local("2023-10-25T11:18:41Z"))]);
    }

    #[test]
    fn a_dutch_push_names_its_meter_and_the_value_of_an_object() {
        let id = "4530303236303030313233343536373839";
        let (names, said) = read(&format!("0F 00000001 00 0203 0911 {id} 0906 0003190900FF 06 00000001"));
        assert_eq!(names, ["E0026000123456789"]);
        assert_eq!(said, [(Some("0.3.25.9.0.255".into()), Content::Number(1), None)]);
        let (names, said) = read(&format!("{id} 2C 00002002"));
        assert_eq!(names, ["E0026000123456789"]);
        assert_eq!(said, [(Some("0.0.97.98.0.255".into()), Content::Number(0x2002), None)]);
        let (_, said) = read(&format!("{id} 2C 0000600101FF"));
        assert_eq!(said, [(Some("0.0.96.1.1.255".into()), Content::Other, None)]);
    }

    #[test]
    fn a_pushed_log_holds_codes_with_their_times() {
        let row = "0202 090C 07E90A1F05110F39FF800000 06 00000029";
        let expected =
            (Some("0.0.99.98.1.255".to_owned()), Content::Entry(41), local("2025-10-31T17:15:57Z"));
        for value in [format!("0101 {row}"), row.to_owned()] {
            let (names, said) = read(&format!("C2 00 0007 0000636201FF 02 {value}"));
            assert_eq!((names.len(), said), (0, vec![expected.clone()]));
        }
        let (_, said) = read(&format!("0F 00000001 00 0202 0906 0000636201FF 0102 {row} {row}"));
        assert_eq!(said, [expected.clone(), expected]);
    }

    #[test]
    fn a_push_that_describes_itself_is_read_by_its_list() {
        let (names, said) = read(
            "0F 00000001 00 0203 0103 0204 120028 0906 0000190900FF 0F02 120000 0204 120001 0906 00002A0000FF 0F02 120000 \
             0204 120001 0906 0000616200FF 0F02 120000 0910 4B414C37303035303838313136373132 06 00000004",
        );
        assert_eq!(names, ["KAL7005088116712"]);
        assert_eq!(said, [(Some("0.0.97.98.0.255".into()), Content::Listed(4), None)]);
        // Of a meter in Switzerland (Landis+Gyr E450): its own name, its number, its clock, and fourteen values.
        let (names, said) = read(
            "0F 00BEC110 0C 07E70B1E040F2B2DFF800000 0211 0111 \
             0204 120028 0906 0008190900FF 0F02 120000 0204 120028 0906 0008190900FF 0F01 120000 \
             0204 120001 0906 0000600100FF 0F02 120000 0204 120008 0906 0000010000FF 0F02 120000 \
             0204 120003 0906 0100010700FF 0F02 120000 0204 120003 0906 0100020700FF 0F02 120000 \
             0204 120003 0906 0100010800FF 0F02 120000 0204 120003 0906 0100020800FF 0F02 120000 \
             0204 120003 0906 0100030700FF 0F02 120000 0204 120003 0906 0100040700FF 0F02 120000 \
             0204 120003 0906 0100030800FF 0F02 120000 0204 120003 0906 0100040800FF 0F02 120000 \
             0204 120003 0906 01001F0700FF 0F02 120000 0204 120003 0906 0100330700FF 0F02 120000 \
             0204 120003 0906 0100470700FF 0F02 120000 0204 120003 0906 0100200700FF 0F02 120000 \
             0204 120003 0906 0100340700FF 0F02 120000 \
             0906 0008190900FF 0908 3536383135393330 090C 07E70B1E040F2B2DFF800001 06 00000005 06 00000000 06 0000C2A5 \
             06 00000000 06 00000000 06 00000000 06 00001259 06 0000E39B 12 0004 12 0000 12 0000 12 00E9 12 0000",
        );
        assert_eq!(names, ["56815930"]);
        assert_eq!(said.len(), 13);
        let energy = (Some("1.0.1.8.0.255".into()), Content::Listed(0xC2A5), local("2023-11-30T15:43:45Z"));
        assert_eq!(said[2], energy);
    }

    #[test]
    fn data_that_name_no_object_are_said_without_one() {
        let (names, said) = read(
            "0F 40000007 0C 07EA031E010C000000000000 0203 090C 07EA031E010C000000000000 090B 50594D3130303030303030 06 00001234",
        );
        assert_eq!(names, ["PYM10000000"]);
        assert_eq!(said, [(None, Content::Other, local("2026-03-30T12:00:00Z"))]);
        let asked = Message::read(&octets("0F 40000007 00 00")).unwrap();
        assert_eq!(asked.confirm.map(LongInvokeId::id), Some(7));
        assert_eq!(Message::read(&octets("0F 00000007 00 00")).unwrap().confirm, None);
    }

    #[test]
    fn bits_are_counted_from_the_first() {
        let (_, said) = read("C2 00 0001 0000616200FF 02 04 20 80000001");
        assert_eq!(said, [(Some("0.0.97.98.0.255".into()), Content::Number(1 << 31 | 1), None)]);
    }

    #[test]
    fn what_says_too_much_is_refused() {
        let push = |count: usize| {
            let named = "0906 0000616200FF 06 00000001".repeat(count);
            Message::read(&octets(&format!("0F 00000001 00 02 81 {:02X} {named}", 2 * count)))
        };
        assert_eq!(push(SAID).unwrap().said.len(), SAID);
        assert_eq!(push(SAID + 1), Err(Obscure::TooMuch));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(
            begin in prop::sample::select(vec![&[0x0F, 0, 0, 0, 1, 0][..], &[0xC2, 0, 0, 7, 0, 0, 99, 98, 0, 255, 2], &[0xC2], &[]]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let octets = [begin, &rest].concat();
            if let Ok(message) = Message::read(&octets) {
                prop_assert!(!message.said.is_empty() && message.said.len() <= SAID);
                prop_assert!(message.names.iter().all(|name| (1..=NAME_LENGTH).contains(&name.len())));
            }
        }
    }
}
