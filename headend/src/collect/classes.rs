//! Which classes of work a look at the queue is for: pure. Urgent work has a reserve of sessions of its own; what people wait for has the last of
//! the others; and what comes behind all planned reads has its turns, so that it is never starved.

use crate::plan::{BACKFILL, SCHEDULED};

/// Of so many sessions one is kept free for what people wait for.
const ON_DEMAND_SHARE: u32 = 16;

/// Of so many looks one is for holes, and what comes behind them.
const BACKFILL_TURN: u64 = 8;

/// Of so many looks one is for what comes behind holes: firmware.
const FIRMWARE_TURN: u64 = 16;

/// The least and the most urgent work that look number `look` is for, with so many sessions open of those that there may be.
pub fn span(look: u64, open: usize, max_sessions: u32) -> (i16, i16) {
    let for_all = max_sessions - max_sessions / ON_DEMAND_SHARE;
    if open >= for_all as usize {
        (SCHEDULED + 1, i16::MAX)
    } else if look.is_multiple_of(FIRMWARE_TURN) {
        (i16::MIN, BACKFILL - 1)
    } else if look.is_multiple_of(BACKFILL_TURN) {
        (i16::MIN, BACKFILL)
    } else {
        (i16::MIN, i16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CommandKind;

    #[test]
    fn the_last_sessions_are_for_what_people_wait_for() {
        assert_eq!(span(1, 479, 512), (i16::MIN, i16::MAX));
        assert_eq!(span(1, 480, 512), (1, i16::MAX));
        assert_eq!(span(1, 14, 15), (i16::MIN, i16::MAX), "of few sessions none is kept");
    }

    #[test]
    fn every_class_has_its_turn() {
        let most = |look| span(look, 0, 512).1;
        assert_eq!((1..=16).filter(|look| most(*look) == i16::MAX).count(), 14);
        assert!(most(8) < SCHEDULED && most(8) >= BACKFILL);
        let firmware = CommandKind::InstallFirmware.priority();
        assert!(most(16) >= firmware && most(16) < BACKFILL);
    }
}
