//! The part of the configuration about hearing meters.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[listener]`: hearing what meters send unasked, when the role `listener` is on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// Address and port for pushes over TCP. Default `127.0.0.1:4059`. Meters are not asked who they are before they may speak: let
    /// nobody but meters reach it.
    pub tcp: SocketAddr,
    /// Address and port for pushes over UDP. Default `127.0.0.1:4059`. The same applies.
    pub udp: SocketAddr,
    /// Connections that are open at once; more are closed as they come. Default 8192, from 1 to 100000.
    pub max_connections: usize,
    /// Connections that one address may have open at once. Default 1024, from 1 to 100000.
    pub connections_per_address: u32,
    /// Connections that may be opened in a second; ten seconds' worth at once. More are closed as they come. Default 20000, from 1 to 1000000.
    pub connections_per_second: u32,
    /// The same of one address. Default 500, from 1 to 1000000.
    pub connections_per_second_and_address: u32,
    /// The usual time between two heartbeats of a meter that calls. Until its own is known, and when its own is shorter, it is given up after three
    /// times as long without a word. Default 5m, from 5s to 1h.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Meters that are read in a second for the first time after they called; urgent work does not wait. Default 100, from 1 to 100000.
    pub first_reads_per_second: u32,
    /// Callers that no meter in the inventory fits and whose connections are kept nevertheless. Default 1000, from 0 to 100000.
    pub strangers: usize,
    /// Pushes of one address that may wait to be stored: of more, connections wait and datagrams are not taken. Default 16384,
    /// from 1 to 1000000.
    pub pending_per_address: usize,
    /// How long a frame may take to arrive, from the opening of the connection or from its first octet on. Default 10s, from 100ms
    /// to 5m.
    #[serde(with = "humantime_serde")]
    pub frame_timeout: Duration,
    /// How long a connection may be silent after a whole frame. Default 5m, from 1s to 7days.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Octets of a push at most, the wrapper header not counted. Default 2048, from 64 to 65535.
    pub max_frame: u16,
    /// Pushes that wait to be stored; beyond that they are turned away. Default 32768, from 1 to 1000000. Each takes the memory of
    /// its octets, twice, and some 300 more.
    pub queue: usize,
    /// Alarms of one meter that are kept in ten minutes, authenticated and other ones counted apart. Default 100, from 1 to 100000.
    pub alarms_per_meter: u32,
    /// Pushes that became no alarm and are kept for people to look at; the oldest make room. Default 10000, from 1 to 1000000.
    pub quarantine_entries: u32,
    /// Octets of these pushes together. Default 16777216 (16 MiB), from 65536 to 1073741824.
    pub quarantine_octets: u64,
}

impl Default for Listener {
    fn default() -> Self {
        let usual = SocketAddr::from(([127, 0, 0, 1], 4059));
        Self {
            tcp: usual,
            udp: usual,
            max_connections: 8192,
            connections_per_address: 1024,
            connections_per_second: 20_000,
            connections_per_second_and_address: 500,
            heartbeat: Duration::from_secs(300),
            first_reads_per_second: 100,
            strangers: 1000,
            pending_per_address: 16_384,
            frame_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_frame: 2048,
            queue: 32_768,
            alarms_per_meter: 100,
            quarantine_entries: 10_000,
            quarantine_octets: 16 << 20,
        }
    }
}
