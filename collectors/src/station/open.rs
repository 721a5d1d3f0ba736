//! An association with the line under it, and what is remembered of the meter for as long as it is open.

use std::{mem, sync::Arc, time::Duration};

use dlms::client::Association;
use models::Language;

use super::Session;
use crate::{
    Station,
    instruments::Held,
    line::{Line, LineError},
};

/// An association, the line under it and the station it was opened for.
pub(super) struct Open {
    pub(super) line: Line,
    pub(super) association: Association,
    pub(super) station: Arc<Station>,
    /// What the meter said when it was asked for its serial number.
    pub(super) serial: Option<String>,
    /// Its clock was looked at.
    pub(super) clock_known: bool,
    pub(super) _held: Held,
}

impl Open {
    pub(super) fn new(line: Line, association: Association, station: Arc<Station>) -> Self {
        let held = Held::association(line.instruments());
        Self { line, association, station, serial: None, clock_known: false, _held: held }
    }

    /// Sends the blocks that follow the one written last without an answer in between.
    pub(super) async fn stream(&mut self, limit: Duration) -> Result<(), LineError> {
        let mut block = Vec::new();
        while self.association.stream(&mut block) {
            self.line.send(&block, limit).await?;
            block.clear();
        }
        Ok(())
    }

    /// Sends again what may be lost because no answer came; false when nothing of the kind may be repeated.
    pub(super) async fn repeat(&mut self, limit: Duration) -> Result<bool, LineError> {
        let mut block = Vec::new();
        if !self.association.unanswered(&mut block) {
            return Ok(false);
        }
        self.line.send(&block, limit).await?;
        self.stream(limit).await?;
        Ok(true)
    }
}

impl Session {
    /// Whether the clock of the meter is to be looked at; it counts as looked at from then on, whatever comes of it.
    pub(crate) fn clock_is_due(&mut self, station: &Station) -> bool {
        let is_first = match (&station.model.language, &mut self.open) {
            (Language::Dlms, Some(open)) => !mem::replace(&mut open.clock_known, true),
            (Language::Dlms, None) => false,
            (_, _) => self.memory.times_first(station.meter),
        };
        self.minds_clocks && is_first
    }
}
