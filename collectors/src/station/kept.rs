//! Associations that stay open while nobody has their line, and who proved himself on it.

use std::sync::Arc;

use dlms::client::Association;

use super::{Open, Session};
use crate::{Reason, Station, diagnosis::Setback, instruments::Held, line::Line};

/// An association that stays open while nobody has its line.
#[derive(Debug)]
pub(crate) struct Kept {
    association: Association,
    station: Arc<Station>,
    serial: Option<String>,
    clock_known: bool,
    held: Held,
}

impl Kept {
    /// Whether it is one with this station.
    pub(super) fn serves(&self, station: &Arc<Station>) -> bool {
        is_same(&self.station, station)
    }

    /// Goes on with it on the line that it was left on.
    pub(super) fn resume(self, line: Line) -> Open {
        let Self { association, station, serial, clock_known, held } = self;
        Open { line, association, station, serial, clock_known, _held: held }
    }
}

impl Open {
    /// Leaves the line with the association open on it.
    pub(super) fn keep(self) {
        let Self { line, association, station, serial, clock_known, _held: held } = self;
        line.give_back(Kept { association, station, serial, clock_known, held });
    }
}

impl Session {
    /// Whether a setback says that who is at the other end does not know the meter's secrets.
    pub(super) fn is_no_proof(&self, setback: &Setback, station: &Station) -> bool {
        let reason = setback.failure(station, &self.limits).reason;
        matches!(reason, Reason::WrongKey | Reason::WrongPassword | Reason::Downgrade)
    }
}

/// Whether an association for one station serves the other.
pub(super) fn is_same(one: &Arc<Station>, other: &Arc<Station>) -> bool {
    let who =
        |station: &Station| (station.meter, station.device_address, station.client_sap, station.server_sap);
    Arc::ptr_eq(one, other)
        || (who(one) == who(other)
            && one.address == other.address
            && one.credentials.serve(&other.credentials))
}
