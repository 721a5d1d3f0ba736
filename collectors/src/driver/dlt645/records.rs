//! Load records: asked for by their time, some at once, the oldest first.

use dlt645::{Identifier, Moment, Request};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use models::{Dlt645Place, Dlt645Records, Quirks, RangeDeviation};

use super::{
    Dlt645Driver, on_the_meter,
    profile::{Wanted, add, calendar, cell, undeviating},
    wrong,
};
use crate::{
    Event, Failure, Layout, Reason,
    diagnosis::Setback,
    time::{Resolver, range_limits},
    turn::Turn,
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// How often in a row an answer may hold no records that can be read before that is believed.
const GARBLED_MAX: u32 = 3;
/// Instants without a record that one work looks at: what lies behind them is asked for by another one.
const HOLES_MAX: u32 = 96;

/// What came of a question.
enum Found {
    /// Records; the last of them is of this instant.
    Until(Timestamp),
    /// No record that was asked for; what the meter said instead, if it said anything.
    Nothing(Option<Setback>),
}

impl Dlt645Driver<'_> {
    /// Reads the load records of a range and returns the range that is covered: up to its end, or up to where too many records are missing.
    pub(super) async fn records(
        &mut self,
        turn: &mut Turn<'_>,
        records: &Dlt645Records,
        wanted: &Wanted<'_>,
    ) -> Result<(Timestamp, Timestamp), Setback> {
        let zone = turn.station().zone.clone();
        let period = SignedDuration::from_secs(wanted.layout.period_s.into());
        let mut next = due(wanted.from, period, &zone);
        let (mut held, mut holes, mut garbled) = (None, 0, 0);
        while next <= wanted.to {
            turn.yield_to_urgent().await?;
            let found = match self.some(turn, records, wanted, next).await {
                Err(setback) if setback.may_heal() && garbled < GARBLED_MAX => {
                    garbled += 1;
                    turn.recover(setback).await?;
                    continue;
                }
                found => found?,
            };
            garbled = 0;
            let refusal = match found {
                Found::Until(last) => {
                    next = due(last + SECOND, period, &zone);
                    continue;
                }
                Found::Nothing(refusal) => refusal,
            };
            let (oldest, last) = match held {
                Some(held) => held,
                None => match (self.held(turn, records, wanted).await?, refusal) {
                    (Some(ends), _) => *held.insert(ends),
                    (None, Some(refusal)) => return Err(refusal),
                    (None, None) => break,
                },
            };
            if next > last {
                break;
            }
            if next < oldest {
                next = due(oldest, period, &zone);
                continue;
            }
            next += period;
            holes += 1;
            if holes == HOLES_MAX {
                return Ok((wanted.from, next - SECOND));
            }
        }
        Ok((wanted.from, wanted.to))
    }

    /// Asks for records from an instant on and reports those that are wanted.
    async fn some(
        &self,
        turn: &mut Turn<'_>,
        records: &Dlt645Records,
        wanted: &Wanted<'_>,
        next: Timestamp,
    ) -> Result<Found, Setback> {
        let period = SignedDuration::from_secs(wanted.layout.period_s.into());
        let zone = turn.station().zone.clone();
        let start = due(unambiguous(next, &zone), period, &zone);
        // Those in front of a repeated hour are asked for, too: the meter cannot be told which of two equal times is meant.
        let before = next.duration_since(start).as_secs() / period.as_secs().max(1);
        let count = records.at_once.saturating_add(u8::try_from(before).unwrap_or(u8::MAX));
        let from = Some(Moment { second: 0, ..on_the_meter(start, turn.station()) });
        let item = records.item.of(None);
        let request = Request::ReadRecords { item, count, from };
        let octets = match self.records_of(turn, (request, item), wanted).await {
            Ok(octets) => octets,
            Err(setback) if setback.is_absence() => return Ok(Found::Nothing(Some(setback))),
            Err(setback) => return Err(setback),
        };
        let mut resolver = Resolver::new(&zone, &turn.station().model.quirks);
        resolver.restart((start, Timestamp::MAX));
        let (mut captures, mut last) = (wanted.captures(), None);
        for record in dlt645::records(&octets, records.class()).map_err(garbled)? {
            let at = undeviating(calendar(record.at)?)?;
            let at =
                resolver.resolve(Some(&at)).map_err(|error| Setback::time(wanted.layout.obis, &error))?.at;
            if at < next {
                continue;
            }
            last = last.max(Some(at));
            if !wanted.holds(at) {
                continue;
            }
            let value =
                |place: &&Dlt645Place| cell(place, place.inside(&record.classes).filter(|_| !record.damaged));
            let values = wanted.places.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            add(&mut captures, at, values);
        }
        self.watch_interval(turn, records, wanted, &captures.at).await?;
        if !captures.at.is_empty() {
            turn.report(Event::Captures(captures)).await?;
        }
        Ok(last.map_or(Found::Nothing(None), Found::Until))
    }

    /// From when to when the meter holds records; `None` when it holds none, or does not say.
    async fn held(
        &self,
        turn: &mut Turn<'_>,
        records: &Dlt645Records,
        wanted: &Wanted<'_>,
    ) -> Result<Option<(Timestamp, Timestamp)>, Setback> {
        let mut ends = [Timestamp::MIN; 2];
        for (end, item) in ends.iter_mut().zip([records.oldest(), records.last()]) {
            let request = Request::ReadRecords { item, count: 1, from: None };
            let octets = match self.records_of(turn, (request, item), wanted).await {
                Ok(octets) => octets,
                Err(setback) if setback.is_absence() => return Ok(None),
                Err(setback) => return Err(setback),
            };
            let found = dlt645::records(&octets, records.class()).map_err(garbled)?;
            let Some(record) = found.first() else { return Ok(None) };
            let station = turn.station();
            let mut alone = Resolver::new(&station.zone, &station.model.quirks);
            let at = alone.resolve(Some(&undeviating(calendar(record.at)?)?));
            *end = at.map_err(|error| Setback::time(wanted.layout.obis, &error))?.at;
        }
        let [oldest, last] = ends;
        Ok(Some((oldest, last)))
    }

    /// Records that are closer to each other than the interval say that it is another one now.
    async fn watch_interval(
        &self,
        turn: &mut Turn<'_>,
        records: &Dlt645Records,
        wanted: &Wanted<'_>,
        at: &[Timestamp],
    ) -> Result<(), Setback> {
        let period_s = wanted.layout.period_s;
        let is_closer = at
            .windows(2)
            .any(|pair| (1..i64::from(period_s)).contains(&pair[1].duration_since(pair[0]).as_secs()));
        let Some(item) = records.interval.filter(|_| is_closer) else { return Ok(()) };
        let own = self.interval(turn, item.of(None), wanted.subject).await?.unwrap_or(period_s);
        if own == period_s {
            return Ok(());
        }
        let layout = Layout { period_s: own, ..Layout::clone(&wanted.layout) };
        turn.report(Event::Layout(layout.into())).await?;
        Err(Setback::Final(Failure::new(
            Reason::LayoutChanged,
            format!(
                "Load records of profile {} are {own} s apart now and were {period_s} s; that is noted and the next attempt uses it.",
                wanted.layout.obis
            ),
        )))
    }

    async fn records_of(
        &self,
        turn: &mut Turn<'_>,
        request: (Request<'_>, Identifier),
        wanted: &Wanted<'_>,
    ) -> Result<Vec<u8>, Setback> {
        // An answer names the item and not the time that was asked for: a late one must not be taken for that of the next question.
        self.parts::<false>(turn, request, wanted.subject).await
    }
}

/// The first instant from `at` on at which a record may be due: they are taken at whole multiples of the interval from midnight on.
fn due(at: Timestamp, period: SignedDuration, zone: &TimeZone) -> Timestamp {
    let local = zone.to_datetime(at).time();
    let since_midnight =
        i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60 + i64::from(local.second());
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    let period = period.as_secs().max(1);
    let missing = (period - since_midnight % period) % period;
    whole + SignedDuration::from_secs(missing)
}

/// The instant itself, or one before the hour that the clock shows twice.
fn unambiguous(at: Timestamp, zone: &TimeZone) -> Timestamp {
    let quirks = Quirks { range_deviation: RangeDeviation::Unspecified, ..Quirks::default() };
    range_limits((at, at), zone, &quirks, SignedDuration::ZERO).map_or(at, |limits| limits.asked.0)
}

/// Records that cannot be read: the octets of two answers, or the meter's own fault. They are asked for again.
fn garbled(error: dlt645::Error) -> Setback {
    match wrong(error) {
        Setback::Final(failure) => Setback::Refused { failure, is_absence: false, may_pass: true },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_at_multiples_of_the_interval_from_midnight_on() {
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let due = |text: &str, minutes| due(at(text), SignedDuration::from_mins(minutes), &zone);
        // 05:30 ahead: 00:00Z is half past five.
        assert_eq!(due("2026-03-01T00:00:00Z", 60), at("2026-03-01T00:30:00Z"));
        assert_eq!(due("2026-03-01T00:30:00Z", 60), at("2026-03-01T00:30:00Z"));
        assert_eq!(due("2026-03-01T00:30:01Z", 15), at("2026-03-01T00:45:00Z"));
    }

    #[test]
    fn an_hour_that_comes_twice_is_asked_for_as_a_whole() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let start = unambiguous(at("2026-10-25T01:30:00Z"), &zone);
        assert_eq!(due(start, SignedDuration::from_mins(15), &zone), at("2026-10-25T00:00:00Z"));
        assert_eq!(unambiguous(at("2026-10-25T02:00:00Z"), &zone), at("2026-10-25T02:00:00Z"));
    }
}
