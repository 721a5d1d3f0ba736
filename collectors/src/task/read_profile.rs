use std::sync::Arc;

use dlms::{
    AttributeDescriptor, Fault,
    profile::{NullRule, RowDecoder, Rows},
    selection::{RangeSelection, Selection},
};
use jiff::{SignedDuration, Timestamp};

use super::read_layout::{self, PROFILE};
use crate::{
    Captures, Event, Failure, Layout, ProfileRange, Reason,
    diagnosis::Setback,
    station::Piece,
    time::{Resolver, range_limits},
    turn::Turn,
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Reads the captures of a range and returns the range covered.
///
/// With a known layout this is one exchange per block of the buffer and nothing else. Captures leave with each block.
/// What is lost on the way is asked for again from the last capture that left.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    range: &ProfileRange,
) -> Result<(Timestamp, Timestamp), Setback> {
    let layout = match &range.layout {
        Some(layout) => Arc::clone(layout),
        None => {
            let layout = Arc::new(read_layout::run(turn, range.obis).await?);
            turn.report(Event::Layout(Arc::clone(&layout))).await?;
            layout
        }
    };
    let resolver = Resolver::new(turn.station().zone.clone(), layout.period_s, None)
        .with_sign(turn.station().model.quirks.deviation_sign);
    let mut progress = Progress { next: range.from, outside: 0, resolver };
    while progress.next <= range.to {
        let part = (progress.next, part_end(turn, &layout, (progress.next, range.to)));
        match read_part(turn, &layout, part, &mut progress).await {
            Ok(Part::Whole) => {
                turn.progressed();
                progress.next = part.1 + SECOND;
            }
            Ok(Part::Interrupted) => turn.progressed(),
            Err(setback) if setback.is_interruption() => {
                if progress.next > part.0 {
                    turn.progressed();
                }
                turn.give_way().await?;
            }
            Err(Setback::Shape(error)) => return Err(explain_shape(turn, &layout, error).await),
            Err(setback) => {
                if progress.next > part.0 {
                    turn.progressed();
                }
                turn.recover(setback).await?;
            }
        }
    }
    if progress.outside > 0 {
        tracing::info!(profile = %range.obis, rows = progress.outside, "rows outside the range asked for were dropped");
    }
    Ok((range.from, range.to))
}

/// How far a read has come.
struct Progress {
    /// Everything before it was reported, or is not there.
    next: Timestamp,
    /// Rows that nobody asked for.
    outside: u64,
    /// Turns the times of all parts into instants.
    resolver: Resolver,
}

/// How much of a part was read.
enum Part {
    /// All of it.
    Whole,
    /// What lies before [`Progress::next`]; then something more urgent stepped in.
    Interrupted,
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

async fn read_part(
    turn: &mut Turn<'_>,
    layout: &Arc<Layout>,
    part: (Timestamp, Timestamp),
    progress: &mut Progress,
) -> Result<Part, Setback> {
    let (selection, start) = select(turn, layout, part)?;
    let buffer = AttributeDescriptor { class_id: PROFILE, instance: layout.obis, attribute: 2 };
    let null_rule = match turn.station().model.quirks.null_rule {
        models::NullRule::Repeat => NullRule::Repeat,
        models::NullRule::Absent => NullRule::Absent,
    };
    let columns = layout.columns.iter().map(|column| column.column).collect();
    let mut decoder = RowDecoder::new(columns, null_rule);
    progress.resolver.restart(start - SECOND);
    let mut rows = Rows::default();
    let mut piece = turn.get(&buffer, &selection).await?;
    loop {
        decoder.push(turn.answer(), &mut rows).map_err(Setback::row)?;
        let captures = resolve(layout, &rows, part, progress)?;
        rows.clear();
        if !captures.at.is_empty() {
            let last = captures.at.iter().max().copied();
            let ascending = captures.at.is_sorted();
            turn.report(Event::Captures(captures)).await?;
            // Rows in another order prove nothing about what lies before them.
            if let (Some(last), true) = (last, ascending) {
                progress.next = progress.next.max(last + SECOND);
            }
        }
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

/// Rows as captures of the part; rows outside of it are counted and dropped, because some meters ignore the selection.
fn resolve(
    layout: &Arc<Layout>,
    rows: &Rows,
    (from, to): (Timestamp, Timestamp),
    progress: &mut Progress,
) -> Result<Captures, Setback> {
    let mut captures = Captures {
        layout: Arc::clone(layout),
        at: Vec::with_capacity(rows.len()),
        offset_min: Vec::with_capacity(rows.len()),
        clock_status: Vec::with_capacity(rows.len()),
        status: Vec::with_capacity(rows.len()),
        width: rows.width,
        values: Vec::with_capacity(rows.values.len()),
    };
    for (index, clock) in rows.clocks.iter().enumerate() {
        let moment =
            progress.resolver.resolve(clock.as_ref()).map_err(|error| Setback::time(layout.obis, &error))?;
        if moment.at < from || moment.at > to {
            progress.outside += 1;
            continue;
        }
        captures.at.push(moment.at);
        captures.offset_min.push(moment.offset_min);
        captures.clock_status.push(moment.status);
        captures.status.push(rows.statuses[index].map(u32::cast_signed));
        captures.values.extend_from_slice(&rows.values[index * rows.width..(index + 1) * rows.width]);
    }
    Ok(captures)
}

/// A row does not fit the layout: either the layout is another one now, and is reported, or the meter contradicts itself.
async fn explain_shape(turn: &mut Turn<'_>, layout: &Arc<Layout>, error: dlms::Error) -> Setback {
    let fresh = match read_layout::run(turn, layout.obis).await {
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
    let columns = fresh.columns.len();
    match turn.report(Event::Layout(Arc::new(fresh))).await {
        Ok(()) => Setback::Final(Failure::new(
            Reason::LayoutChanged,
            format!(
                "Profile {} has {columns} columns now and had {}; the new ones are noted and the next attempt uses them.",
                layout.obis,
                layout.columns.len()
            ),
        )),
        Err(setback) => setback,
    }
}
