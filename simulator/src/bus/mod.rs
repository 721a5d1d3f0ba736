//! An RS485 bus: one pair of wires, one speaker at a time, many stations that hear everything.
//!
//! A [`Bus`] is the far end of a line: octets come from whoever is the master, every [`Station`] hears them, and what one says comes back after its
//! turn-around and as slowly as the line is. What makes buses hard is here, too: dead stations, two with one address, several speeds, the echo of
//! an adapter, noise. `line.rs` is the time on the wires, `station.rs` a DLMS meter on them, `pty.rs` the [`Terminal`] that makes a serial device of
//! this machine of them; [`Buses`] is a fleet of DLMS meters on such devices.
//!
//! All times are those of tokio's clock, so that a test with a paused clock sees hours of a bus within seconds.

mod buses;
mod line;
mod pty;
mod station;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub use buses::Buses;
pub use pty::Terminal;
pub(crate) use station::DlmsStation;

/// Bits on the line for one octet: start, eight bits of data, stop.
const BITS_PER_OCTET: u64 = 10;

/// Somebody on a bus.
pub trait Station: Send {
    /// Hears octets that passed on the line, damaged ones among them, and appends what it says to `out`. Returns how long it thinks before
    /// it says that, beyond the turn-around of the bus. It hears nothing while it speaks.
    fn hear(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Duration;

    /// Bits per second at which it listens and speaks now.
    fn speed(&self) -> u32;
}

/// What a bus is like.
#[derive(Debug, Clone, Copy)]
pub struct BusConfig {
    /// Bits per second of the stations, unless they say otherwise. Default 9600.
    pub speed: u32,
    /// From the last octet of a request to the first of its answer. Default 20 ms.
    pub turnaround: Duration,
    /// Whether the adapter hears itself: what the master sends comes back to it. Default no.
    pub echo: bool,
    /// Of a million octets, how many are damaged on the line, in either direction. Default 0.
    pub noise_ppm: u32,
    /// What is damaged, and how, comes from it. Default 1.
    pub seed: u64,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self { speed: 9600, turnaround: Duration::from_millis(20), echo: false, noise_ppm: 0, seed: 1 }
    }
}

/// The line of the master, as the bus sees it.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    /// Bits per second at which the master speaks and listens; none when the line does not tell, which fits every station.
    fn speed(&self) -> Option<u32> {
        None
    }
}

impl Wire for tokio::io::DuplexStream {}
impl Wire for tokio::net::TcpStream {}

/// A bus with its stations.
pub struct Bus {
    config: BusConfig,
    stations: Vec<Box<dyn Station>>,
}

impl Bus {
    /// A bus with nobody on it.
    pub fn new(config: BusConfig) -> Self {
        Self { config, stations: Vec::new() }
    }

    /// Puts a station on it.
    pub fn add(&mut self, station: Box<dyn Station>) {
        self.stations.push(station);
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("config", &self.config).field("stations", &self.stations.len()).finish()
    }
}
