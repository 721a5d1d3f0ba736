//! Rows of a profile as captures.

use std::sync::Arc;

use dlms::{
    DateTime, Obis,
    profile::{Column, Rows, Unreadable},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    Sink, Taken,
    unread::{Teller, of_row},
};
use crate::{
    Captures, Event, Layout, Oddity, Station,
    diagnosis::Setback,
    layout::certain,
    time::{Moment, Order, Resolver, TimeError, is_invalid},
};

const DAY_S: u32 = 86_400;
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// Place of the second in a date-time (IEC 62056-6-2, 4.1.6.1).
const SECOND_OCTET: usize = 7;

/// Rows as captures.
pub(super) struct Rowwise {
    /// How often they come, in seconds.
    period_s: u32,
    /// The earliest one of the range whose time can be believed.
    first: Option<Timestamp>,
    /// The capture that the next one follows, if that is known.
    before: Option<Timestamp>,
    /// Rows of answers that are not asked for again.
    done: Counts,
    /// Rows of the answer that is coming.
    coming: Counts,
    /// What it is about, and from when to when rows were asked for.
    part: (Timestamp, Timestamp),
    asked: (Timestamp, Timestamp),
    ascent: Ascent,
    /// Turns the times of all parts into instants.
    resolver: Resolver,
    /// The same for a time that belongs to no row's order; it never learns anything.
    alone: Resolver,
    /// Tells what could not be read.
    teller: Teller,
    /// Something could: a row that nobody asked for, one in which nothing is unreadable, or a value.
    is_any_read: bool,
}

/// How many rows came.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Rows of the range.
    inside: u64,
    /// Rows that nobody asked for.
    outside: u64,
}

impl Rowwise {
    /// No rows yet of a profile of this meter, the first of which follows `before`.
    pub(super) fn new(station: &Station, before: Option<Timestamp>) -> Self {
        let alone = Resolver::new(&station.zone, &station.model.quirks);
        let never = (Timestamp::MAX, Timestamp::MIN);
        Self {
            period_s: 0,
            first: None,
            before,
            done: Counts::default(),
            coming: Counts::default(),
            part: never,
            asked: never,
            ascent: Ascent::default(),
            resolver: alone.clone().of_any_order(),
            alone,
            teller: Teller::default(),
            is_any_read: false,
        }
    }

    /// Rows of the range so far, each once.
    pub(super) const fn inside(&self) -> u64 {
        self.done.inside + self.coming.inside
    }

    /// Rows so far that nobody asked for, each once.
    pub(super) const fn outside(&self) -> u64 {
        self.done.outside + self.coming.outside
    }

    /// Whether rows came, and nothing of any of them could be read.
    pub(super) const fn is_nothing_read(&self) -> bool {
        self.teller.has_told() && !self.is_any_read
    }

    /// More that could not be read than was told.
    pub(super) fn unread(&self, profile: Obis) -> Option<Event> {
        self.teller.rest(profile)
    }

    /// What is known for certain of a range by the rows so far.
    pub(super) fn certain(&self, range: (Timestamp, Timestamp)) -> (Timestamp, Timestamp) {
        certain(self.period_s, range, self.first)
    }

    /// Whether a row is kept. Those that lie outside of the part are none of it, because some meters ignore the selection; but a time that the meter itself does
    /// not believe in says nothing about when the row was captured.
    fn is_wanted(&mut self, moment: &Moment) -> bool {
        let is_within = |(from, to): (Timestamp, Timestamp)| from <= moment.at && moment.at <= to;
        if is_within(self.part) {
            self.coming.inside += 1;
            let believed = Some(moment.at).filter(|_| !is_invalid(moment.status));
            self.first = self.first.into_iter().chain(believed).min();
            return true;
        }
        let is_kept = moment.at < self.part.0 && is_invalid(moment.status);
        self.coming.outside += u64::from(!is_kept && !is_within(self.asked));
        is_kept
    }

    /// Values and times of a row in the order of its columns. A time that is none, as of a maximum that did not occur, is no value.
    fn weave(
        &self,
        layout: &Layout,
        values: &[Option<i64>],
        times: &[Option<DateTime>],
        out: &mut Vec<Option<i64>>,
    ) {
        let (mut values, mut times) = (values.iter().copied(), times.iter());
        let second =
            |time: &DateTime| self.alone.clone().resolve(Some(time)).ok().map(|moment| moment.at.as_second());
        out.extend(layout.values().map(|column| match column.column {
            Column::Time => times.next().and_then(|time| time.as_ref().and_then(second)),
            _ => values.next().flatten(),
        }));
    }

    /// Adds a row to the captures.
    fn add(&self, captures: &mut Captures, moment: &Moment, rows: &Rows, index: usize) {
        captures.at.push(moment.at);
        captures.offset_min.push(moment.offset_min);
        captures.clock_status.push(moment.status);
        captures.status.push(rows.statuses[index].map(u32::cast_signed));
        let values = &rows.values[index * rows.width..(index + 1) * rows.width];
        if rows.times_width == 0 {
            captures.values.extend_from_slice(values);
        } else {
            let times = &rows.times[index * rows.times_width..(index + 1) * rows.times_width];
            self.weave(&Arc::clone(&captures.layout), values, times, &mut captures.values);
        }
    }
}

impl Sink for Rowwise {
    fn fit(&mut self, layout: Layout) -> Result<Layout, Setback> {
        self.period_s = layout.period_s;
        self.resolver.captured_every(layout.period_s);
        Ok(layout)
    }

    fn restart(&mut self, part: (Timestamp, Timestamp), asked: (Timestamp, Timestamp)) {
        // An answer that begins where the one before began brings its rows again.
        if part.0 != self.part.0 {
            self.done = Counts { inside: self.inside(), outside: self.outside() };
        }
        (self.coming, self.part, self.asked) = (Counts::default(), part, asked);
        self.ascent = Ascent::default();
        self.resolver.restart(asked);
    }

    fn sorted(&mut self, order: Order) {
        self.resolver.sorted(order);
    }

    /// Rows as captures of the part; rows outside of it are counted and dropped.
    fn take(&mut self, layout: &Arc<Layout>, rows: &Rows) -> Result<Taken, Setback> {
        let mut captures = Captures {
            layout: Arc::clone(layout),
            at: Vec::with_capacity(rows.len()),
            offset_min: Vec::with_capacity(rows.len()),
            clock_status: Vec::with_capacity(rows.len()),
            status: Vec::with_capacity(rows.len()),
            width: rows.width + rows.times_width,
            values: Vec::with_capacity(rows.values.len() + rows.times.len()),
        };
        let mut odd = Vec::new();
        let mut lacks_order = false;
        for (index, clock) in rows.clocks.iter().enumerate() {
            let unread = of_row(rows, index);
            let aside = unread.iter().filter(|unread| !matches!(unread.what, Unreadable::Cell { .. }));
            odd.extend(aside.filter_map(|aside| self.teller.row(layout.obis, &aside.octets)));
            if unread.iter().any(|unread| unread.what == Unreadable::Time) {
                continue;
            }
            let (clock, second) = clock.map_or((None, None), full_minute);
            let moment = match self.resolver.resolve(clock.as_ref()) {
                Ok(moment) => moment,
                Err(TimeError::OrderUnknown) => {
                    lacks_order = true;
                    break;
                }
                Err(error) => return Err(Setback::time(layout.obis, &error)),
            };
            if !self.is_wanted(&moment) {
                self.is_any_read = true;
                continue;
            }
            odd.extend(second.map(|second| {
                Event::Odd(Oddity::Second { layout: Arc::clone(layout), at: moment.at, second })
            }));
            odd.extend(unread.iter().filter_map(|cell| self.teller.cell(layout, moment.at, cell)));
            self.ascent.note(moment.at);
            let before = captures.values.len();
            self.add(&mut captures, &moment, rows, index);
            self.is_any_read |= unread.is_empty() || captures.values[before..].iter().any(Option::is_some);
        }
        let behind = of_row(rows, rows.len()).iter().filter(|_| !lacks_order);
        odd.extend(behind.filter_map(|aside| self.teller.row(layout.obis, &aside.octets)));
        let is_off_beat = is_off_beat(self.before, &captures);
        self.before = captures.at.last().copied().or(self.before);
        let captures = (!captures.at.is_empty()).then_some(Event::Captures(captures));
        let next = self.ascent.proven().map(|last| last + SECOND);
        Ok(Taken { events: captures.into_iter().chain(odd).collect(), next, lacks_order, is_off_beat })
    }
}

/// Whether captures stand at another rate than their layout says: no two of them one period apart, or the only one not one period behind that before it. The first of
/// several may be that by chance where the rate is another one since.
fn is_off_beat(before: Option<Timestamp>, captures: &Captures) -> bool {
    let period_s = captures.layout.period_s;
    if period_s == 0 || period_s >= DAY_S {
        return false;
    }
    let gap = |one: Timestamp, other: Timestamp| other.duration_since(one).as_secs().abs();
    let within = captures.at.windows(2).map(|pair| gap(pair[0], pair[1])).filter(|gap| *gap > 0).min();
    let behind = || before.zip(captures.at.first()).map(|(before, first)| gap(before, *first));
    let least = within.or_else(|| behind().filter(|gap| *gap > 0));
    least.is_some_and(|least| least != i64::from(period_s))
}

/// Whether the rows of an answer came in the order of time: in another order they prove nothing about what lies before them, and neither does a single one.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::task) struct Ascent {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    is_broken: bool,
}

impl Ascent {
    /// Takes in the next row.
    pub(in crate::task) fn note(&mut self, at: Timestamp) {
        self.is_broken |= self.last.is_some_and(|last| at < last);
        self.first = self.first.or(Some(at));
        self.last = Some(at);
    }

    /// The last row, when nothing can follow that lies before it.
    pub(in crate::task) fn proven(&self) -> Option<Timestamp> {
        self.last.filter(|_| !self.is_broken && self.first < self.last)
    }
}

/// A time with a second that no clock shows as one without a second, which counts from the full minute; and that second.
fn full_minute(time: DateTime) -> (Option<DateTime>, Option<u8>) {
    match time.parts().second {
        0..60 | 0xFF => (Some(time), None),
        second => {
            let mut octets = time.octets();
            octets[SECOND_OCTET] = 0xFF;
            (Some(DateTime::new(octets)), Some(second))
        }
    }
}
