//! Rows that are asked for by their number: from the first one of a part on, so that what came is not asked for again when the rest is lost.

use dlms::selection::{EntrySelection, Selection};
use jiff::Timestamp;

use super::{Buffer, EVER, Part, Sink, receive, resort::rows};
use crate::{diagnosis::Setback, time::is_invalid, turn::Turn};

/// Rows that are asked for at once, where the meter answers so many.
const ROWS_AT_ONCE: u32 = 96;
/// Rows that are asked for once more with those behind them: each capture takes a number off all rows of a buffer that is full.
const OVERLAP: u32 = 2;

/// Reads the rows of a part, of so many that there are. Everything before `next` was reported, or is not there.
pub(super) async fn read(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    count: u32,
    (part, next): ((Timestamp, Timestamp), &mut Timestamp),
    sink: &mut impl Sink,
) -> Result<Part, Setback> {
    let at_once = match turn.station().model.quirks.max_rows_per_read {
        0 => ROWS_AT_ONCE,
        most => ROWS_AT_ONCE.min(most),
    };
    let mut from = first(turn, buffer, (count, at_once), part.0).await?;
    while from <= count {
        let to = from.saturating_add(at_once - 1).min(count);
        sink.restart(part, EVER);
        let mut reached = part.0;
        let received = receive(turn, buffer, Some(&numbers(from, to)), (part, &mut reached), sink).await;
        *next = reached.max(*next);
        let (read, times) = received?;
        if !matches!(read, Part::Whole) {
            return Ok(read);
        }
        turn.progressed();
        if to == count || times.proven().is_some_and(|last| last > part.1) {
            break;
        }
        from = (to + 1).saturating_sub(OVERLAP).max(from + 1);
    }
    Ok(Part::Whole)
}

/// The number of the first row or of one that lies before `begin`, with few between it and the first that does not.
async fn first(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    (count, at_once): (u32, u32),
    begin: Timestamp,
) -> Result<u32, Setback> {
    let (mut before, mut behind, mut step) = (1, count, at_once);
    // Most of what is asked for is recent.
    while let Some(number) = count.checked_sub(step).filter(|number| *number > 1) {
        if lies_before(turn, buffer, number, begin).await? {
            before = number;
            break;
        }
        behind = number;
        step = step.saturating_mul(2);
    }
    while behind.saturating_sub(before) > at_once {
        let middle = before + (behind - before) / 2;
        if lies_before(turn, buffer, middle, begin).await? {
            before = middle;
        } else {
            behind = middle;
        }
    }
    Ok(before)
}

/// Whether the row with this number lies before an instant, by a time that can be believed.
async fn lies_before(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    number: u32,
    begin: Timestamp,
) -> Result<bool, Setback> {
    let found = rows(turn, buffer, &numbers(number, number)).await?;
    let clock = found.and_then(|rows| rows.clocks.first().copied().flatten());
    let at = clock.filter(|clock| !is_invalid(clock.status())).and_then(|clock| turn.instant(&clock));
    Ok(at.is_some_and(|at| at < begin))
}

fn numbers(from: u32, to: u32) -> Selection {
    Selection::Entries(EntrySelection { from, to, first_column: 1, last_column: 0 })
}
