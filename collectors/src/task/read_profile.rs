mod entries;
mod numbered;
mod resort;
mod rowwise;
mod unread;

use std::sync::Arc;

use dlms::{
    AttributeDescriptor, Error,
    profile::{Column, NullRule, RowDecoder, Rows, Unread, Unreadable},
    selection::{RangeSelection, Selection},
};
use jiff::{SignedDuration, Timestamp};

use super::read_layout::{self, PROFILE};
use crate::{
    Event, Failure, Layout, Oddity, ProfileRange, Reason,
    diagnosis::Setback,
    station::Piece,
    time::{Order, RangeLimits, TimeError, range_limits},
    turn::Turn,
};
use resort::{Meaning, Way};
use rowwise::Rowwise;

pub(super) use rowwise::Ascent;
pub(super) use unread::Teller;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR_S: u32 = 3600;
/// The longest time that a clock shows twice, and as much again.
const REPEATED_S: u32 = 2 * HOUR_S;
/// Values of a profile that are told to be left out.
const LEFT_OUT_TOLD: usize = 64;
/// All there is.
const EVER: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);

/// Reads the captures of a range and returns the range covered.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    range: &ProfileRange,
) -> Result<(Timestamp, Timestamp), Setback> {
    let mut captures = Rowwise::new(turn.station(), range.last.filter(|last| *last < range.from));
    let known = range.layout.as_ref();
    let known = known.filter(|layout| !read_layout::is_chosen_otherwise(&turn.station().model, layout));
    let range = &ProfileRange { layout: known.cloned(), ..*range };
    let covered = read(turn, range, &mut captures).await?;
    let (profile, rows) = (range.obis, captures.outside());
    if rows > 0 {
        turn.report(Event::Odd(Oddity::RowsOutside { profile, rows })).await?;
    }
    if let Some(unread) = captures.unread(profile) {
        turn.report(unread).await?;
    }
    if range.layout.is_none() {
        entries::compare(turn, profile, captures.inside()).await?;
    }
    // What lies behind other captures is a hole, which is lost when it cannot be read: that is told by its flags.
    if captures.is_nothing_read() && range.last.is_none_or(|last| last < range.from) {
        return Err(Setback::Final(Failure::new(
            Reason::Unsupported,
            format!(
                "Nothing of the rows that the meter gave of profile {profile} could be read; what it sent is with the flags (rule unreadable): correct its model, or ask its maker what they mean."
            ),
        )));
    }
    Ok(captures.certain(covered))
}

/// What becomes of the rows of a buffer.
pub(super) trait Sink {
    /// The layout with those columns that are wanted.
    fn fit(&mut self, layout: Layout) -> Result<Layout, Setback>;

    /// Makes ready for an answer about a part, in which rows were asked for between these instants.
    fn restart(&mut self, part: (Timestamp, Timestamp), asked: (Timestamp, Timestamp));

    /// Rows stand in this order.
    fn sorted(&mut self, order: Order);

    /// Takes in some rows of the answer.
    fn take(&mut self, layout: &Arc<Layout>, rows: &Rows) -> Result<Taken, Setback>;
}

/// What was made of rows.
pub(super) struct Taken {
    /// What is to be reported.
    pub(super) events: Vec<Event>,
    /// From where to go on when what follows is lost; `None` when the rows of the answer prove nothing about what lies before them.
    pub(super) next: Option<Timestamp>,
    /// Rows were left out, because it is not known in which order they stand.
    pub(super) lacks_order: bool,
    /// They were captured at another rate than the layout says.
    pub(super) is_off_beat: bool,
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
        None => fresh(turn, range, sink).await?,
    };
    let mut next = range.from;
    let mut buffer =
        Buffer { layout, doubts_period: range.layout.is_some(), is_lenient: false, way: Way::Range };
    while next <= range.to {
        let part = (next, buffer.part_end(turn, (next, range.to)));
        let setback = match read_part(turn, &buffer, part, &mut next, sink).await {
            Ok(Part::Whole) => {
                turn.progressed();
                next = part.1 + SECOND;
                continue;
            }
            Ok(Part::Interrupted) => {
                turn.progressed();
                continue;
            }
            // Asked once: then it is known, or the read is over.
            Ok(Part::Unordered) => {
                sink.sorted(order(turn, &buffer.layout).await?);
                continue;
            }
            // Asked once: rows that are missing look the same.
            Ok(Part::OffBeat) => {
                buffer.doubts_period = false;
                doubt_period(turn, &buffer.layout, sink).await?;
                continue;
            }
            Err(setback) => setback,
        };
        if next > part.0 {
            turn.progressed();
        }
        if let Setback::Shape(error) = setback {
            buffer.is_lenient = explain_shape(turn, &buffer, error, sink).await?;
        } else if buffer.way == Way::Range && resort::may_mean_selection(&setback, turn.selects()) {
            match resort::meaning(turn, &buffer, part, &setback).await {
                Ok(Meaning::NoRows) => next = part.1 + SECOND,
                Ok(Meaning::AskOtherwise(way)) => buffer.way = way,
                Err(setback) => again(turn, setback).await?,
            }
        } else {
            again(turn, setback).await?;
        }
    }
    Ok((range.from, range.to))
}

/// Makes ready to ask again, or gives the setback back.
async fn again(turn: &mut Turn<'_>, setback: Setback) -> Result<(), Setback> {
    if setback.is_interruption() { turn.give_way().await } else { turn.recover(setback).await }
}

/// Reads the columns, and reports them.
async fn fresh(
    turn: &mut Turn<'_>,
    range: &ProfileRange,
    sink: &mut impl Sink,
) -> Result<Arc<Layout>, Setback> {
    let read = read_layout::run(turn, range.obis).await?;
    let times = read.left_out(Column::Time).count();
    let values: Vec<usize> = read.left_out(Column::Value).take(LEFT_OUT_TOLD).collect();
    let layout = Arc::new(sink.fit(read)?);
    announce(turn, &layout).await?;
    let profile = layout.obis;
    let place = layout.columns.iter().position(|column| column.column == Column::Clock);
    if let Some(place @ 1..) = place {
        turn.report(Event::Odd(Oddity::ClockNotFirst { profile, place })).await?;
    }
    if times > 0 {
        turn.report(Event::Odd(Oddity::TimesLeftOut { profile, times })).await?;
    }
    for column in values {
        turn.report(Event::Odd(Oddity::ValueLeftOut { layout: Arc::clone(&layout), column })).await?;
    }
    Ok(layout)
}

/// How a buffer is read.
struct Buffer {
    layout: Arc<Layout>,
    /// Captures that come at another rate are looked into.
    doubts_period: bool,
    /// Rows of another number of columns are put aside.
    is_lenient: bool,
    way: Way,
}

impl Buffer {
    /// The end of the longest part of the range that the meter answers at once. Where it is not asked by time, all of the range is one.
    fn part_end(&self, turn: &Turn<'_>, range: (Timestamp, Timestamp)) -> Timestamp {
        if self.way == Way::Range { part_end(turn, &self.layout, range) } else { range.1 }
    }

    fn decoder(&self, turn: &Turn<'_>) -> RowDecoder {
        let null_rule = match turn.station().model.quirks.null_rule {
            models::NullRule::Repeat => NullRule::Repeat,
            models::NullRule::Absent => NullRule::Absent,
        };
        let columns = self.layout.columns.iter().map(|column| column.column).collect();
        let decoder = RowDecoder::new(columns, null_rule);
        if self.is_lenient { decoder.lenient() } else { decoder }
    }

    /// What is wrong with a row that was put aside.
    fn misfit(&self, unread: &Unread) -> Option<Error> {
        let Unreadable::Row { elements: got } = unread.what else { return None };
        Some(Error::RowShape { expected: self.layout.columns.len(), got })
    }

    fn descriptor(&self) -> AttributeDescriptor {
        AttributeDescriptor { class_id: PROFILE, instance: self.layout.obis, attribute: 2 }
    }
}

/// Captures come at another rate than they should: asks how often they are taken.
async fn doubt_period(
    turn: &mut Turn<'_>,
    layout: &Arc<Layout>,
    sink: &mut impl Sink,
) -> Result<(), Setback> {
    match read_layout::period(turn, layout.obis).await {
        Ok(period_s) if period_s != layout.period_s => {
            let fresh = sink.fit(read_layout::run(turn, layout.obis).await?)?;
            Err(changed(turn, layout, fresh).await)
        }
        Err(setback) if !setback.is_absence() => Err(setback),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// How much of a part was read.
enum Part {
    /// All of it.
    Whole,
    /// What lies before the place to go on; then something more urgent stepped in.
    Interrupted,
    /// What lies before the place to go on; what follows is captured at another rate than it should be.
    OffBeat,
    /// What lies before the place to go on; what follows cannot be placed in time before it is known how rows stand.
    Unordered,
}

/// The order in which the meter says that rows stand.
async fn order(turn: &mut Turn<'_>, layout: &Layout) -> Result<Order, Setback> {
    match read_layout::order(turn, layout).await {
        Ok(Some(order)) => Ok(order),
        Ok(None) => Err(Setback::time(layout.obis, &TimeError::OrderUnknown)),
        Err(setback) if setback.is_absence() => Err(Setback::time(layout.obis, &TimeError::OrderUnknown)),
        Err(setback) => Err(setback),
    }
}

/// The end of the longest part of the range that the meter answers at once.
fn part_end(turn: &Turn<'_>, layout: &Layout, (from, to): (Timestamp, Timestamp)) -> Timestamp {
    let rows = i64::from(turn.station().model.quirks.max_rows_per_read);
    if layout.period_s == 0 || rows == 0 {
        return to;
    }
    let span = SignedDuration::from_secs((rows - 1) * i64::from(layout.period_s));
    // Rows that are asked for in front of a part count, too.
    let start = limits(turn, layout, (from, to)).map_or(from, |limits| limits.asked.0);
    start.checked_add(span).map_or(to, |end| end.max(from).min(to))
}

/// The limits of a part in the meter's terms.
fn limits(turn: &Turn<'_>, layout: &Layout, part: (Timestamp, Timestamp)) -> Option<RangeLimits> {
    let station = turn.station();
    let quirks = &station.model.quirks;
    let lead_s = layout.period_s.max(HOUR_S);
    let at_once_s = quirks.max_rows_per_read.saturating_mul(layout.period_s);
    // A meter that answers few rows at once has no room for more than were to be read.
    let has_room = layout.period_s > 0 && (at_once_s == 0 || at_once_s > lead_s + REPEATED_S);
    let lead_s = if has_room { lead_s } else { 0 };
    range_limits(part, &station.zone, quirks, SignedDuration::from_secs(lead_s.into()))
}

/// Reads a part. Everything before `next` was reported, or is not there.
async fn read_part(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    part: (Timestamp, Timestamp),
    next: &mut Timestamp,
    sink: &mut impl Sink,
) -> Result<Part, Setback> {
    match buffer.way {
        Way::Range => {
            let (selection, asked) = select(turn, &buffer.layout, part)?;
            sink.restart(part, asked);
            receive(turn, buffer, Some(&selection), (part, next), sink).await.map(|(part, _)| part)
        }
        Way::Whole => {
            sink.restart(part, EVER);
            receive(turn, buffer, None, (part, next), sink).await.map(|(part, _)| part)
        }
        Way::Entries(count) => numbered::read(turn, buffer, count, (part, next), sink).await,
    }
}

/// Asks for rows and takes them in, and says when they were captured.
async fn receive(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    selection: Option<&Selection>,
    (part, next): ((Timestamp, Timestamp), &mut Timestamp),
    sink: &mut impl Sink,
) -> Result<(Part, Ascent), Setback> {
    let mut decoder = buffer.decoder(turn);
    let mut rows = Rows::default();
    let mut times = Ascent::default();
    let mut layout = Arc::clone(&buffer.layout);
    let (mut misfit, mut fits) = (None, false);
    let mut piece = turn.get(&buffer.descriptor(), selection).await?;
    loop {
        let pushed = decoder.push(turn.answer(), &mut rows).map_err(Setback::row);
        // Whether rows in front of it are those of the layout shows when that is compared.
        if let Err(setback @ Setback::Shape(Error::RowShape { .. })) = pushed {
            return Err(setback);
        }
        if buffer.way != Way::Range {
            rows.clocks
                .iter()
                .flatten()
                .filter_map(|clock| turn.instant(clock))
                .for_each(|at| times.note(at));
        }
        fits |= !rows.is_empty();
        misfit = misfit.or_else(|| rows.unread.iter().find_map(|unread| buffer.misfit(unread)));
        layout = floats(&layout, decoder.columns().iter().copied())?;
        let taken = sink.take(&layout, &rows)?;
        rows.clear();
        if buffer.doubts_period && taken.is_off_beat {
            return Ok((Part::OffBeat, times));
        }
        for event in taken.events {
            turn.report(event).await?;
        }
        *next = taken.next.map_or(part.0, |next| next.max(part.0));
        pushed?;
        if taken.lacks_order {
            return Ok((Part::Unordered, times));
        }
        match piece {
            Piece::Last => break,
            Piece::More if turn.yield_to_urgent().await? => return Ok((Part::Interrupted, times)),
            Piece::More => piece = turn.next_block().await?,
        }
    }
    decoder.finish().map_err(Setback::answer)?;
    match misfit {
        Some(error) if !fits => Err(Setback::Shape(error)),
        _ => Ok((Part::Whole, times)),
    }
}

/// The layout where rows show that columns hold floats.
fn floats(layout: &Arc<Layout>, shown: impl Iterator<Item = Column>) -> Result<Arc<Layout>, Setback> {
    layout.with_floats(shown).ok_or_else(|| {
        let detail = format!("Profile {} has floats with a scaler that leaves them no room.", layout.obis);
        Setback::Final(Failure::new(Reason::Unsupported, detail))
    })
}

/// The range in the meter's terms, and from when to when it may answer.
fn select(
    turn: &Turn<'_>,
    layout: &Layout,
    part: (Timestamp, Timestamp),
) -> Result<(Selection, (Timestamp, Timestamp)), Setback> {
    let clock = layout.clock().map(|column| column.capture);
    let (Some(restricting), Some(limits)) = (clock, limits(turn, layout, part)) else {
        let detail = format!("Profile {} cannot be read by time: it has no clock column.", layout.obis);
        return Err(Setback::Final(Failure::new(Reason::Unsupported, detail)));
    };
    let RangeLimits { from, to, asked } = limits;
    let form = turn.station().model.quirks.range_dates;
    Ok((Selection::Range(RangeSelection { restricting, from, to, form, columns: Vec::new() }), asked))
}

/// A row does not fit the layout: either the layout is another one now, and is reported, or the meter contradicts itself. Rows that do may be asked for once
/// more then, without those that do not.
async fn explain_shape(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    error: Error,
    sink: &mut impl Sink,
) -> Result<bool, Setback> {
    let layout = &buffer.layout;
    let fresh = read_layout::run(turn, layout.obis).await.and_then(|fresh| sink.fit(fresh))?;
    let known = layout.columns.iter().map(|column| column.column);
    if floats(&Arc::new(fresh.clone()), known)? != *layout {
        return Err(changed(turn, layout, fresh).await);
    }
    if !buffer.is_lenient && matches!(error, Error::RowShape { .. }) {
        return Ok(true);
    }
    Err(Setback::Final(Failure::new(
        Reason::MeterBrokeRules,
        format!(
            "Rows of profile {} do not fit the columns that the meter itself names ({error}); ask its maker.",
            layout.obis
        ),
    )))
}

/// Reports the columns of a profile, and how many of such rows it keeps.
async fn announce(turn: &mut Turn<'_>, layout: &Arc<Layout>) -> Result<(), Setback> {
    turn.report(Event::Layout(Arc::clone(layout))).await?;
    let profile = layout.obis;
    match read_layout::capacity(turn, profile).await? {
        Some(rows) => turn.report(Event::Capacity { profile, rows }).await,
        None => Ok(()),
    }
}

/// The profile has another layout now, which is reported.
async fn changed(turn: &mut Turn<'_>, layout: &Layout, fresh: Layout) -> Setback {
    let (columns, period_s) = (fresh.columns.len(), fresh.period_s);
    match announce(turn, &Arc::new(fresh)).await {
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
