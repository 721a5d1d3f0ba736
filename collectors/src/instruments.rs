//! What is seen of channels while they run, and what is changed: counts of what goes over their lines, the knobs of their log.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dlms::hdlc::BadFrames;
use tokio::sync::mpsc;

use crate::{
    LineUse, ProtocolLog, Reason, Unasked, bus::Buses, exchange::Service, line::Fault, unasked::Ears,
};

/// Results of an exchange: an answer, or a [`Reason`] why there is none.
const RESULTS: usize = 1 + Reason::ALL.len();

/// What all channels of a process have in common, for whoever looks on. Counts only ever rise, those of what is open apart.
#[derive(Debug, Default)]
pub struct Instruments {
    exchanges: [[AtomicU64; RESULTS]; Service::ALL.len()],
    octets_sent: AtomicU64,
    octets_received: AtomicU64,
    /// HDLC frames that were damaged in their header, in their body, or at their end.
    bad_frames: [AtomicU64; 3],
    noise_octets: AtomicU64,
    collisions: AtomicU64,
    /// What lines did wrong on purpose.
    faults: [AtomicU64; Fault::ALL.len()],
    open_lines: AtomicU64,
    open_associations: AtomicU64,
    protocol_log: ProtocolLog,
    ears: Ears,
    buses: Buses,
}

impl Instruments {
    /// Every kind of exchange that took place: service, `ok` or the text of a [`Reason`], and how often.
    pub fn exchanges(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let results = || std::iter::once("ok").chain(Reason::ALL.iter().map(|(_, text)| *text));
        let named = self.exchanges.iter().zip(Service::ALL).flat_map(move |(counts, service)| {
            counts.iter().zip(results()).map(move |(count, result)| (service.as_str(), result, read(count)))
        });
        named.filter(|(_, _, count)| *count > 0)
    }

    /// Octets sent to meters, wrapper headers included, TCP and below not.
    pub fn octets_sent(&self) -> u64 {
        read(&self.octets_sent)
    }

    /// Octets received from meters, counted alike.
    pub fn octets_received(&self) -> u64 {
        read(&self.octets_received)
    }

    /// HDLC frames that arrived damaged: in what (`header`, `body`, or `flag` at the end), and how often.
    pub fn bad_frames(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["header", "body", "flag"].into_iter().zip(self.bad_frames.iter().map(read))
    }

    /// Octets that arrived on HDLC lines outside of whole frames.
    pub fn noise_octets(&self) -> u64 {
        read(&self.noise_octets)
    }

    /// How often what was sent came back as something else, because somebody else sent at the same time.
    pub fn collisions(&self) -> u64 {
        read(&self.collisions)
    }

    /// What lines did wrong because they were told to ([`Faults`](crate::Faults)): the name of the fault, and how often.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fault::ALL.into_iter().map(|(fault, name)| (name, read(&self.faults[fault as usize])))
    }

    /// What serial lines were used for, by the names of the lines; `most` of them at most.
    pub fn lines_used(&self, most: usize) -> Vec<(String, LineUse)> {
        self.buses.used(most)
    }

    /// Lines that are open now.
    pub fn open_lines(&self) -> u64 {
        read(&self.open_lines)
    }

    /// Associations that are open now.
    pub fn open_associations(&self) -> u64 {
        read(&self.open_associations)
    }

    /// The knobs of the protocol log.
    pub const fn protocol_log(&self) -> &ProtocolLog {
        &self.protocol_log
    }

    /// Lets what meters send unasked over these lines go there, from the first call on; what finds no room is added to `turned_away`.
    pub fn hear_to(&self, to: mpsc::Sender<Unasked>, turned_away: Arc<AtomicU64>) {
        self.ears.open(to, turned_away);
    }

    /// Where that goes.
    pub(crate) const fn ears(&self) -> &Ears {
        &self.ears
    }

    /// What is known of lines that stations share.
    pub(crate) const fn buses(&self) -> &Buses {
        &self.buses
    }

    pub(crate) fn count(&self, service: Service, failed: Option<Reason>) {
        let result = failed.map_or(0, |reason| 1 + reason as usize);
        self.exchanges[service as usize][result].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what was damaged on a line since it stood `before`.
    pub(crate) fn damaged(&self, before: BadFrames, now: BadFrames) {
        let counts = |bad: BadFrames| [bad.header, bad.frame, bad.flag];
        for ((count, before), now) in self.bad_frames.iter().zip(counts(before)).zip(counts(now)) {
            count.fetch_add(now - before, Ordering::Relaxed);
        }
        self.noise_octets.fetch_add(now.noise_octets - before.noise_octets, Ordering::Relaxed);
    }

    pub(crate) fn collided(&self) {
        self.collisions.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what a line did wrong because it was told to.
    pub(crate) fn failed_on_purpose(&self, fault: Fault) {
        self.faults[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, octets: usize) {
        self.octets_sent.fetch_add(octets as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, octets: usize) {
        self.octets_received.fetch_add(octets as u64, Ordering::Relaxed);
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Counts something as open for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Held {
    instruments: Arc<Instruments>,
    count: fn(&Instruments) -> &AtomicU64,
}

impl Held {
    /// A line.
    pub(crate) fn line(instruments: &Arc<Instruments>) -> Self {
        Self::new(instruments, |all| &all.open_lines)
    }

    /// An association.
    pub(crate) fn association(instruments: &Arc<Instruments>) -> Self {
        Self::new(instruments, |all| &all.open_associations)
    }

    /// The instruments that count it.
    pub(crate) const fn instruments(&self) -> &Arc<Instruments> {
        &self.instruments
    }

    fn new(instruments: &Arc<Instruments>, count: fn(&Instruments) -> &AtomicU64) -> Self {
        count(instruments).fetch_add(1, Ordering::Relaxed);
        Self { instruments: Arc::clone(instruments), count }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.count)(&self.instruments).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_and_reason_has_a_count_of_its_own() {
        let instruments = Instruments::default();
        for service in Service::ALL {
            instruments.count(service, None);
            for (reason, _) in Reason::ALL {
                instruments.count(service, Some(reason));
            }
        }
        assert_eq!(instruments.exchanges().count(), Service::ALL.len() * RESULTS);
        assert!(instruments.exchanges().all(|(_, _, count)| count == 1));
        instruments.count(Service::Get, Some(Reason::LineCut));
        let twice: Vec<_> = instruments.exchanges().filter(|(_, _, count)| *count == 2).collect();
        assert_eq!(twice, [("get", "line_cut", 2)]);
    }

    #[test]
    fn what_is_open_counts_until_it_is_dropped() {
        let instruments = Arc::new(Instruments::default());
        let held = [Held::line(&instruments), Held::association(&instruments), Held::line(&instruments)];
        assert_eq!((instruments.open_lines(), instruments.open_associations()), (2, 1));
        drop(held);
        assert_eq!((instruments.open_lines(), instruments.open_associations()), (0, 0));
    }
}
