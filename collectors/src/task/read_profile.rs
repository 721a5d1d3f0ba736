use std::sync::Arc;

use dlms::{
    AttributeDescriptor, DateTime, Fault, Obis,
    axdr::Data,
    profile::{Column, NullRule, RowDecoder, Rows},
    selection::{RangeSelection, Selection},
};
use jiff::{SignedDuration, Timestamp};
use models::RangeDeviation;

use super::read_layout::{self, PROFILE};
use crate::{
    Captures, Event, Failure, Layout, Oddity, ProfileRange, Reason,
    diagnosis::Setback,
    station::Piece,
    time::{Resolver, range_limits},
    turn::Turn,
    value,
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const DAY_S: u32 = 86_400;
/// The longest time that a clock shows twice, and as much again.
const REPEATED: SignedDuration = SignedDuration::from_hours(2);
/// Place of the second in a date-time (IEC 62056-6-2, 4.1.6.1).
const SECOND_OCTET: usize = 7;

/// Reads the captures of a range and returns the range covered.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    range: &ProfileRange,
) -> Result<(Timestamp, Timestamp), Setback> {
    let station = turn.station();
    let resolver = Resolver::new(&station.zone, &station.model.quirks);
    let asks_more = station.model.quirks.range_deviation == RangeDeviation::Unspecified;
    let mut captures = Rowwise { inside: 0, outside: 0, asks_more, alone: resolver.clone(), resolver };
    let covered = read(turn, range, &mut captures).await?;
    let (profile, rows) = (range.obis, captures.outside);
    if rows > 0 {
        turn.report(Event::Odd(Oddity::RowsOutside { profile, rows })).await?;
    }
    if range.layout.is_none() {
        compare_entries(turn, profile, captures.inside).await?;
    }
    Ok(covered)
}

/// Compares the rows that a profile gave with those that it says it holds. Asked only where the columns are, too: nothing depends on it, and a meter that does
/// not say is as good.
async fn compare_entries(turn: &mut Turn<'_>, profile: Obis, gave: u64) -> Result<(), Setback> {
    let entries_in_use = AttributeDescriptor { class_id: PROFILE, instance: profile, attribute: 7 };
    let answer = turn.read_all(&[entries_in_use]).await?.pop().and_then(Result::ok);
    let said = answer.and_then(|octets| Data::decode(&octets).ok()).and_then(|data| value::integer(&data));
    match said.and_then(|said| u64::try_from(said).ok()) {
        Some(said) if said < gave => {
            turn.report(Event::Odd(Oddity::EntriesInUse { profile, said, gave })).await
        }
        _ => Ok(()),
    }
}

/// What becomes of the rows of a buffer.
pub(super) trait Sink {
    /// The layout with those columns that are wanted.
    fn fit(&mut self, layout: Layout) -> Result<Layout, Setback>;

    /// Makes ready for another answer, whose rows lie after the given instant.
    fn restart(&mut self, after: Timestamp);

    /// Takes in some rows of a part.
    fn take(
        &mut self,
        layout: &Arc<Layout>,
        rows: &Rows,
        part: (Timestamp, Timestamp),
    ) -> Result<Taken, Setback>;
}

/// What was made of rows.
pub(super) struct Taken {
    /// What is to be reported.
    pub(super) events: Vec<Event>,
    /// From where to go on when what follows is lost; `None` when the rows prove nothing about what lies before them.
    pub(super) next: Option<Timestamp>,
}

/// Reads the buffer of a profile-generic object within a range and returns the range covered.
///
/// With a known layout this is one exchange per block of the buffer and nothing else. Rows leave with each block.
/// What is lost on the way is asked for again from the last row that left.
pub(super) async fn read(
    turn: &mut Turn<'_>,
    range: &ProfileRange,
    sink: &mut impl Sink,
) -> Result<(Timestamp, Timestamp), Setback> {
    let layout = match &range.layout {
        Some(layout) => Arc::new(sink.fit(Layout::clone(layout))?),
        None => {
            let layout = Arc::new(sink.fit(read_layout::run(turn, range.obis).await?)?);
            turn.report(Event::Layout(Arc::clone(&layout))).await?;
            let place = layout.columns.iter().position(|column| column.column == Column::Clock);
            if let Some(place @ 1..) = place {
                turn.report(Event::Odd(Oddity::ClockNotFirst { profile: layout.obis, place })).await?;
            }
            layout
        }
    };
    let mut next = range.from;
    let mut doubts_period = range.layout.is_some();
    while next <= range.to {
        let part = (next, part_end(turn, &layout, (next, range.to)));
        match read_part(turn, (&layout, doubts_period), part, &mut next, sink).await {
            Ok(Part::Whole) => {
                turn.progressed();
                next = part.1 + SECOND;
            }
            Ok(Part::Interrupted) => turn.progressed(),
            // Asked once: rows that are missing look the same.
            Ok(Part::OffBeat) => {
                doubts_period = false;
                match read_layout::period(turn, layout.obis).await {
                    Ok(period_s) if period_s != layout.period_s => {
                        let fresh = sink.fit(read_layout::run(turn, layout.obis).await?)?;
                        return Err(changed(turn, &layout, fresh).await);
                    }
                    Err(setback) if !setback.is_absence() => return Err(setback),
                    Ok(_) | Err(_) => {}
                }
            }
            Err(setback) if setback.is_interruption() => {
                if next > part.0 {
                    turn.progressed();
                }
                turn.give_way().await?;
            }
            Err(Setback::Shape(error)) => return Err(explain_shape(turn, &layout, error, sink).await),
            Err(setback) => {
                if next > part.0 {
                    turn.progressed();
                }
                turn.recover(setback).await?;
            }
        }
    }
    Ok((range.from, range.to))
}

/// How much of a part was read.
enum Part {
    /// All of it.
    Whole,
    /// What lies before the place to go on; then something more urgent stepped in.
    Interrupted,
    /// What lies before the place to go on; what follows is captured at another rate than it should be.
    OffBeat,
}

/// The end of the longest part of the range that the meter answers at once.
fn part_end(turn: &Turn<'_>, layout: &Layout, (from, to): (Timestamp, Timestamp)) -> Timestamp {
    let rows = i64::from(turn.station().model.quirks.max_rows_per_read);
    if layout.period_s == 0 || rows == 0 {
        return to;
    }
    let span = SignedDuration::from_secs((rows - 1) * i64::from(layout.period_s));
    from.checked_add(span).map_or(to, |end| end.min(to))
}

/// Reads a part. Everything before `next` was reported, or is not there.
async fn read_part(
    turn: &mut Turn<'_>,
    (layout, doubts_period): (&Arc<Layout>, bool),
    part: (Timestamp, Timestamp),
    next: &mut Timestamp,
    sink: &mut impl Sink,
) -> Result<Part, Setback> {
    let (selection, start) = select(turn, layout, part)?;
    let buffer = AttributeDescriptor { class_id: PROFILE, instance: layout.obis, attribute: 2 };
    let null_rule = match turn.station().model.quirks.null_rule {
        models::NullRule::Repeat => NullRule::Repeat,
        models::NullRule::Absent => NullRule::Absent,
    };
    let columns = layout.columns.iter().map(|column| column.column).collect();
    let mut decoder = RowDecoder::new(columns, null_rule);
    sink.restart(start - SECOND);
    let mut rows = Rows::default();
    let mut piece = turn.get(&buffer, &selection).await?;
    loop {
        decoder.push(turn.answer(), &mut rows).map_err(Setback::row)?;
        let taken = sink.take(layout, &rows, part)?;
        rows.clear();
        if doubts_period && taken.events.iter().any(is_off_beat) {
            return Ok(Part::OffBeat);
        }
        for event in taken.events {
            turn.report(event).await?;
        }
        *next = taken.next.map_or(*next, |taken| taken.max(*next));
        match piece {
            Piece::Last => break,
            Piece::More if turn.yield_to_urgent().await? => return Ok(Part::Interrupted),
            Piece::More => piece = turn.next_block().await?,
        }
    }
    decoder.finish().map_err(Setback::answer)?;
    Ok(Part::Whole)
}

/// The range in the meter's terms, and the instant from which the meter may answer.
fn select(
    turn: &Turn<'_>,
    layout: &Layout,
    part: (Timestamp, Timestamp),
) -> Result<(Selection, Timestamp), Setback> {
    let station = turn.station();
    let quirks = &station.model.quirks;
    let clock = layout.clock().map(|column| column.capture);
    let limits = range_limits(part, &station.zone, quirks);
    let (Some(restricting), Some((from, to, start))) = (clock, limits) else {
        let detail = format!("Profile {} cannot be read by time: it has no clock column.", layout.obis);
        return Err(Setback::Final(Failure::new(Reason::Unsupported, detail)));
    };
    let form = quirks.range_dates;
    Ok((Selection::Range(RangeSelection { restricting, from, to, form, columns: Vec::new() }), start))
}

/// Rows as captures.
struct Rowwise {
    /// Rows of the range.
    inside: u64,
    /// Rows that nobody asked for.
    outside: u64,
    /// More was asked for than is wanted, where a limit lies in an hour that the clock shows twice.
    asks_more: bool,
    /// Turns the times of all parts into instants.
    resolver: Resolver,
    /// The same for a time that belongs to no row's order; it never learns anything.
    alone: Resolver,
}

impl Rowwise {
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
}

impl Sink for Rowwise {
    fn fit(&mut self, layout: Layout) -> Result<Layout, Setback> {
        self.resolver.captured_every(layout.period_s);
        Ok(layout)
    }

    fn restart(&mut self, after: Timestamp) {
        self.resolver.restart(after);
    }

    /// Rows as captures of the part; rows outside of it are counted and dropped, because some meters ignore the selection.
    fn take(
        &mut self,
        layout: &Arc<Layout>,
        rows: &Rows,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Taken, Setback> {
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
        for (index, clock) in rows.clocks.iter().enumerate() {
            let (clock, second) = clock.map_or((None, None), full_minute);
            let moment =
                self.resolver.resolve(clock.as_ref()).map_err(|error| Setback::time(layout.obis, &error))?;
            if moment.at < from || moment.at > to {
                let is_ours = self.asks_more && moment.at >= from - REPEATED && moment.at <= to + REPEATED;
                self.outside += u64::from(!is_ours);
                continue;
            }
            self.inside += 1;
            odd.extend(second.map(|second| {
                Event::Odd(Oddity::Second { layout: Arc::clone(layout), at: moment.at, second })
            }));
            captures.at.push(moment.at);
            captures.offset_min.push(moment.offset_min);
            captures.clock_status.push(moment.status);
            captures.status.push(rows.statuses[index].map(u32::cast_signed));
            let values = &rows.values[index * rows.width..(index + 1) * rows.width];
            if rows.times_width == 0 {
                captures.values.extend_from_slice(values);
            } else {
                let times = &rows.times[index * rows.times_width..(index + 1) * rows.times_width];
                self.weave(layout, values, times, &mut captures.values);
            }
        }
        // Rows in another order prove nothing about what lies before them.
        let last = captures.at.iter().max().copied().filter(|_| captures.at.is_sorted());
        let captures = (!captures.at.is_empty()).then_some(Event::Captures(captures));
        Ok(Taken { events: captures.into_iter().chain(odd).collect(), next: last.map(|last| last + SECOND) })
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

/// A row does not fit the layout: either the layout is another one now, and is reported, or the meter contradicts itself.
async fn explain_shape(
    turn: &mut Turn<'_>,
    layout: &Arc<Layout>,
    error: dlms::Error,
    sink: &mut impl Sink,
) -> Setback {
    let fresh = match read_layout::run(turn, layout.obis).await.and_then(|fresh| sink.fit(fresh)) {
        Ok(fresh) => fresh,
        Err(setback) => return setback,
    };
    if fresh == **layout {
        // A float, say, is no lie of the meter, but nothing that could be stored exactly.
        let cannot_store = error.fault() == Fault::Limit;
        return Setback::Final(Failure::new(
            if cannot_store { Reason::Unsupported } else { Reason::MeterBrokeRules },
            format!(
                "A row of profile {} does not fit the columns that the meter itself names ({error}); ask its maker.",
                layout.obis
            ),
        ));
    }
    changed(turn, layout, fresh).await
}

/// Whether captures follow each other at another rate than their layout says: none is one period behind the one before.
fn is_off_beat(event: &Event) -> bool {
    let Event::Captures(Captures { layout, at, .. }) = event else { return false };
    if layout.period_s == 0 || layout.period_s >= DAY_S {
        return false;
    }
    let gaps = at.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs());
    gaps.filter(|gap| *gap > 0).min().is_some_and(|least| least != i64::from(layout.period_s))
}

/// The profile has another layout now, which is reported.
async fn changed(turn: &mut Turn<'_>, layout: &Layout, fresh: Layout) -> Setback {
    let (columns, period_s) = (fresh.columns.len(), fresh.period_s);
    match turn.report(Event::Layout(Arc::new(fresh))).await {
        Ok(()) => Setback::Final(Failure::new(
            Reason::LayoutChanged,
            format!(
                "Profile {} has {columns} columns every {period_s} s now and had {} every {} s; the new ones are noted and the next attempt uses them.",
                layout.obis,
                layout.columns.len(),
                layout.period_s
            ),
        )),
        Err(setback) => setback,
    }
}
