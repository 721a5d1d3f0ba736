//! Whether a profile holds as many rows as it says.

use dlms::{
    AttributeDescriptor, Obis,
    axdr::Data,
    selection::{EntrySelection, Selection},
};

use crate::{
    Event, Oddity,
    diagnosis::Setback,
    station::Piece,
    task::read_layout::{self, PROFILE},
    turn::Turn,
};

/// Compares the rows that a profile says it holds with those that it gave, and with whether the last of those that it says is there and one more is not.
///
/// Asked only where the columns are, too: nothing depends on it, and a meter that does not say, or cannot be asked for rows by their number, is as good.
pub(super) async fn compare(turn: &mut Turn<'_>, profile: Obis, gave: u64) -> Result<(), Setback> {
    let Some(said) = entries_in_use(turn, profile).await? else { return Ok(()) };
    let holds = if gave > u64::from(said) {
        Some(gave)
    } else {
        match last_entries(turn, profile, said).await {
            Some(0) if said > 0 => Some(u64::from(said) - 1),
            // A capture may have come between both questions.
            Some(2..) if entries_in_use(turn, profile).await? == Some(said) => Some(u64::from(said) + 1),
            _ => None,
        }
    };
    match holds {
        Some(holds) => {
            turn.report(Event::Odd(Oddity::EntriesInUse { profile, said: said.into(), holds })).await
        }
        None => Ok(()),
    }
}

/// How many rows there are of the last one that the profile says it holds and the one behind it; `None` when it does not tell, in whatever way.
async fn last_entries(turn: &mut Turn<'_>, profile: Obis, said: u32) -> Option<u64> {
    // Of none there is no last one, and one row more stands for the one behind it.
    let (from, more) = if said == 0 { (1, 1) } else { (said, 0) };
    let entries = EntrySelection { from, to: said.checked_add(1)?, first_column: 1, last_column: 0 };
    match rows(turn, profile, entries).await {
        Ok(rows) => Some(rows + more),
        Err(setback) => {
            let unanswered = turn.fail(&setback).await;
            tracing::debug!(%profile, %unanswered, "rows are not given by their number");
            None
        }
    }
}

/// Asks once for rows by their number and counts them.
async fn rows(turn: &mut Turn<'_>, profile: Obis, entries: EntrySelection) -> Result<u64, Setback> {
    let buffer = AttributeDescriptor { class_id: PROFILE, instance: profile, attribute: 2 };
    let mut piece = turn.get(&buffer, Some(&Selection::Entries(entries))).await?;
    let mut octets = turn.answer().to_vec();
    while piece == Piece::More {
        piece = turn.next_block().await?;
        octets.extend_from_slice(turn.answer());
    }
    match Data::decode(&octets).map_err(Setback::answer)? {
        Data::Array(rows) => Ok(rows.len() as u64),
        _ => Ok(0),
    }
}

/// Rows that the profile says it holds (attribute 7); `None` when it does not say.
pub(super) async fn entries_in_use(turn: &mut Turn<'_>, profile: Obis) -> Result<Option<u32>, Setback> {
    read_layout::count(turn, profile, 7).await
}
