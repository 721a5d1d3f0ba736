//! Meters that do not let us in. Many lock themselves after a few wrong passwords or keys, so that what is due of one all at once must not be
//! tried one work after the other; and some say nothing at all to who does not know them, which looks like a broken line.

use std::sync::Arc;

use super::Session;
use crate::{Failure, Reason, Station};

/// Refusals in a row after which what came with one lease is not tried any more. One is not enough: damage on the line can look like it.
const REFUSALS_MAX: u32 = 2;
/// How often in a row a meter is silent to what shows a secret before it is looked into whether it is the secret.
const SILENCES_MAX: u32 = 2;

/// Whether a meter lets us in, as far as is known.
#[derive(Debug)]
pub(super) struct Standing {
    /// As whom it was asked last. Works of one lease share it; what is leased later may have come with other secrets, and is tried.
    station: Arc<Station>,
    /// Why it refused us last, and how often in a row.
    failure: Option<Failure>,
    refusals: u32,
    /// How often in a row it was silent, and the invocation counter that it was silent to first.
    silences: u32,
    silent_since: Option<u32>,
    /// It did not answer in the clear either.
    is_mute: bool,
    /// It has let us in.
    is_welcome: bool,
}

/// What a meter is silent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Most likely the secret that it was shown.
    Secret,
    /// The line, or what cannot be told from it.
    Line,
    /// It does not answer in the clear either.
    Mute,
}

impl Standing {
    fn unknown(station: &Arc<Station>) -> Self {
        let station = Arc::clone(station);
        Self {
            station,
            failure: None,
            refusals: 0,
            silences: 0,
            silent_since: None,
            is_mute: false,
            is_welcome: false,
        }
    }

    fn is_of(&self, station: &Arc<Station>) -> bool {
        Arc::ptr_eq(&self.station, station)
    }
}

impl Session {
    /// Why a meter need not be asked by a work with this station.
    pub(crate) fn refused(&self, station: &Arc<Station>) -> Option<&Failure> {
        let standing = self.standings.get(&station.meter)?;
        let is_known = standing.refusals >= REFUSALS_MAX && standing.is_of(station);
        standing.failure.as_ref().filter(|_| is_known)
    }

    /// Notes that a work failed, if that says that the meter does not let us in.
    pub(crate) fn note_refusal(&mut self, station: &Arc<Station>, failure: &Failure) {
        let before = self.standings.get(&station.meter).map_or(0, |standing| standing.refusals);
        let refusals = match failure.reason {
            Reason::WrongKey | Reason::WrongPassword | Reason::Downgrade | Reason::AssociationRefused => {
                before.saturating_add(1)
            }
            // No other work has a counter that the meter would take.
            Reason::CounterUnusable => REFUSALS_MAX,
            _ => return,
        };
        let standing = Standing { failure: Some(failure.clone()), refusals, ..Standing::unknown(station) };
        self.standings.insert(station.meter, standing);
    }

    /// Notes that the meter let us in.
    pub(crate) fn note_welcome(&mut self, station: &Arc<Station>) {
        let standing = Standing { is_welcome: true, ..Standing::unknown(station) };
        self.standings.insert(station.meter, standing);
    }

    /// Notes that the meter was silent to what shows it a secret, under the counter `used` where that takes one. Gives back the first such counter, or 0, when
    /// it was so often that it may be the secret: never one that the meter has accepted before.
    pub(super) fn note_silence(&mut self, station: &Arc<Station>, used: Option<u32>) -> Option<u32> {
        let standing = self.standings.entry(station.meter).or_insert_with(|| Standing::unknown(station));
        if !standing.is_of(station) {
            *standing = Standing { refusals: standing.refusals, ..Standing::unknown(station) };
        }
        standing.is_mute = false;
        standing.silences = standing.silences.saturating_add(1);
        standing.silent_since = standing.silent_since.or(used);
        let may_be_secret = !standing.is_welcome && standing.silences >= SILENCES_MAX;
        may_be_secret.then_some(standing.silent_since.unwrap_or_default())
    }

    /// Notes what the silences of a meter came from.
    pub(super) fn resolve_silences(&mut self, station: &Station, from: Silence) {
        let Some(standing) = self.standings.get_mut(&station.meter) else { return };
        (standing.silences, standing.silent_since) = (0, None);
        match from {
            // A last one is still to be told.
            Silence::Secret => standing.refusals = REFUSALS_MAX - 1,
            Silence::Line => {}
            Silence::Mute => standing.is_mute = true,
        }
    }

    /// Whether the meter was asked in the clear, too, because it was silent, and did not answer.
    pub(crate) fn is_mute(&self, station: &Station) -> bool {
        self.standings.get(&station.meter).is_some_and(|standing| standing.is_mute)
    }
}
