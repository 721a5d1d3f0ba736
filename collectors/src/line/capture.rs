//! Line captures: what goes over a line, with what may be secret made unreadable, on its way to whoever makes a file of it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use models::Language;
use pcapng::{Carrier, Line, What};
use tokio::{sync::mpsc, time::Instant};

use crate::{CaptureId, Station, address::Way};

/// What stands in place of an octet that nobody may see.
const HIDDEN: u8 = b'*';

/// Something that happened on a line, for a capture.
#[derive(Debug, Clone)]
pub struct Captured {
    /// The capture.
    pub capture: CaptureId,
    /// The line.
    pub line: Line,
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
    /// The octets, `*` in place of what may be secret. Frames of HDLC that were changed so have the check sum that is theirs now.
    pub octets: Vec<u8>,
}

/// Where all channels of a process leave what they captured.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    to: OnceLock<mpsc::Sender<Captured>>,
    lost: AtomicU64,
}

impl Sink {
    /// From now on it goes there; only the first call counts.
    pub(crate) fn go_to(&self, to: mpsc::Sender<Captured>) {
        // Whoever comes second has nothing to do with the channels of this process.
        let _ = self.to.set(to);
    }

    /// What could not be left because nobody was fast enough to take it.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Leaves something for each of the captures. A line never waits for it.
    pub(crate) fn leave(&self, captures: &[CaptureId], line: &Line, what: What, octets: &[u8]) {
        let Some(to) = self.to.get() else { return };
        for capture in captures {
            let captured = Captured {
                capture: *capture,
                line: line.clone(),
                at: Instant::now(),
                what,
                octets: octets.to_vec(),
            };
            if to.try_send(captured).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The line to a station, as a capture has it. What is spoken in frames with a length in front goes as what it is; everything else is shown as a serial line.
pub(super) fn line(station: &Station) -> Line {
    let carrier = match station.address.way() {
        Way::Udp(_) => Carrier::Udp,
        _ if station.speaks_hdlc() || station.model.language != Language::Dlms => Carrier::Serial,
        _ => Carrier::Tcp,
    };
    Line { carrier, name: station.address.to_string() }
}

/// Octets of which some are hidden.
pub(super) fn masked(octets: &[u8], hidden: std::ops::Range<usize>) -> Vec<u8> {
    let masked =
        octets.iter().enumerate().map(|(at, octet)| if hidden.contains(&at) { HIDDEN } else { *octet });
    masked.collect()
}
