//! A terminal of Q/GDW 376.1 about itself: version, clock, records, the meters that it was configured with.

use gdw376::meters::Configured;
use gdw376::terminal::{Answer, Kind, Question, Record, SetClock};
use gdw376::{Frame, Moment};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::NodeEventKind;
use super::site::{Node, Site};
use crate::local::timestamp;

/// What its software calls itself.
const SOFTWARE: &str = "1.0";
/// Kinds of records (ERC): parameters changed, a meter cannot be read, an unknown meter was found.
const CHANGED: u8 = 3;
const UNREAD: u8 = 31;
const FOUND: u8 = 35;
/// Records that are kept.
const KEPT: usize = 256;
const CENTURY: i16 = 2000;

/// Appends what it says of itself; nothing to what is no question.
pub(super) fn answer(site: &Site, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), gdw376::Error> {
    let to = (frame.address, frame.sequence.number());
    if let Ok(order) = SetClock::read(frame) {
        let set = seconds(order.to, &site.zone).map(|seconds| site.set_clock(seconds));
        let answer = if set.is_some() { Answer::Done } else { Answer::Denied };
        return answer.encode(Question::Clock, to, out);
    }
    let Ok(question) = Question::read(frame) else { return Ok(()) };
    let made = records(site);
    let answer = match question {
        Question::Version => {
            let (maker, device) = ("SIM".to_owned(), site.serial.clone());
            Answer::Version { maker, device, software: SOFTWARE.to_owned() }
        }
        Question::Clock => Answer::Clock(moment(timestamp(site.shown()), &site.zone)),
        Question::Counts => Answer::Counts { important: place(made.len()), general: 0 },
        Question::Records { kind: Kind::Important, from, until } => {
            let asked = (0..until.wrapping_sub(from)).map(|step| from.wrapping_add(step));
            Answer::Records(asked.filter_map(|at| latest(&made, at)).collect())
        }
        Question::Records { kind: Kind::General, .. } => Answer::Denied,
        Question::Meters { first, count } => {
            let entries = site.known().filter_map(|(number, node)| configured(number, node));
            let is_wanted = |entry: &Configured| (first..first.saturating_add(count)).contains(&entry.number);
            Answer::Meters(entries.filter(is_wanted).collect())
        }
    };
    answer.encode(question, to, out)
}

/// A node as the terminal was configured with it. Entries and measuring points count from 1.
fn configured(number: u32, node: &Node) -> Option<Configured> {
    let number = u16::try_from(number + 1).ok()?;
    let address = Configured::address_of(&node.meter.serial())?;
    Some(Configured { number, point: number, address })
}

/// Its important records, the oldest first.
fn records(site: &Site) -> Vec<Record> {
    let record = |(at, code, node): (Timestamp, u8, Option<u32>)| {
        let lost = NodeEventKind::Deregistered as u8;
        let code = match node {
            None => CHANGED,
            Some(_) if code == lost => UNREAD,
            Some(_) if code == NodeEventKind::Discovered as u8 => FOUND,
            Some(_) => return None,
        };
        // The measuring points count from 1.
        let rest = node.filter(|_| code == UNREAD).map(|node| (node + 1).to_le_bytes()[..2].to_vec());
        let at = Some(Moment { second: 0, weekday: 0, ..moment(at, &site.zone) });
        Some(Record { code, at, rest: rest.unwrap_or_default() })
    };
    site.entries(Timestamp::MIN, Timestamp::MAX).into_iter().filter_map(record).collect()
}

/// The record that was made last of those that had this place.
fn latest(made: &[Record], at: u8) -> Option<Record> {
    let kept = made.iter().enumerate().rev().take(KEPT);
    kept.filter(|(number, _)| place(*number) == at).map(|(_, record)| record.clone()).next()
}

fn place(number: usize) -> u8 {
    (number % KEPT) as u8
}

/// What its clock shows at an instant: the time of its zone.
fn moment(at: Timestamp, zone: &TimeZone) -> Moment {
    let at = Zoned::new(at, zone.clone());
    let two = |number: i8| number.unsigned_abs();
    Moment {
        year: u8::try_from(at.year() - CENTURY).unwrap_or_default(),
        month: two(at.month()),
        day: two(at.day()),
        weekday: two(at.weekday().to_monday_one_offset()),
        hour: two(at.hour()),
        minute: two(at.minute()),
        second: two(at.second()),
    }
}

fn seconds(to: Moment, zone: &TimeZone) -> Option<i64> {
    let two = |number: u8| i8::try_from(number).unwrap_or_default();
    let Moment { month, day, hour, minute, second, .. } = to;
    let year = CENTURY + i16::from(to.year);
    let local = DateTime::new(year, two(month), two(day), two(hour), two(minute), two(second), 0).ok()?;
    Some(zone.to_timestamp(local).ok()?.as_second())
}
