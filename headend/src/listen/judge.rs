//! What becomes of each push of a batch: pure, from the pushes and their senders to what is kept.

use std::collections::BTreeMap;

use dlms::apdu::LongInvokeId;
use dlms::push;
use dlms::security::ReplayWindow;
use dlms::{DateTime, Error, Obis};
use jiff::tz::TimeZone;
use models::{Alarms, Log, Meaning, Quirks, Severity, Source};
use tracing::warn;

use super::arrival::{Arrival, Form};
use super::message::{Content, Message, Said};
use crate::api::Models;
use crate::store::events::UNKNOWN;
use crate::store::pushes::{Found, NewAlarm, Quarantined, Recent, Sender, Verdict};
use crate::store::{AlarmSeverity, AlarmSource, PushFate};

/// Alarms that one push may be.
const ALARMS: usize = 64;
/// Key of what the head-end itself says when two connections of one name live at different addresses.
const CONTESTED: &str = "security.duplicate_login";
/// Key of a push that names no object: data that the meter sends by itself.
const DATA: &str = "push.data";
/// Clock status bit 0: the time is not valid.
const INVALID: u8 = 1;
const STATUS_UNSPECIFIED: u8 = 0xFF;

/// What is answered to whoever sent a push, once it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// That it was taken, by this APDU.
    Confirm(Vec<u8>),
    /// Nothing.
    Silence,
}

/// Judges pushes in their order. `limit` is how many alarms of one meter are kept in ten minutes.
pub(crate) fn judge(
    batch: &[Arrival],
    found: &[Found],
    models: &Models,
    limit: u32,
) -> (Verdict, Vec<Answer>) {
    let mut bench = Bench { models, limit, verdict: Verdict::default(), recent: BTreeMap::new() };
    let answers = batch.iter().zip(found).map(|(arrival, found)| match bench.hear(arrival, found) {
        Ok(confirm) => {
            confirm.map_or(Answer::Silence, |invoke| Answer::Confirm(arrival.confirmation(invoke)))
        }
        Err(Refusal { reason, detail }) => {
            let meter = match found {
                Found::One(sender) => Some(sender.meter),
                Found::Nobody | Found::Several => None,
            };
            let octets = arrival.octets.clone();
            let (received_at, peer) = (arrival.at, arrival.peer.clone());
            bench.verdict.quarantined.push(Quarantined { received_at, peer, reason, detail, meter, octets });
            Answer::Silence
        }
    });
    let answers = answers.collect();
    (bench.verdict, answers)
}

/// Why a push goes to the quarantine.
struct Refusal {
    reason: PushFate,
    detail: String,
}

fn refused(reason: PushFate, detail: impl Into<String>) -> Refusal {
    Refusal { reason, detail: detail.into() }
}

struct Bench<'a> {
    models: &'a Models,
    limit: u32,
    verdict: Verdict,
    /// Alarms of the meters in the last ten minutes, this batch included.
    recent: BTreeMap<i32, Recent>,
}

impl Bench<'_> {
    /// Takes in one push; returns what it asks to be answered.
    fn hear(&mut self, arrival: &Arrival, found: &Found) -> Result<Option<LongInvokeId>, Refusal> {
        match &arrival.form {
            Form::Obscure(detail) => return Err(refused(PushFate::Undecodable, detail.clone())),
            Form::Stranger(detail) => return Err(refused(PushFate::UnknownSender, detail.clone())),
            Form::Plain(_) | Form::Ciphered { .. } | Form::Contested(_) => {}
        }
        let sender = match found {
            Found::One(sender) => sender,
            Found::Nobody => {
                return Err(refused(
                    PushFate::UnknownSender,
                    "no meter in service fits what it says of itself",
                ));
            }
            Found::Several => {
                return Err(refused(
                    PushFate::UnknownSender,
                    "more than one meter fits what it says of itself",
                ));
            }
        };
        match &arrival.form {
            Form::Plain(message) => self.admit(arrival, sender, message, false).map(|()| message.confirm),
            Form::Contested(detail) => {
                warn!(meter = sender.meter, detail, "two connections say to be one meter's");
                self.raise(arrival, sender)?;
                Ok(None)
            }
            Form::Ciphered { .. } | Form::Obscure(_) | Form::Stranger(_) => {
                let (message, authenticated) = self.open(arrival, sender)?;
                self.admit(arrival, sender, &message, authenticated).map(|()| message.confirm)
            }
        }
    }

    /// An alarm that the head-end raises itself: somebody else says to be the meter.
    fn raise(&mut self, arrival: &Arrival, sender: &Sender) -> Result<(), Refusal> {
        self.count(sender, false, 1)?;
        self.verdict.alarms.push(NewAlarm {
            meter: sender.meter,
            key: CONTESTED.to_owned(),
            severity: AlarmSeverity::Critical,
            phase: None,
            source: AlarmSource::Data,
            obis: None,
            code: None,
            logged: 0,
            clock_ts: None,
            meter_ts: None,
            meter_time: None,
            received_at: arrival.at,
            authenticated: false,
            peer: arrival.peer.clone(),
            raw: arrival.octets.clone(),
        });
        Ok(())
    }

    /// Notes that so many alarms of a meter are to be kept, unless there were too many.
    fn count(&mut self, sender: &Sender, authenticated: bool, alarms: usize) -> Result<(), Refusal> {
        let recent = self.recent.entry(sender.meter).or_insert(sender.recent);
        let recent = if authenticated { &mut recent.authenticated } else { &mut recent.plain };
        if *recent >= self.limit {
            let detail = format!("the meter had {} alarms in ten minutes already", self.limit);
            return Err(refused(PushFate::TooMany, detail));
        }
        *recent = recent.saturating_add(u32::try_from(alarms).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Deciphers a push, notes the use of its counter when nobody else can have written it, and tells whether that is so.
    fn open(&mut self, arrival: &Arrival, sender: &Sender) -> Result<(Message, bool), Refusal> {
        let title = match &arrival.form {
            Form::Ciphered { title: Some(title) } => Some(*title),
            _ => sender.title,
        };
        let Some(title) = title else {
            return Err(refused(
                PushFate::UnknownSender,
                "it bears no system title, and that of the meter is not known",
            ));
        };
        let Some(cipher) = &sender.cipher else {
            return Err(refused(
                PushFate::WrongTag,
                "it is ciphered, but the inventory has no keys of the meter",
            ));
        };
        let mut octets = arrival.octets.clone();
        octets.drain(..arrival.prefix().map_or(0, |prefix| prefix.length()));
        let opened = push::open(cipher, &title, &mut octets).map_err(|error| match error {
            Error::TagMismatch => refused(PushFate::WrongTag, "its tag does not fit the keys of the meter"),
            Error::OtherKey(_) => refused(
                PushFate::WrongTag,
                format!("{error}: let the meter cipher its pushes with its global key"),
            ),
            other => refused(PushFate::Undecodable, other.to_string()),
        })?;
        let used = self.verdict.counters.get(&sender.meter).copied().or(sender.used);
        let used = ReplayWindow::note(used, opened.counter).map_err(|_| {
            refused(PushFate::ReplayedCounter, format!("replayed counter {}", opened.counter))
        })?;
        if opened.authenticated {
            self.verdict.counters.insert(sender.meter, used);
        }
        let mut plain = Vec::new();
        opened.push.encode(&mut plain);
        let message =
            Message::read(&plain).map_err(|error| refused(PushFate::Undecodable, error.to_string()))?;
        Ok((message, opened.authenticated))
    }

    /// Makes alarms of what a push says.
    fn admit(
        &mut self,
        arrival: &Arrival,
        sender: &Sender,
        message: &Message,
        authenticated: bool,
    ) -> Result<(), Refusal> {
        let nothing = Alarms::default();
        let model = self.models.get(&sender.model);
        let tables = model.map_or(&nothing, |model| &model.alarms);
        let usual = Quirks::default();
        let quirks = model.map_or(&usual, |model| &model.quirks);
        let zone = TimeZone::get(&sender.zone).ok();
        let sources = message.said.iter().flat_map(|said| {
            let sources = sources(said, tables, |log| model.and_then(|model| model.log(log)));
            sources.into_iter().map(move |source| (source, said))
        });
        let sources = telling(sources.take(ALARMS + 1).collect());
        if sources.len() > ALARMS {
            return Err(refused(PushFate::Undecodable, format!("it is more than {ALARMS} alarms")));
        }
        self.count(sender, authenticated, sources.len())?;
        for (source, said) in sources {
            let clock_ts = said
                .time
                .zip(zone.as_ref())
                .and_then(|(time, zone)| collectors::instant(&time, zone, quirks));
            let meaning = meaning(source, tables);
            if meaning.key == UNKNOWN {
                *self.verdict.tally.entry(PushFate::UnknownCode).or_default() += 1;
            }
            let logged = source.map_or(0, |_| said.content.logged());
            let (source, obis, code) = parts(source);
            self.verdict.alarms.push(NewAlarm {
                meter: sender.meter,
                key: meaning.key.to_owned(),
                severity: meaning.severity.into(),
                phase: meaning.phase,
                source,
                obis: obis.map(Obis::octets),
                code,
                logged,
                meter_ts: clock_ts.filter(|_| !said.time.is_some_and(is_invalid)),
                clock_ts,
                meter_time: said.time.map(|time| time.octets()),
                received_at: arrival.at,
                authenticated,
                peer: arrival.peer.clone(),
                raw: message.plain.clone(),
            });
        }
        Ok(())
    }
}

/// What is worth an alarm of its own: beside something that names an object, that data came is not, and never twice.
fn telling(mut sources: Vec<(Option<Source>, &Said)>) -> Vec<(Option<Source>, &Said)> {
    if sources.iter().any(|(source, _)| source.is_some()) {
        sources.retain(|(source, _)| source.is_some());
    } else {
        sources.truncate(1);
    }
    sources
}

/// Where in the tables of a model to look for what a push says; nowhere for what is no more than data.
fn sources<'a>(said: &Said, tables: &Alarms, log: impl Fn(Obis) -> Option<&'a Log>) -> Vec<Option<Source>> {
    let Some(object) = said.object else { return vec![None] };
    let itself = || vec![Some(Source::Object(object))];
    let entry = |name: Obis, logged: u32| -> Vec<Option<Source>> {
        let codes = log(name).map_or_else(|| vec![logged], |log| log.codes(logged));
        codes.into_iter().map(|code| Some(Source::Event { log: name, code })).collect()
    };
    match said.content {
        Content::Entry(code) => entry(object, code),
        Content::Listed(0) => vec![None],
        Content::Number(number) | Content::Listed(number) => match (log_of(object), u32::try_from(number)) {
            (Some(log), Ok(code)) => entry(log, code),
            _ if number != 0
                && (is_register(object) || tables.bits.iter().any(|bit| bit.register == object)) =>
            {
                let set = (0_u8..64).filter(|bit| number >> bit & 1 == 1);
                set.map(|bit| Some(Source::Bit { register: object, bit })).collect()
            }
            _ if matches!(said.content, Content::Listed(_))
                && tables.meaning(Source::Object(object)).is_none() =>
            {
                vec![None]
            }
            _ => itself(),
        },
        Content::Other => itself(),
    }
}

/// The log whose latest code an event-code object 0.b.96.11.e.255 holds.
fn log_of(object: Obis) -> Option<Obis> {
    match object.octets() {
        [0, channel, 96, 11, log, last] => Some(Obis::new([0, channel, 99, 98, log, last])),
        _ => None,
    }
}

/// Whether an object is an alarm register or alarm descriptor, 0.b.97.98.e.255.
fn is_register(object: Obis) -> bool {
    matches!(object.octets(), [0, _, 97, 98, _, _])
}

fn meaning(source: Option<Source>, tables: &Alarms) -> Meaning<'_> {
    let plainly = |key| Meaning { key, severity: Severity::Info, phase: None };
    match source {
        None => plainly(DATA),
        Some(source) => tables.meaning(source).unwrap_or(plainly(UNKNOWN)),
    }
}

fn parts(source: Option<Source>) -> (AlarmSource, Option<Obis>, Option<u32>) {
    match source {
        None => (AlarmSource::Data, None, None),
        Some(Source::Event { log, code }) => (AlarmSource::Event, Some(log), Some(code)),
        Some(Source::Bit { register, bit }) => (AlarmSource::Bit, Some(register), Some(bit.into())),
        Some(Source::Object(object)) => (AlarmSource::Object, Some(object), None),
    }
}

/// Whether a time says of itself that it is wrong.
fn is_invalid(time: DateTime) -> bool {
    time.status() != STATUS_UNSPECIFIED && time.status() & INVALID != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obis(text: &str) -> Obis {
        text.parse().unwrap()
    }

    fn keys(object: &str, content: Content) -> Vec<(String, Severity)> {
        let models = models::builtin().unwrap();
        let tables = &models["generic-dlms"].alarms;
        let said = Said { object: Some(obis(object)), content, time: None };
        let meanings = sources(&said, tables, |_| None).into_iter().map(|source| meaning(source, tables));
        meanings.map(|meaning| (meaning.key.to_owned(), meaning.severity)).collect()
    }

    #[test]
    fn codes_bits_and_objects_get_the_keys_of_the_model() {
        let critical = |key: &str| (key.to_owned(), Severity::Critical);
        let info = |key: &str| (key.to_owned(), Severity::Info);
        assert_eq!(keys("0.0.99.98.1.255", Content::Entry(42)), [critical("tamper.magnet_on")]);
        assert_eq!(keys("0.0.96.11.1.255", Content::Number(42)), [critical("tamper.magnet_on")]);
        assert_eq!(keys("0.0.99.98.0.255", Content::Entry(25)), [info("power.last_gasp_test")]);
        assert_eq!(
            keys("0.0.97.98.2.255", Content::Number(3)),
            [critical("power.last_gasp"), info("power.last_gasp_test")]
        );
        assert_eq!(keys("0.3.25.9.0.255", Content::Number(2)), [info("power.last_gasp_test")]);
        assert_eq!(keys("128.128.128.128.128.0", Content::Other), [critical("power.last_gasp")]);
    }

    #[test]
    fn what_the_model_does_not_have_is_unknown_and_no_value_is_taken_for_bits() {
        let unknown = [(UNKNOWN.to_owned(), Severity::Info)];
        assert_eq!(keys("0.0.99.98.0.255", Content::Entry(4711)), unknown);
        assert_eq!(keys("0.0.97.98.9.255", Content::Number(1 << 40)), unknown);
        assert_eq!(keys("1.0.1.8.0.255", Content::Number(12_345)), unknown);
        assert_eq!(keys("0.0.97.98.0.255", Content::Number(0)), unknown);
        let said = Said { object: None, content: Content::Other, time: None };
        assert_eq!(sources(&said, &Alarms::default(), |_| None), [None]);
        assert_eq!(meaning(None, &Alarms::default()).key, DATA);
    }

    #[test]
    fn what_a_push_lists_is_an_alarm_only_where_it_is_one() {
        let data = [(DATA.to_owned(), Severity::Info)];
        assert_eq!(keys("1.0.1.8.0.255", Content::Listed(12_345)), data);
        assert_eq!(keys("0.0.97.98.0.255", Content::Listed(0)), data);
        assert_eq!(keys("0.0.96.11.0.255", Content::Listed(0)), data);
        let unknown = [(UNKNOWN.to_owned(), Severity::Info)];
        assert_eq!(keys("0.0.97.98.9.255", Content::Listed(1 << 40)), unknown);
        let gasp = [("power.last_gasp".to_owned(), Severity::Critical)];
        assert_eq!(keys("0.0.97.98.2.255", Content::Listed(1)), gasp);
        let said = Said { object: None, content: Content::Other, time: None };
        let bit = Some(Source::Bit { register: obis("0.0.97.98.2.255"), bit: 0 });
        assert_eq!(telling(vec![(None, &said), (None, &said)]).len(), 1);
        assert_eq!(telling(vec![(None, &said), (bit, &said)]), [(bit, &said)]);
    }

    #[test]
    fn an_invalid_time_says_so_and_one_without_a_status_does_not() {
        let said = |status| is_invalid(DateTime::from_unix(1_774_872_000, Some(-60), status));
        assert_eq!([0, INVALID, 0x80 | INVALID, STATUS_UNSPECIFIED].map(said), [false, true, true, false]);
    }

    #[test]
    fn a_pushed_status_word_is_as_many_alarms_as_it_has_bits() {
        let models = models::builtin().unwrap();
        let model = &models["mt371"];
        let log = model.logs[0].obis;
        let said = |word| Said { object: Some(log), content: Content::Entry(word), time: None };
        let keys = |word| -> Vec<String> {
            let sources = sources(&said(word), &model.alarms, |log| model.log(log));
            sources.into_iter().map(|source| meaning(source, &model.alarms).key.to_owned()).collect()
        };
        assert_eq!(keys(0x00C0), ["power.up", "power.down"]);
        assert_eq!(keys(32_785), ["tamper.terminal_cover_open"]);
    }
}
