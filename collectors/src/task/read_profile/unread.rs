use std::{collections::BTreeSet, sync::Arc};

use dlms::{
    Obis,
    profile::{Rows, Unread, Unreadable},
};
use jiff::Timestamp;

use crate::{Event, Layout, Oddity};

/// Most of what could not be read that is told with its octets, of each read.
const TOLD_MAX: u32 = 64;

/// Tells what could not be read of a buffer, up to a limit, and counts the rest.
#[derive(Debug, Default)]
pub(in crate::task) struct Teller {
    told: u32,
    more: u64,
    /// Columns of which is told that they hold another type.
    columns: BTreeSet<usize>,
}

impl Teller {
    /// A row that was left out.
    pub(in crate::task) fn row(&mut self, profile: Obis, octets: &[u8]) -> Option<Event> {
        self.tell(|| Oddity::Row { profile, octets: octets.to_vec() })
    }

    /// A column of a capture.
    pub(super) fn cell(&mut self, layout: &Arc<Layout>, at: Timestamp, unread: &Unread) -> Option<Event> {
        let Unreadable::Cell { column, is_type } = unread.what else { return None };
        if is_type && !self.columns.insert(column) {
            return None;
        }
        let (layout, octets) = (Arc::clone(layout), unread.octets.clone());
        self.tell(|| Oddity::Cell { layout, at, column, octets })
    }

    /// Whether there was anything.
    pub(super) const fn has_told(&self) -> bool {
        self.told > 0
    }

    /// What was counted beyond the limit.
    pub(in crate::task) fn rest(&self, profile: Obis) -> Option<Event> {
        (self.more > 0).then_some(Event::Odd(Oddity::More { profile, more: self.more }))
    }

    fn tell(&mut self, oddity: impl FnOnce() -> Oddity) -> Option<Event> {
        if self.told < TOLD_MAX {
            self.told += 1;
            return Some(Event::Odd(oddity()));
        }
        self.more += 1;
        None
    }
}

/// What could not be read of a row and right in front of it.
pub(super) fn of_row(rows: &Rows, row: usize) -> &[Unread] {
    let from = rows.unread.partition_point(|unread| unread.row < row);
    let to = rows.unread.partition_point(|unread| unread.row <= row);
    &rows.unread[from..to]
}
