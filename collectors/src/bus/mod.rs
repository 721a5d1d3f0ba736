//! What is known of a line that stations share: how fast each of them answers, how large its frames may be, and which of them do not answer.
//!
//! It is kept as long as the process lives, so that what was learned in one round of reads serves the next one.

mod account;
mod frames;
mod pace;
mod parking;
mod queue;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::civil;
use tokio::time::Instant;

pub use self::account::LineUse;
pub(crate) use self::{frames::Frames, queue::Queue};
use self::{
    pace::Pace,
    parking::{Parking, ProbeSlots},
};
use crate::{Failure, Limits, MeterId};

/// Lines that are remembered; of further ones nothing is known when their channel begins anew.
const LINES_MAX: usize = 65_536;
/// Stations that are remembered of one line; further ones are served without being remembered.
const STATIONS_MAX: usize = 4096;
/// The shortest time for an answer, on a line of this machine and over a network, where octets may arrive late by as much.
const PATIENCE_MIN: Duration = Duration::from_millis(250);
const PATIENCE_MIN_NETWORK: Duration = Duration::from_secs(1);
/// The part of the time for an answer after which it is asked where the answer stays, at the latest.
const ANSWER_PARTS: u32 = 4;
/// What the time of all tries is when it doubles three times: 1 + 2 + 4 + 8.
const DOUBLED: u32 = 15;
/// The same when it doubles once.
const DOUBLED_ONCE: u32 = 3;

/// The lines of a process that stations share.
#[derive(Debug, Default)]
pub(crate) struct Buses(Mutex<BTreeMap<String, SharedBus>>);

impl Buses {
    /// What is known of a line, by its name.
    pub(crate) fn of(&self, line: &str) -> SharedBus {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bus) = all.get(line) {
            return bus.clone();
        }
        let bus = SharedBus::default();
        if all.len() >= LINES_MAX {
            all.retain(|_, bus| Arc::strong_count(&bus.0) > 1);
        }
        if all.len() < LINES_MAX {
            all.insert(line.to_owned(), bus.clone());
        }
        bus
    }

    /// What the serial ones among them were used for, by name; `most` at most.
    pub(crate) fn used(&self, most: usize) -> Vec<(String, LineUse)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.iter().map(|(line, bus)| (line.clone(), bus.known().account));
        used.filter(|(_, used)| !used.carried.is_zero()).take(most).collect()
    }
}

/// A line and its stations, for all who have to do with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedBus(Arc<Mutex<Bus>>);

impl SharedBus {
    /// What is known now. It is never held while something is waited for.
    pub(crate) fn known(&self) -> MutexGuard<'_, Bus> {
        // Whoever panicked left figures behind, of which none depends on another.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a station is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// What it need not look for: a link, the next frame of an answer.
    Link,
    /// An answer.
    Answer,
}

/// A line and its stations.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    stations: BTreeMap<MeterId, Known>,
    /// How fast links of any station are set up: what one that is not known is given, too.
    links: Pace,
    probes: ProbeSlots,
    /// Why there was no way to the line at all.
    down: Option<Parking>,
    account: LineUse,
    /// The last day on which the time was told to everybody.
    time_told: Option<civil::Date>,
}

/// What is known of a station.
#[derive(Debug, Default)]
struct Known {
    /// How fast it answers where it need not look for anything.
    link: Pace,
    /// How fast it begins to answer what it has to look for.
    answer: Pace,
    frames: Frames,
    parking: Option<Parking>,
}

/// How long a station is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Until what it need not look for is asked for again, the first time; it doubles each time.
    pub(crate) link: Duration,
    /// Until it is asked where an answer stays, the first time; it doubles each time.
    pub(crate) answer: Duration,
    /// For a link at all.
    pub(crate) opening: Duration,
}

impl Patience {
    /// The same, but nothing is waited for more briefly than this.
    pub(crate) fn at_least(self, least: Duration) -> Self {
        let Self { link, answer, opening } = self;
        Self { link: link.max(least), answer: answer.max(least), opening: opening.max(least) }
    }

    /// What holds where nothing was learned.
    pub(crate) fn unlearned(limits: &Limits) -> Self {
        Self {
            link: limits.response_timeout / DOUBLED,
            answer: limits.response_timeout / ANSWER_PARTS,
            opening: limits.response_timeout,
        }
    }
}

impl Bus {
    /// Why a station is not to be tried `now`; `None` when it may be.
    pub(crate) fn forbids(&self, station: MeterId, is_urgent: bool, now: Instant) -> Option<&Failure> {
        if let Some(failure) = self.down.as_ref().and_then(|down| down.forbids(is_urgent, now)) {
            return Some(failure);
        }
        let parking = self.stations.get(&station)?.parking.as_ref()?;
        match parking.forbids(is_urgent, now) {
            None if !is_urgent && !self.probes.is_open(now) => Some(parking.failure()),
            forbidden => forbidden,
        }
    }

    /// How long to wait for a station on a line that may reach over a network.
    pub(crate) fn patience(&self, station: MeterId, is_network: bool, limits: &Limits) -> Patience {
        let known = self.stations.get(&station);
        let unlearned = Patience::unlearned(limits);
        let least = if is_network { PATIENCE_MIN_NETWORK } else { PATIENCE_MIN };
        let bounded = |learned: Option<Duration>| learned.map(|learned| learned.max(least));
        let link = bounded(known.and_then(|known| known.link.patience()).or_else(|| self.links.patience()));
        let answer = bounded(known.and_then(|known| known.answer.patience()));
        let tries = if known.is_some_and(|known| known.parking.is_some()) { DOUBLED_ONCE } else { DOUBLED };
        Patience {
            link: link.unwrap_or(unlearned.link).min(unlearned.answer),
            answer: answer.unwrap_or(unlearned.answer).min(unlearned.answer),
            opening: link.map_or(unlearned.opening, |link| (link * tries).min(unlearned.opening)),
        }
    }

    /// Works were done for so long; of that, octets went over the line for as long as `carried`, where its speed is known.
    pub(crate) fn note_use(&mut self, used: Duration, carried: Duration) {
        self.account.used += used;
        self.account.carried += carried;
    }

    /// Requests and answers went over the line for so long.
    pub(crate) fn note_payload(&mut self, payload: Duration) {
        self.account.payload += payload;
    }

    /// Notes that the time is told to everybody; false when it was told on this day already.
    pub(crate) fn tell_time(&mut self, day: civil::Date) -> bool {
        self.time_told.replace(day) != Some(day)
    }

    /// What the line was used for.
    pub(crate) const fn account(&self) -> LineUse {
        self.account
    }

    /// How large the frames of a station may be.
    pub(crate) fn frames(&self, station: MeterId) -> Frames {
        self.stations.get(&station).map(|known| known.frames).unwrap_or_default()
    }

    /// Notes how large they may be.
    pub(crate) fn note_frames(&mut self, station: MeterId, frames: Frames) {
        if let Some(known) = self.known(station) {
            known.frames = frames;
        }
    }

    /// A station began to answer so long after it was asked.
    pub(crate) fn answered(&mut self, station: MeterId, wait: Wait, took: Duration) {
        if wait == Wait::Link {
            self.links.observe(took);
        }
        let Some(known) = self.known(station) else { return };
        known.parking = None;
        match wait {
            Wait::Link => known.link.observe(took),
            Wait::Answer => known.answer.observe(took),
        }
    }

    /// A station was tried for as long as `took` and did not answer.
    pub(crate) fn unanswered(
        &mut self,
        station: MeterId,
        failure: Failure,
        took: Duration,
        limits: &Limits,
        now: Instant,
    ) {
        let least = limits.redial_pause.max(limits.response_timeout);
        let Some(known) = self.known(station) else { return };
        let was_parked = known.parking.is_some();
        known.parking = Some(Parking::new(known.parking.as_ref(), failure, least, now));
        if was_parked {
            self.probes.spend(took, now);
        }
    }

    /// There was no way to the line.
    pub(crate) fn unreachable(&mut self, failure: Failure, limits: &Limits, now: Instant) {
        // The line does not take anybody's time while it is tried: what is due finds out soon when it is back.
        self.down = Some(Parking::new(None, failure, limits.redial_pause, now));
    }

    /// There is a way to the line.
    pub(crate) fn reachable(&mut self) {
        self.down = None;
    }

    fn known(&mut self, station: MeterId) -> Option<&mut Known> {
        if self.stations.len() >= STATIONS_MAX && !self.stations.contains_key(&station) {
            return None;
        }
        Some(self.stations.entry(station).or_default())
    }
}
