//! Concentrators: devices with an IP address in front of meters on a power line.
//!
//! A [`Concentrators`] is a fleet of meters behind one or several of them. What matters to whoever reads through one is here: the power line
//! carries one transaction at a time, slowly, and over repeaters (`carrier.rs`); nodes are discovered, get lost and come back (`presence.rs`);
//! the concentrator is a device itself, with a clock, a log and a firmware (`site.rs`, `device.rs`, `upgrades.rs`). [`Backend`] is how it lets others reach its nodes:
//! `wrapper.rs` by wrapper port or by the gateway protocol, `forward.rs` by Q/GDW 376.1 (which is what `terminal.rs` speaks of itself), `p2lpc/` by a web service and result files.
//!
//! Where nodes are and when they are lost is a pure function of seed, serial number and time, as what they measure is.

mod carrier;
mod device;
mod fleet;
mod forward;
mod p2lpc;
mod presence;
mod site;
mod terminal;
mod upgrades;
mod wrapper;

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::Error;

pub use fleet::Concentrators;
pub use presence::{NodeEvent, NodeEventKind, NodeState};

/// Nodes of one concentrator at most: as many as a P2LPC has.
pub const NODES_LIMIT: u32 = 1024;
/// Repeaters between a concentrator and a node at most.
const REPEATERS_LIMIT: u64 = 7;
/// Everything, in parts per million.
const WHOLE_PPM: u64 = 1_000_000;

/// How a concentrator lets others reach its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Node `n` has the wrapper port `base + n`.
    Wrapper {
        /// Port of node 0.
        base: u16,
    },
    /// The serial number of the node stands in front of each APDU, by the DLMS gateway protocol.
    Gateway {
        /// Number of the network behind the gateway.
        network: u8,
    },
    /// Frames are forwarded by Q/GDW 376.1, AFN 10H: HDLC to the device addresses from [`FIRST_DEVICE`](crate::FIRST_DEVICE) on.
    Forward,
    /// The web service of a P2LPC: what the concentrator has read by itself, and requests that it passes through.
    P2lpc,
}

/// A connection to a concentrator.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What concentrators are like.
#[derive(Debug, Clone)]
pub struct ConcentratorConfig {
    /// How nodes are reached. Default: by wrapper port, from 16 on.
    pub backend: Backend,
    /// Nodes of each concentrator; 1 to [`NODES_LIMIT`]. Default 1000.
    pub nodes: u32,
    /// Name of the model of the concentrator, for the inventory. Default `dlms-concentrator`.
    pub model: String,
    /// Bits per second on the power line. Default 1200.
    pub speed: u32,
    /// Repeaters between the concentrator and the farthest nodes, 0 to 7; nodes have from none to so many. Default 3.
    pub repeaters: u8,
    /// Of a million nodes, how many are out of reach at any time. Default 0.
    pub lost_ppm: u32,
    /// How long a node stays out of reach, by the fleet's clock. Default 2 hours.
    pub outage: Duration,
    /// Within which time from the start on the nodes are discovered, by the fleet's clock. Default 0: all are known at once.
    pub joining: Duration,
    /// With [`Backend::P2lpc`], the time between two rounds in which the concentrator reads its nodes, by the fleet's clock. Default 1 hour.
    pub pre_read: Duration,
    /// With [`Backend::P2lpc`], of a million messages how many are torn off somewhere. Default 0.
    pub torn_ppm: u32,
    /// With [`Backend::P2lpc`], whether a connection carries more than one request. Default yes.
    pub keeps_alive: bool,
    /// With [`Backend::P2lpc`], the folder into which result files are written, too; each concentrator has one of its own in it, by its serial number.
    /// Default: none.
    pub results: Option<PathBuf>,
    /// How much faster than a real one the power line is, for tests that cannot stop the clock. Default 1.
    pub accelerate: u32,
    /// With [`Backend::P2lpc`], how long the concentrator takes to bring firmware into a node, or into itself, by the fleet's clock. Default 10 seconds.
    pub upgrade_takes: Duration,
}

impl Default for ConcentratorConfig {
    fn default() -> Self {
        Self {
            backend: Backend::Wrapper { base: 16 },
            nodes: 1000,
            model: "dlms-concentrator".to_owned(),
            speed: 1200,
            repeaters: 3,
            lost_ppm: 0,
            outage: Duration::from_secs(7200),
            joining: Duration::ZERO,
            pre_read: Duration::from_secs(3600),
            torn_ppm: 0,
            keeps_alive: true,
            results: None,
            accelerate: 1,
            upgrade_takes: Duration::from_secs(10),
        }
    }
}

impl ConcentratorConfig {
    /// Refuses what is beyond the limits.
    fn check(&self) -> Result<(), Error> {
        let limit = |what, got: u64, limit: u64| match got <= limit {
            true => Ok(()),
            false => Err(Error::Limit { what, got, limit }),
        };
        if self.nodes == 0 {
            return Err(Error::Empty);
        }
        limit("nodes of a concentrator", self.nodes.into(), NODES_LIMIT.into())?;
        limit("repeaters", self.repeaters.into(), REPEATERS_LIMIT)?;
        limit("lost nodes in a million", self.lost_ppm.into(), WHOLE_PPM)?;
        limit("torn messages in a million", self.torn_ppm.into(), WHOLE_PPM)
    }
}
