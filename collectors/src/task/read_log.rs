use std::sync::Arc;

use dlms::{
    DateTime, Unit,
    axdr::Number,
    profile::{Column, FLOAT_EXPONENT, Rows, Unreadable},
};
use jiff::{Timestamp, tz::TimeZone};
use models::{Log, Model};

use super::read_layout;
use super::read_profile::{self, Ascent, Sink, Taken, Teller};
use crate::{
    Event, Failure, Layout, LayoutColumn, LogEntries, LogEntry, LogLoss, LogLossCause, LogRange, LogRead,
    Reason,
    diagnosis::Setback,
    held,
    layout::SECOND,
    time::{self, Order, is_invalid},
    turn::Turn,
    value,
};

/// Reads the entries of a log and returns the range covered; none when the meter has no such log.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    wanted: &LogRange,
) -> Result<Option<(Timestamp, Timestamp)>, Setback> {
    let model = Arc::clone(&turn.station().model);
    let mut book = Book::new(&model, turn.station().zone.clone(), wanted)?;
    match read_profile::read(turn, &wanted.range, &mut book).await {
        Ok(range) => {
            if let Some(unread) = book.teller.rest(wanted.range.obis) {
                turn.report(unread).await?;
            }
            // Its room is asked for where it matters: once, when something is missing.
            let room = if book.missed().is_some() {
                read_layout::capacity(turn, wanted.range.obis).await?
            } else {
                None
            };
            turn.report(Event::LogRead(book.close(room))).await?;
            Ok(Some(range))
        }
        // A log that was there before is missed.
        Err(setback) if setback.is_undefined() && wanted.range.layout.is_none() && wanted.mark.is_none() => {
            tracing::debug!(log = %wanted.range.obis, "the meter has no such log");
            Ok(None)
        }
        Err(setback) => Err(setback),
    }
}

/// What is read of a log, and what shows of it whether entries were lost.
pub(crate) struct Book<'a> {
    model: &'a Model,
    log: &'a Log,
    zone: TimeZone,
    wanted: &'a LogRange,
    /// Entries so far.
    rows: u32,
    /// The latest one with a time that can be believed.
    last: Option<Timestamp>,
    /// The earliest one behind the mark.
    next: Option<Timestamp>,
    mark_is_there: bool,
    ascent: Ascent,
    /// Tells what could not be read.
    teller: Teller,
}

impl Sink for Book<'_> {
    /// Only clock, code and node are wanted: other columns may hold what no capture can, such as texts.
    fn fit(&mut self, mut layout: Layout) -> Result<Layout, Setback> {
        let Some(place) = self.code_column(&layout) else {
            let detail = format!(
                "Log {} has no column with {}; name one in the model (`code`).",
                layout.obis,
                self.sought()
            );
            return Err(Setback::Final(Failure::new(Reason::Unsupported, detail)));
        };
        for (_, column) in layout.columns.iter_mut().enumerate().filter(|(other, _)| *other != place) {
            if column.column != Column::Clock {
                let names_node = self.log.node == Some(column.capture.instance);
                column.column = if names_node { Column::Text } else { Column::Ignored };
            }
        }
        Ok(layout)
    }

    /// The time of an entry depends on no other one: whenever it is read, it is the same.
    fn restart(&mut self, _part: (Timestamp, Timestamp), _asked: (Timestamp, Timestamp)) {
        self.ascent = Ascent::default();
    }

    fn sorted(&mut self, _order: Order) {}

    fn take(&mut self, layout: &Arc<Layout>, rows: &Rows) -> Result<Taken, Setback> {
        let mut entries = Vec::with_capacity(rows.len());
        for (index, clock) in rows.clocks.iter().enumerate() {
            let time = clock.unwrap_or(DateTime::UNSPECIFIED);
            let value = if rows.width > 0 { rows.values[index * rows.width] } else { None };
            let value = value.and_then(|value| code(layout, value));
            let logged = value.or(rows.statuses[index].map(i64::from));
            let node = rows.texts.get(index).and_then(|text| value::name(text.as_deref()?));
            let (at, entered) = self.enter(time, logged, node);
            at.into_iter().for_each(|at| self.ascent.note(at));
            entries.extend(entered);
        }
        let log = self.log.obis;
        // An entry whose time is none is kept with what stands there for it.
        let lost = rows.unread.iter().filter(|unread| unread.what != Unreadable::Time);
        let told: Vec<Event> = lost.filter_map(|unread| self.teller.row(log, &unread.octets)).collect();
        let logged = (!entries.is_empty()).then_some(Event::Logged(LogEntries { log, entries }));
        Ok(Taken {
            events: logged.into_iter().chain(told).collect(),
            // More of the same second may follow, so it is asked for again.
            next: self.ascent.proven(),
            lacks_order: false,
            is_off_beat: false,
        })
    }
}

/// The code that a number is; floats stand for whole numbers, too.
fn code(layout: &Layout, value: i64) -> Option<i64> {
    let is_float = layout.values().any(|column| column.column == Column::Float);
    let exponent = if is_float { FLOAT_EXPONENT } else { 0 };
    Number { mantissa: value, exponent }.in_units_of(0)
}

impl<'a> Book<'a> {
    /// Nothing yet of the log that is wanted.
    pub(crate) fn new(model: &'a Model, zone: TimeZone, wanted: &'a LogRange) -> Result<Self, Setback> {
        let obis = wanted.range.obis;
        let log = model.log(obis).ok_or_else(|| {
            let detail = format!("Model {} names no log {obis}: choose one that it names.", model.name);
            Setback::Final(Failure::new(Reason::Unsupported, detail))
        })?;
        Ok(Self {
            model,
            log,
            zone,
            wanted,
            rows: 0,
            last: None,
            next: None,
            mark_is_there: false,
            ascent: Ascent::default(),
            teller: Teller::default(),
        })
    }

    /// Takes in an entry, and says when it was made and what it stands for.
    pub(crate) fn enter(
        &mut self,
        time: DateTime,
        logged: Option<i64>,
        node: Option<String>,
    ) -> (Option<Timestamp>, Vec<LogEntry>) {
        let at = time::instant(&time, &self.zone, &self.model.quirks);
        self.note(at, &time);
        let Some(logged) = logged else {
            tracing::warn!(log = %self.log.obis, "an entry without a code was left out");
            return (at, Vec::new());
        };
        (at, held::stands_for((self.model, self.log), &self.zone, time, logged, node))
    }

    /// The place of the column with the code.
    fn code_column(&self, layout: &Layout) -> Option<usize> {
        let columns = &layout.columns;
        let first = |of: Column| columns.iter().position(|column| column.column == of);
        if let Some(code) = self.log.code {
            let named = |column: &LayoutColumn| {
                column.capture.instance == code && matches!(column.column, Column::Value | Column::Status)
            };
            return columns.iter().position(named);
        }
        let is_of = |column: &LayoutColumn, group: u8| {
            column.column == Column::Value && column.capture.instance.octets()[2..4] == [96, group]
        };
        if self.log.outages.is_some() {
            // Nothing but seconds can be taken for how long the supply was gone.
            let is_in_seconds =
                |column: &LayoutColumn| column.scaler == 0 && [SECOND, Unit::NONE].contains(&column.unit);
            return columns.iter().position(|column| is_of(column, 7) && is_in_seconds(column));
        }
        columns
            .iter()
            .position(|column| is_of(column, 11))
            .or_else(|| first(Column::Value))
            .or_else(|| first(Column::Status))
    }

    /// What the column holds that is looked for.
    fn sought(&self) -> &'static str {
        if self.log.outages.is_some() { "the seconds of outages" } else { "codes" }
    }

    /// Notes when an entry was made.
    fn note(&mut self, at: Option<Timestamp>, time: &DateTime) {
        self.rows = self.rows.saturating_add(1);
        let Some(at) = at.filter(|at| *at <= self.wanted.range.to) else { return };
        if !is_invalid(time.status()) {
            self.last = self.last.max(Some(at));
        }
        match self.wanted.mark {
            Some(mark) if at == mark => self.mark_is_there = true,
            Some(mark) if at > mark => self.next = self.next.map_or(Some(at), |next| Some(next.min(at))),
            _ => {}
        }
    }

    /// The latest entry that was known before, when it was asked for and is not there any more.
    pub(crate) fn missed(&self) -> Option<Timestamp> {
        let range = &self.wanted.range;
        self.wanted.mark.filter(|mark| (range.from..=range.to).contains(mark) && !self.mark_is_there)
    }

    /// What there is to say at the end of the log, which has room for so many entries as it says itself, or else as its model says.
    pub(crate) fn close(&self, room: Option<u32>) -> LogRead {
        let is_full = self.rows >= room.unwrap_or(self.log.depth);
        let loss = self.missed().map(|after| LogLoss {
            after,
            until: self.next,
            entries: self.rows,
            cause: if is_full { LogLossCause::Overflow } else { LogLossCause::Cleared },
        });
        LogRead { log: self.log.obis, last: self.last.max(self.wanted.mark), loss }
    }
}
