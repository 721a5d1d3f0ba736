//! Meters that are cleared.

use models::Clearing;

use crate::Meter;
use crate::ledger::{Access, Event};

/// Interface class and method under which the ledger notes that a meter was cleared: under the name of the first of what it counts (Blue Book, 4.3.2).
const REGISTER: u16 = 3;
const RESET: i8 = 1;

impl Meter {
    /// Begins anew at nothing: counters count on from there, accounts hold nothing.
    pub(crate) fn clear(&self, clearing: &Clearing) {
        let Some(first) = clearing.counters.first().copied() else { return };
        let shown: Vec<_> =
            clearing.counters.iter().map(|obis| (*obis, self.register(*obis).unwrap_or_default())).collect();
        self.act(|state, now| {
            for (obis, shown) in shown {
                match state.set.get_mut(&obis) {
                    Some(set) => *set = 0,
                    None => *state.cleared.entry(obis).or_default() += shown,
                }
            }
            state.set.extend(clearing.accounts.iter().map(|obis| (*obis, 0)));
            let (class_id, access) = (REGISTER, Access::Action(RESET));
            state.book.note(now, Event::Executed { class_id, object: first, access, result: 0 });
        });
    }
}
