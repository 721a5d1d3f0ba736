//! Meters that refuse us. Many lock themselves after a few wrong passwords or keys, so that what is due of one all at once must not be tried one
//! work after the other.

use std::sync::Arc;

use super::Session;
use crate::{Failure, MeterId, Reason, Station};

/// Refusals in a row after which what came with one lease is not tried any more. One is not enough: damage on the line can look like it.
const REFUSALS_MAX: u32 = 2;

/// A meter that refused us.
#[derive(Debug)]
pub(super) struct Refusals {
    /// As whom it was asked last. Works of one lease share it; what is leased later may have come with other secrets, and is tried.
    station: Arc<Station>,
    failure: Failure,
    in_a_row: u32,
}

impl Session {
    /// Why a meter need not be asked by a work with this station.
    pub(crate) fn refused(&self, station: &Arc<Station>) -> Option<&Failure> {
        let refusals = self.refusals.get(&station.meter)?;
        let is_known = refusals.in_a_row >= REFUSALS_MAX && Arc::ptr_eq(&refusals.station, station);
        is_known.then_some(&refusals.failure)
    }

    /// Notes that a work failed, if that says that the meter does not let us in.
    pub(crate) fn note_refusal(&mut self, station: &Arc<Station>, failure: &Failure) {
        let before = self.refusals.get(&station.meter).map_or(0, |refusals| refusals.in_a_row);
        let in_a_row = match failure.reason {
            Reason::WrongKey | Reason::WrongPassword | Reason::Downgrade | Reason::AssociationRefused => {
                before.saturating_add(1)
            }
            // No other work has a counter that the meter would take.
            Reason::CounterUnusable => REFUSALS_MAX,
            _ => return,
        };
        let (station, failure) = (Arc::clone(station), failure.clone());
        self.refusals.insert(station.meter, Refusals { station, failure, in_a_row });
    }

    /// Notes that the meter let us in.
    pub(crate) fn note_welcome(&mut self, meter: MeterId) {
        self.refusals.remove(&meter);
    }
}
