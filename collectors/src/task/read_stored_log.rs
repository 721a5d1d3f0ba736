use std::sync::Arc;

use dlms::{DateTime, Obis};
use p2lpc::{Request, Span};

use super::{Done, read_log::Book, stored::ask};
use crate::{Event, LogEntries, LogRange, Station, diagnosis::Setback, turn::Turn};

/// Entries that are handed on together: what is more urgent steps in between.
const PART: usize = 1000;

/// Whether a concentrator with a web service is asked for a log: its own, or the one that it keeps of its nodes, which is the first that their model names.
pub(super) fn is_held(station: &Station, log: Obis) -> bool {
    station.web_service().is_some() && station.model.logs.first().is_some_and(|first| first.obis == log)
}

/// Takes over the entries that the concentrator holds, and returns the range that was asked for. Nothing of it goes over the power line.
pub(super) async fn run(turn: &mut Turn<'_>, wanted: &LogRange) -> Result<Done, Setback> {
    let model = Arc::clone(&turn.station().model);
    let mut book = Book::new(&model, turn.station().zone.clone(), wanted)?;
    let (range, is_node) = (&wanted.range, turn.station().address.node().is_some());
    let span = Span { from: range.from.as_second(), to: range.to.as_second() };
    let what = format!("Log {}", range.obis);
    let document = ask(turn, &what, |meter| match is_node {
        true => Request::MeterEvents { meter, span },
        false => Request::ConcentratorEvents(span),
    });
    let events = document.await?.devices.into_iter().flat_map(|device| device.events);
    let mut entries = Vec::new();
    for event in events.filter(|event| (span.from..=span.to).contains(&event.at)) {
        let time = DateTime::from_unix(event.at, Some(0), 0);
        entries.extend(book.enter(time, Some(event.status.into()), event.meter).1);
    }
    while !entries.is_empty() {
        let rest = entries.split_off(entries.len().min(PART));
        turn.report(Event::Logged(LogEntries { log: range.obis, entries })).await?;
        turn.yield_to_urgent().await?;
        entries = rest;
    }
    turn.progressed();
    turn.report(Event::LogRead(book.close(None))).await?;
    Ok(Some((range.from, range.to)).into())
}
