//! What it means that a meter refuses a range, and what is asked for where it takes no request as long as one for a range.

use dlms::{
    DataAccessResult, Error,
    profile::Rows,
    selection::{EntrySelection, Selection},
};
use jiff::Timestamp;

use super::{Buffer, entries, select};
use crate::{diagnosis::Setback, station::Piece, turn::Turn};

/// How rows are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By their time.
    Range,
    /// By their number, of so many that there are.
    Entries(u32),
    /// All at once.
    Whole,
}

/// What a refused range means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// There are no rows in it: some meters refuse where others answer with none.
    NoRows,
    /// The meter selects no rows by their time.
    AskOtherwise(Way),
}

/// Whether a setback may be about how rows were selected. A meter that `selects` rows, by what it granted, says of a profile that is
/// not shown to this client that access is denied.
pub(super) fn may_mean_selection(setback: &Setback, selects: bool) -> bool {
    use DataAccessResult as Result;
    match setback {
        Setback::Protocol(_, Error::Access(result)) => {
            let is_vague = matches!(
                result,
                Result::ObjectUnavailable
                    | Result::ScopeOfAccessViolated
                    | Result::TypeUnmatched
                    | Result::HardwareFault
                    | Result::OtherReason
            );
            is_vague || !selects && *result == Result::ReadWriteDenied
        }
        Setback::Protocol(_, Error::Exception(_)) => !selects,
        Setback::Protocol(_, error) => matches!(error, Error::RequestTooLong { .. }),
        _ => false,
    }
}

/// Finds out why a meter refused a part, by what it answers about rows that it has. Where it refuses all of the buffer, too, that is the end.
pub(super) async fn meaning(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    part: (Timestamp, Timestamp),
    refusal: &Setback,
) -> Result<Meaning, Setback> {
    let selects = turn.selects();
    let refused = turn.fail(refusal).await;
    let profile = buffer.layout.obis;
    let count = entries::entries_in_use(turn, profile).await?;
    tracing::info!(%profile, ?count, %refused, "no range was given; it is found out whether it is empty, or what else can be asked for");
    if count == Some(0) {
        return Ok(Meaning::NoRows);
    }
    let Some(count) = count.filter(|_| selects) else { return Ok(Meaning::AskOtherwise(Way::Whole)) };
    let last = EntrySelection { from: count, to: count, first_column: 1, last_column: 0 };
    let Some(last) = rows(turn, buffer, &Selection::Entries(last)).await? else {
        return Ok(Meaning::AskOtherwise(Way::Whole));
    };
    // A range that is known to have a row tells whether the meter answers ranges at all.
    let at = last.clocks.first().copied().flatten().and_then(|clock| turn.instant(&clock));
    let outside = at.filter(|at| *at < part.0 || *at > part.1);
    let answers = match outside {
        None => false,
        Some(at) => {
            let (range, _) = select(turn, &buffer.layout, (at, at))?;
            rows(turn, buffer, &range).await?.is_some_and(|rows| !rows.is_empty())
        }
    };
    Ok(if answers { Meaning::NoRows } else { Meaning::AskOtherwise(Way::Entries(count)) })
}

/// Asks once for a few rows; `None` when the meter refuses them, in whatever way, or takes no such request.
pub(super) async fn rows(
    turn: &mut Turn<'_>,
    buffer: &Buffer,
    selection: &Selection,
) -> Result<Option<Rows>, Setback> {
    let mut decoder = buffer.decoder(turn).lenient();
    let mut rows = Rows::default();
    let mut piece = match turn.get(&buffer.descriptor(), Some(selection)).await {
        Ok(piece) => piece,
        Err(
            setback @ Setback::Protocol(
                _,
                Error::Access(_) | Error::Exception(_) | Error::RequestTooLong { .. },
            ),
        ) => {
            turn.fail(&setback).await;
            return Ok(None);
        }
        Err(setback) => return Err(setback),
    };
    loop {
        decoder.push(turn.answer(), &mut rows).map_err(Setback::answer)?;
        match piece {
            Piece::Last => return Ok(Some(rows)),
            Piece::More => piece = turn.next_block().await?,
        }
    }
}
